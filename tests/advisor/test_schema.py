"""What `--json` prints is what the published schema says, for every valid situation."""

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from advisor import Situation, advise
from advisor.errors import AdviceError
from advisor.explain_json import schema, to_json
from advisor.situation import KEYS
from advisor.traits import FAMILIES, STRATEGIES, TASKS

SCHEMA = json.loads(schema())
VALIDATOR = Draft202012Validator(SCHEMA)


def log_uniform(low: float, high: float) -> st.SearchStrategy[int]:
    return st.floats(math.log(low), math.log(high)).map(lambda x: round(math.exp(x)))


SITUATIONS = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(("minilm", "gpt-3", "gemma-3-270m", "clip", "my own model")),
        "params": log_uniform(1, 1e15),
        "family": st.sampled_from(FAMILIES),
        "task": st.sampled_from(TASKS),
        "examples": st.integers(0, 10**12),
        "classes": st.integers(2, 10_000),
        "tokens": log_uniform(1, 1e9),
        "window": log_uniform(1, 1e9),
        "shift": st.floats(0, 1),
        "description": st.one_of(st.booleans(), st.just("Is this an X-ray of a fracture?")),
        "access": st.sampled_from(("text", "embeddings", "weights")),
        "privacy": st.sampled_from(("none", "local")),
        "gpus": st.integers(0, 1000),
        "gpu_memory": log_uniform(1e6, 1e15),
        "budget_hours": st.floats(0, 1e6),
        "latency_ms": st.floats(0.001, 1e9),
        "requests_per_month": st.integers(0, 10**15),
        "tasks_served": log_uniform(1, 1e9),
        "robust": st.booleans(),
        "target": st.floats(0, 1),
        "demonstrations": st.integers(0, 10**6),
        "label_names": st.just("ham, spam"),
        "candidates": st.sampled_from(("core", "all", "hard_prompt", "linear_probe lora")),
    },
)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_lists_every_key_and_every_choice() -> None:
    properties = SCHEMA["properties"]["situation"]["properties"]
    assert list(properties) == [key.name for key in KEYS]
    for key in KEYS:
        if key.kind == "choice":
            assert set(key.choices) <= set(properties[key.name]["enum"]), key.name
        if key.high is not None:
            assert properties[key.name]["maximum"] == key.high, key.name
    assert SCHEMA["$defs"]["recommendation"]["properties"]["strategy"]["enum"] == list(STRATEGIES)


@settings(max_examples=100, suppress_health_check=[HealthCheck.filter_too_much])
@given(SITUATIONS)
def test_the_answer_to_any_situation_is_valid(known: dict[str, object]) -> None:
    try:
        answer = advise(Situation.from_mapping(known))
    except AdviceError:
        return  # contradictory, such as a conv net for translation
    errors = [error.message for error in VALIDATOR.iter_errors(json.loads(to_json(answer)))]
    assert not errors


@settings(max_examples=25)
@given(SITUATIONS)
def test_the_situation_of_an_answer_can_be_asked_again(known: dict[str, object]) -> None:
    try:
        answer = json.loads(to_json(advise(Situation.from_mapping(known))))
    except AdviceError:
        return
    given_back = {key: value for key, value in answer["situation"].items() if value is not None}
    if given_back["positions"] == "none":
        del given_back["positions"]
    again = json.loads(to_json(advise(Situation.from_mapping(given_back))))
    assert [each["strategy"] for each in again["recommendations"]] == [
        each["strategy"] for each in answer["recommendations"]
    ]


@pytest.mark.parametrize(
    "broken",
    [
        lambda answer: answer.pop("recommendations"),
        lambda answer: answer.update(extra=1),
        lambda answer: answer["recommendations"][0].update(rank=0),
        lambda answer: answer["recommendations"][0].update(p_best=1.5),
        lambda answer: answer["recommendations"][0]["costs"]["training"].update(seconds=-1),
    ],
)
def test_the_schema_refuses_what_is_wrong(broken) -> None:
    answer = json.loads(to_json(advise({"params": "7B", "examples": 100})))
    assert VALIDATOR.is_valid(answer)
    broken(answer)
    assert not VALIDATOR.is_valid(answer)
