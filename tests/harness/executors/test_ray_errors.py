"""What is said where Ray cannot be used; no cluster is started."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest

from advisor.errors import MissingExtra, OutputError
from harness.executors.base import Resources
from harness.executors.ray import RayExecutor


def pretend(monkeypatch: pytest.MonkeyPatch, error: Exception) -> dict:
    """A Ray that cannot be reached or started, for `error`; what it was asked for."""
    asked: dict = {}

    def init(**how: object) -> None:
        asked.update(how)
        raise error

    ray = SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    return asked


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"pip install 'adaptation-advisor\[ray\]'"):
        RayExecutor(Resources())


def test_no_cluster_at_an_address_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = pretend(monkeypatch, ConnectionError("Could not find any running\nRay instance"))
    with pytest.raises(OutputError) as told:
        RayExecutor(Resources(address="auto"))
    assert str(told.value) == (
        "no Ray cluster at auto (Could not find any running). "
        "Write --executor ray for one on this machine."
    )
    assert asked["address"] == "auto"


def test_a_node_that_does_not_come_up_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = pretend(monkeypatch, Exception("The current node timed out during startup.\nMore."))
    with pytest.raises(OutputError) as told:
        RayExecutor(Resources(jobs=2))
    assert str(told.value) == (
        "Ray did not start on this machine (The current node timed out during startup). A node "
        "gives up when its processes are not ready within 15 seconds: run the same command again "
        "once the machine is less busy, or write --executor local."
    )
    assert asked["num_cpus"] == 2
    assert asked["include_dashboard"] is False
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
