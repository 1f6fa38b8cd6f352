"""The Hugging Face hub: what is in the local cache first, the network only if it is there."""

from __future__ import annotations

from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from huggingface_hub import constants, hf_hub_download, is_offline_mode
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from advisor.errors import ModelError

_REACHABLE_SECONDS = 5.0


def fetch(repository: str, file: str, *, offline: bool, instead: str) -> Path:
    """One small file of a repository, from the cache or the hub.

    Its folder is named after the revision: `fetch(…).parent.name`.

    Args:
        offline: Never ask the network; HF_HUB_OFFLINE=1 says the same.
        instead: What the reader could use without the hub; ends the error message.

    Raises:
        ModelError: If it is not to be had, with the reason.
    """
    try:
        return Path(hf_hub_download(repository, file, local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    if offline or is_offline_mode():
        raise ModelError(f"{repository!r} is not in the local cache and the hub is off. {instead}")
    if not _reachable():  # the library itself would retry for a minute
        raise ModelError(
            f"{repository!r} is not in the local cache and {constants.ENDPOINT} cannot be "
            f"reached. {instead}"
        )
    try:
        return Path(hf_hub_download(repository, file))
    except GatedRepoError as error:
        raise ModelError(
            f"{repository!r} is gated: accept its terms on {constants.ENDPOINT}, then log in."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"the hub has no model {repository!r}. {instead}") from error
    except EntryNotFoundError as error:
        raise ModelError(f"{repository!r} on the hub has no {file}. {instead}") from error
    except OSError as error:  # the library's HTTP and connection errors are of this kind
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"{repository!r} cannot be fetched ({reason}). {instead}") from error


def _reachable() -> bool:
    try:
        urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=_REACHABLE_SECONDS).close()
    except HTTPError:
        return True  # somebody answered
    except OSError:
        return False
    return True
