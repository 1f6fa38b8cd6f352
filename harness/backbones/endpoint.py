"""An OpenAI-compatible chat endpoint: requests, retries, a ceiling, and a cache of answers.

Nothing is asked twice: answers are kept by the content of the question. What leaves the machine is
exactly the payload: model name, prompt with its demonstrations, and sampling settings.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from advisor.errors import ModelError, SpecError, WorkFailed
from harness.device import cache_dir

KEY_VARIABLE = "OPENAI_API_KEY"
"""Environment variable with the key, if the endpoint wants one."""
RETRIES = 4
TIMEOUT = (10.0, 120.0)
"""Seconds to connect and to wait for an answer."""
_RETRIED = (408, 409, 429, 500, 502, 503, 504)


class CeilingReached(WorkFailed):
    """One more call would go over what was allowed."""


@dataclass
class Ceiling:
    """How many calls may still be sent; None for no limit."""

    calls: int | None = None
    sent: int = 0

    def spend(self) -> None:
        if self.calls is not None and self.sent >= self.calls:
            raise CeilingReached(
                f"the ceiling of {self.calls:,} calls was reached; allow more with --max-calls"
            )
        self.sent += 1


_ceiling: ContextVar[Ceiling | None] = ContextVar("ceiling", default=None)


@contextmanager
def at_most(calls: int | None) -> Iterator[Ceiling]:
    """While the body runs, no more than so many calls are sent (answers kept from before are
    free)."""
    ceiling = Ceiling(calls)
    token = _ceiling.set(ceiling)
    try:
        yield ceiling
    finally:
        _ceiling.reset(token)


def checked_url(given: str) -> str:
    """The base URL without a slash at its end.

    Raises:
        SpecError: If it is no http address.
    """
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SpecError(
            f"base-url must be an http address; got {given!r}. Write http://127.0.0.1:8000/v1."
        )
    return given.rstrip("/")


def is_local(url: str) -> bool:
    """Whether an address stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Endpoint:
    """Chat completions of one model.

    Args:
        url: Base URL, as "http://127.0.0.1:8000/v1".
        model: Name the endpoint knows it by.
    """

    def __init__(self, url: str, model: str) -> None:
        self.url, self.model = url, model
        self._session = requests.Session()
        # urllib3 waits 1, 2, 4 … seconds, or as long as the server asks for
        retry = Retry(RETRIES, backoff_factor=0.5, status_forcelist=_RETRIED, allowed_methods=None)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def ask(self, prompt: str, **settings: Any) -> Mapping[str, Any]:
        """The first choice of a completion, from the cache or from the endpoint.

        Raises:
            CeilingReached: Before a call that was not allowed.
            ModelError: If the endpoint cannot be reached or answers something else.
        """
        payload = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            **settings,
        }
        key = hashlib.sha256(
            json.dumps([self.url, payload], sort_keys=True).encode("utf-8", "surrogatepass")
        ).digest()
        with closing(_answers()) as connection:
            row = connection.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        if row is not None:
            kept: Mapping[str, Any] = json.loads(row[0])
            return kept
        if (ceiling := _ceiling.get()) is not None:
            ceiling.spend()
        choice = self._choice(self._post(payload))
        with closing(_answers()) as connection, connection:
            connection.execute(
                "INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, json.dumps(choice))
            )
        return choice

    def _post(self, payload: Mapping[str, Any]) -> Any:
        secret = os.environ.get(KEY_VARIABLE)
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        try:
            answer = self._session.post(
                f"{self.url}/chat/completions", json=payload, headers=headers, timeout=TIMEOUT
            )
            if not answer.ok:
                text = " ".join(answer.text.split())[:200]
                raise ModelError(f"{self.url} answered {answer.status_code}: {text or 'nothing'}")
            return answer.json()
        except requests.JSONDecodeError as error:
            raise ModelError(f"{self.url} answered something that is not JSON") from error
        except requests.RequestException as error:
            raise ModelError(
                f"{self.url} cannot be reached after {RETRIES} retries ({type(error).__name__}). "
                "Is it running, and is --base-url right?"
            ) from error

    def _choice(self, answer: Any) -> Mapping[str, Any]:
        try:
            choice = answer["choices"][0]
            return {
                "content": str(choice["message"]["content"] or ""),
                "logprobs": choice.get("logprobs"),
            }
        except (KeyError, IndexError, TypeError) as error:
            raise ModelError(
                f"{self.url} did not answer with chat completions; is it OpenAI-compatible?"
            ) from error


def _answers() -> sqlite3.Connection:
    path: Path = cache_dir() / "answers.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=60.0)
    connection.execute("CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, answer TEXT)")
    return connection
