"""A strategy pays for each row's features once, however often it uses them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.backbones.base import View
from harness.features import cached_features, charged_once
from tests.harness.fair_toys import ToyBackbone


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAPTATION_ADVISOR_CACHE", str(tmp_path))


def charged(*texts: str) -> float:
    return cached_features(ToyBackbone(), texts, views=(View("mean"),))[1]


def test_without_an_account_every_use_is_charged() -> None:
    assert charged("1", "2") == 0.0
    assert charged("1", "2") == charged("1", "2") > 0


def test_what_was_extracted_is_not_charged_afterwards() -> None:
    with charged_once():
        assert charged("1", "2") == 0.0
        assert charged("1", "2") == 0.0


def test_what_others_extracted_is_charged_once() -> None:
    charged("1", "2")
    with charged_once():
        assert charged("1") > 0
        assert charged("1") == 0.0
        assert charged("1", "2") > 0


def test_every_strategy_has_its_own_account() -> None:
    with charged_once():
        charged("1")
    with charged_once():
        assert charged("1") > 0
