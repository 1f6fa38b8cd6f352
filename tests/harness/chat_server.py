"""A chat endpoint on this machine: it answers as it is told and remembers what it was asked."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], tuple[int, Any]]


@dataclass
class Chat:
    """What the server does, and what it saw."""

    answer: Answer
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


def completion(content: str, first: dict[str, float] | None = None) -> dict[str, Any]:
    """A completion; `first`: token -> probability of the first token's alternatives."""
    choice: dict[str, Any] = {"message": {"role": "assistant", "content": content}}
    if first is not None:
        top = [{"token": token, "logprob": math.log(p)} for token, p in first.items()]
        choice["logprobs"] = {"content": [{"token": content, "top_logprobs": top}]}
    return {"choices": [choice]}


@contextmanager
def serving(answer: Answer) -> Iterator[Chat]:
    """Serve on a free port of this machine while the body runs."""
    chat = Chat(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            chat.asked.append(payload)
            chat.keys.append(self.headers.get("Authorization"))
            status, body = chat.answer(payload)
            text = body if isinstance(body, str) else json.dumps(body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    chat.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield chat
    finally:
        server.shutdown()
        server.server_close()
