"""The packaged models, loaded once a session; tests skip where they are not installed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from advisor.errors import MissingExtra
from harness.backbones.base import Backbone
from harness.models import load_backbone, resolve_model


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder in which nothing is found that the test did not make."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ADAPTATION_ADVISOR_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder of larger data sets that are not part of the repository."""
    given = os.environ.get("ADVISOR_DATASETS")
    folder = Path(given) if given else Path(__file__).parents[3] / "shared" / "datasets"
    if not folder.is_dir():
        pytest.skip(f"no data sets at {folder}; ADVISOR_DATASETS names the folder")
    return folder


def _packaged(name: str, max_tokens: int | None = None) -> Backbone:
    try:
        return load_backbone(resolve_model(name), "cpu", max_tokens)
    except MissingExtra as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def minilm() -> Backbone:
    return _packaged("minilm", 64)


@pytest.fixture(scope="session")
def efficientnet() -> Backbone:
    return _packaged("efficientnet-lite0")
