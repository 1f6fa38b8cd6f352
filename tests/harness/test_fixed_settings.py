from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution

from advisor.errors import SpecError, UnknownName
from harness.fixed_settings import read_fixed, restricted
from harness.proposals import Proposals
from harness.strategies.base import Space
from harness.strategies.soft_prompt import SoftPrompting

IDS = ("soft_prompt", "hard_prompt")
SPACE = Space(
    {
        "learning_rate": FloatDistribution(1e-3, 1.0, log=True),
        "position": CategoricalDistribution(("before", "behind")),
    },
    first=(
        {"learning_rate": 0.03, "position": "before"},
        {"learning_rate": 0.03, "position": "behind"},
    ),
)


def test_values_are_read_as_they_are_meant():
    given = [
        "Soft-Prompt.position=behind",
        "soft_prompt.learning-rate=3e-2",
        "soft_prompt.length=5",
    ]
    assert read_fixed([*given, "hard_prompt.template=None"], IDS) == {
        "soft_prompt": {"position": "behind", "learning_rate": 0.03, "length": 5},
        "hard_prompt": {"template": None},
    }


@pytest.mark.parametrize("text", ["position", "soft_prompt=3", "soft_prompt.=3", "soft_prompt.a="])
def test_another_form_is_refused(text: str):
    with pytest.raises(SpecError, match=r"--set must be STRATEGY.HYPERPARAMETER=VALUE; got"):
        read_fixed([text], IDS)


def test_a_strategy_outside_the_run_is_refused():
    with pytest.raises(UnknownName, match="no strategy of this run 'lora'"):
        read_fixed(["lora.rank=3"], IDS)


@given(st.sampled_from(["before", "behind"]), st.floats(1e-3, 1.0))
def test_only_the_fixed_values_are_proposed(position: str, rate: float):
    held = restricted(SPACE, SoftPrompting, {"position": position, "learning_rate": rate})
    proposals = Proposals(held)
    assert proposals.ask() == {"position": position, "learning_rate": rate}
    proposals.tell(0.5)
    assert proposals.ask() is None


def test_points_that_become_equal_are_tried_once():
    held = restricted(SPACE, SoftPrompting, {"position": "behind"})
    assert held.first == ({"learning_rate": 0.03, "position": "behind"},)


def test_a_hyperparameter_that_is_not_searched_can_be_fixed():
    held = restricted(SPACE, SoftPrompting, {"epochs": 2})
    assert all(point["epochs"] == 2 for point in held.first)
    assert Proposals(held).ask()["epochs"] == 2


def test_what_cannot_be_is_refused():
    with pytest.raises(UnknownName, match="no hyperparameter of soft_prompt 'lr'"):
        restricted(SPACE, SoftPrompting, {"lr": 0.1})
    with pytest.raises(SpecError, match=r"soft_prompt\.position must be within"):
        restricted(SPACE, SoftPrompting, {"position": "beside"})
    with pytest.raises(SpecError, match=r"soft_prompt\.learning_rate must be within"):
        restricted(SPACE, SoftPrompting, {"learning_rate": 7.0})


def test_nothing_fixed_leaves_the_space_alone():
    assert restricted(SPACE, SoftPrompting, {}) is SPACE
