"""What every registered strategy promises, checked on a toy model: a new line is a tested line."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from advisor.errors import ModelError
from advisor.traits import FAMILIES
from harness.catalog import STRATEGIES
from harness.records import Happened
from harness.registry import Registry
from harness.strategies.base import Interrupted, NotFitted, Strategy, TrialBudget
from tests.harness.toy import (
    TOPICS,
    ToyBackbone,
    permuted,
    toy_data_facts,
    toy_facts,
    toy_split,
    toy_task,
)

TRAIN, VALIDATION, TEST = toy_split(96, 1), toy_split(32, 2), toy_split(200, 3)
TASK = toy_task()
CHANCE = 1 / len(TOPICS)

# What suits a model of a few thousand parameters; without a line here: the constructor's own.
SETTINGS: dict[str, dict[str, object]] = {
    "full_finetune": {"learning_rate": 3e-3, "epochs": 10},
    "soft_prompt": {"learning_rate": 0.1, "epochs": 20, "length": 8},
    "lora": {"learning_rate": 1e-2, "epochs": 10},
    "ia3": {"learning_rate": 0.1, "epochs": 20},
    "lp_ft": {"learning_rate": 1e-3, "epochs": 10},
    "from_scratch": {"learning_rate": 3e-3, "epochs": 20},
}

STRATEGY_IDS = STRATEGIES.names()


def _works(kind: type[Strategy], family: str) -> bool:
    return kind.feasible(toy_facts(family), TASK, toy_data_facts()).feasible


PAIRS = [
    (name, family)
    for name in STRATEGY_IDS
    for family in ("encoder", "decoder")
    if _works(STRATEGIES.load(name), family)
]


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADAPTATION_ADVISOR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def make(kind: type[Strategy]) -> Strategy:
    return kind(**SETTINGS.get(kind.id, {}))


def fit(
    kind: type[Strategy],
    family: str = "decoder",
    *,
    train=TRAIN,
    validation=VALIDATION,
    seed: int = 0,
    budget: TrialBudget | None = None,
    backbone: ToyBackbone | None = None,
) -> Strategy:
    return make(kind).fit(
        backbone or ToyBackbone(family),
        TASK,
        train,
        validation,
        seed=seed,
        budget=budget or TrialBudget(),
    )


@cache
def fitted(name: str, family: str) -> Strategy:
    return fit(STRATEGIES.load(name), family)


def accuracy(strategy: Strategy) -> float:
    return float((strategy.predict(TEST.inputs).argmax(axis=1) == TEST.targets).mean())


def test_the_suite_covers_something_of_every_strategy() -> None:
    assert {name for name, _ in PAIRS} == set(STRATEGY_IDS)


@pytest.mark.parametrize(("name", "family"), PAIRS)
def test_learns_what_can_be_learned(name: str, family: str) -> None:
    assert accuracy(fitted(name, family)) >= CHANCE + 0.2


@pytest.mark.parametrize(
    ("name", "family"), [pair for pair in PAIRS if STRATEGIES.load(pair[0]).traits.needs_labels]
)
def test_falls_to_chance_on_labels_that_say_nothing(name: str, family: str) -> None:
    scores = [
        accuracy(
            fit(
                STRATEGIES.load(name),
                family,
                train=permuted(TRAIN, seed),
                validation=permuted(VALIDATION, seed),
                seed=seed,
            )
        )
        for seed in range(3)
    ]
    assert abs(np.mean(scores) - CHANCE) < 0.12, scores


@pytest.mark.parametrize(("name", "family"), PAIRS)
def test_predicts_probabilities(name: str, family: str) -> None:
    probabilities = fitted(name, family).predict(TEST.inputs)
    assert probabilities.shape == (len(TEST), len(TOPICS))
    assert probabilities.dtype == np.float64
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-9)
    assert fitted(name, family).predict(()).shape == (0, len(TOPICS))


@pytest.mark.parametrize(("name", "family"), PAIRS)
def test_predicts_the_same_after_saving_and_loading(name: str, family: str, tmp_path: Path) -> None:
    strategy = fitted(name, family)
    strategy.save(tmp_path)
    loaded = STRATEGIES.load(name).load(tmp_path, ToyBackbone(family), TASK)
    assert np.array_equal(loaded.predict(TEST.inputs), strategy.predict(TEST.inputs))
    kept = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert kept <= {".json", ".safetensors", ".md", ".txt"}, kept


@pytest.mark.parametrize(("name", "family"), PAIRS)
def test_a_loaded_strategy_can_be_saved_again(name: str, family: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    fitted(name, family).save(first)
    STRATEGIES.load(name).load(first, ToyBackbone(family), TASK).save(second)
    for path in first.rglob("*.*"):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path


@pytest.mark.parametrize("name", STRATEGY_IDS)
def test_a_damaged_file_is_named_in_one_line(name: str, tmp_path: Path) -> None:
    fitted(name, "decoder").save(tmp_path)
    files = sorted(path for path in tmp_path.iterdir() if path.is_file())
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        if path.name != "adapter_config.json":  # written for peft, not read here
            with pytest.raises(ModelError, match=path.name) as caught:
                STRATEGIES.load(name).load(tmp_path, ToyBackbone(), TASK)
            assert "\n" not in str(caught.value)
        path.write_bytes(whole)


@pytest.mark.parametrize("name", STRATEGY_IDS)
def test_needs_fit_before_predict_and_save(name: str, tmp_path: Path) -> None:
    strategy = make(STRATEGIES.load(name))
    with pytest.raises(NotFitted):
        strategy.predict(TEST.inputs)
    with pytest.raises(NotFitted):
        strategy.save(tmp_path)


@pytest.mark.parametrize("name", STRATEGY_IDS)
def test_refuses_with_a_reason_what_it_cannot_do(name: str) -> None:
    kind = STRATEGIES.load(name)
    impossible = [
        (toy_facts(family), toy_data_facts())
        for family in FAMILIES
        if family not in kind.traits.families
    ]
    if kind.traits.needs_labels:
        impossible += [(toy_facts(), toy_data_facts(n)) for n in (0, len(TOPICS) - 1)]
    assert impossible or kind.traits.families == set(FAMILIES)
    for facts, data in impossible:
        verdict = kind.feasible(facts, TASK, data)
        assert not verdict.feasible
        assert len(verdict.reason.split()) >= 5, verdict
    assert not kind.feasible(toy_facts(), TASK, toy_data_facts()).reason


@pytest.mark.parametrize(("name", "family"), PAIRS)
def test_searches_its_own_keywords_within_their_ranges(name: str, family: str) -> None:
    kind = STRATEGIES.load(name)
    keywords = inspect.signature(kind).parameters
    assert all(one.kind is one.KEYWORD_ONLY for one in keywords.values())
    assert all(one.default is not one.empty for one in keywords.values())
    space = kind.space(toy_facts(family), TASK, toy_data_facts())
    assert space.first
    assert set(space.distributions) <= set(keywords)
    for point in space.first:
        assert set(point) <= set(keywords)
        json.dumps(dict(point))
        for key, value in point.items():
            if key in space.distributions:
                distribution = space.distributions[key]
                assert distribution._contains(distribution.to_internal_repr(value)), (key, value)
        strategy = kind(**point)
        assert {key: getattr(strategy, key) for key in point} == dict(point)


@pytest.mark.parametrize(("name", "family"), PAIRS)
def test_stops_between_steps_when_cancelled(name: str, family: str) -> None:
    calls = 0

    def soon() -> bool:
        nonlocal calls
        calls += 1
        return calls > 2

    with pytest.raises(Interrupted):
        fit(STRATEGIES.load(name), family, budget=TrialBudget(cancelled=soon))
    with pytest.raises(Interrupted):
        fit(STRATEGIES.load(name), family, budget=TrialBudget(cancelled=lambda: True))


@pytest.mark.parametrize(("name", "family"), PAIRS)
def test_progress_only_moves_forward(name: str, family: str) -> None:
    shares: list[float] = []
    fit(STRATEGIES.load(name), family, budget=TrialBudget(progress=shares.append))
    assert shares
    assert shares == sorted(shares)
    assert shares[0] >= 0
    assert shares[-1] == 1.0


@pytest.mark.parametrize(("name", "family"), PAIRS)
def test_the_same_seed_gives_the_same_model_and_the_body_stays(
    name: str, family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = ToyBackbone(family)
    before = [p.clone() for p in backbone._body.parameters()]
    torch.manual_seed(1234)
    state = torch.get_rng_state()
    monkeypatch.setenv("ADAPTATION_ADVISOR_CACHE", str(tmp_path))  # features from scratch
    again = fit(STRATEGIES.load(name), family, backbone=backbone)
    assert np.array_equal(again.predict(TEST.inputs), fitted(name, family).predict(TEST.inputs))
    assert all(map(torch.equal, before, backbone._body.parameters()))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(("name", "family"), PAIRS)
def test_reports_what_a_record_can_hold(name: str, family: str) -> None:
    report = fitted(name, family).report_
    happened = Happened(
        status="done",
        trained_parameters=report.trained_parameters,
        steps=report.steps,
        curve=report.curve,
        chosen=report.chosen,
        flops=report.flops,
    )
    assert Happened.model_validate_json(happened.model_dump_json()) == happened
    trains = STRATEGIES.load(name).traits.needs_labels
    assert (report.trained_parameters > 0) == trains


@pytest.mark.parametrize(
    ("name", "family"), [pair for pair in PAIRS if STRATEGIES.load(pair[0]).traits.needs_labels]
)
def test_one_example_per_class_and_no_validation_is_enough(name: str, family: str) -> None:
    few, none = TRAIN.take(range(len(TOPICS))), TRAIN.take([])
    strategy = fit(STRATEGIES.load(name), family, train=few, validation=none)
    probabilities = strategy.predict(few.inputs)
    assert np.isfinite(probabilities).all()


@pytest.mark.parametrize(("name", "family"), PAIRS)
def test_a_time_limit_is_kept_however_short(name: str, family: str) -> None:
    budget = TrialBudget(0.2)
    strategy = fit(STRATEGIES.load(name), family, budget=budget)
    assert budget.remaining() > -2.0  # one step, one validation, a busy machine
    assert strategy.predict(TEST.inputs).shape == (len(TEST), len(TOPICS))


NEAREST = '''
"""One file: the class whose mean feature is nearest."""

import numpy as np
from optuna.distributions import CategoricalDistribution
from safetensors.numpy import load_file, save_file

from advisor.traits import STRATEGIES
from harness.strategies.base import FitReport, Space, Strategy, Verdict


class NearestMean(Strategy):
    id = "nearest_mean"
    traits = STRATEGIES["linear_probe"]._replace(id="nearest_mean")

    def __init__(self, *, pooling="mean"):
        self.pooling = pooling

    @classmethod
    def feasible(cls, facts, task, data):
        return Verdict(True)

    @classmethod
    def space(cls, facts, task, data):
        return Space({"pooling": CategoricalDistribution(("mean", "max"))}, ({"pooling": "mean"},))

    def fit(self, backbone, task, train, validation, *, seed, budget):
        self._backbone = backbone
        x = backbone.features(train.inputs, pooling=self.pooling)
        self.means_ = np.stack([x[train.targets == c].mean(0) for c in range(task.n_classes)])
        self.report_ = FitReport(trained_parameters=self.means_.size)
        return self

    def predict(self, inputs):
        x = self._backbone.features(inputs, pooling=self.pooling)
        closeness = np.exp(-((x[:, None] - self.means_) ** 2).mean(-1).astype(np.float64))
        return closeness / closeness.sum(1, keepdims=True)

    def save(self, folder):
        save_file({"means": self.means_}, folder / "means.safetensors")

    @classmethod
    def load(cls, folder, backbone, task):
        self = cls()
        self._backbone, self.means_ = backbone, load_file(folder / "means.safetensors")["means"]
        return self
'''


def test_a_new_strategy_costs_one_file_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nearest_mean.py").write_text(NEAREST, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry(
        "strategy", dict(zip(STRATEGIES.names(), STRATEGIES.targets(), strict=True))
    )
    registry.register("nearest_mean", "nearest_mean:NearestMean")
    kind = registry.load("nearest_mean")
    strategy = fit(kind)
    assert accuracy(strategy) >= CHANCE + 0.2
    (tmp_path / "kept").mkdir()
    strategy.save(tmp_path / "kept")
    loaded = kind.load(tmp_path / "kept", ToyBackbone(), TASK)
    assert np.array_equal(loaded.predict(TEST.inputs), strategy.predict(TEST.inputs))
