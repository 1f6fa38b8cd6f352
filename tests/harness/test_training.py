"""The training loop on toy models: what it learns, how it keeps time, when it stops."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from advisor.errors import SpecError
from harness.backbones.base import PromptSpec
from harness.inference import OutOfMemory, predict_log_probabilities
from harness.strategies.base import Interrupted, TrialBudget
from harness.train_settings import TrainResult, TrainSettings
from harness.training import Diverged, epoch_batches, seeded, train
from tests.harness.toy import ToyBackbone, ToyTrainee, permuted, toy_split, toy_task

TRAIN, VALIDATION, TEST = toy_split(80, 1), toy_split(24, 2), toy_split(100, 3)
NOTHING = TRAIN.take([])
TASK = toy_task()
SETTINGS = TrainSettings(learning_rate=3e-3, max_epochs=8, batch_size=8)


def new_trainee(family: str = "encoder", prompt: PromptSpec | None = None) -> ToyTrainee:
    with seeded(0, torch.device("cpu")):
        return ToyBackbone(family).trainee(TASK, prompt=prompt)


def run(
    trainee: ToyTrainee,
    settings: TrainSettings = SETTINGS,
    *,
    rows=TRAIN,
    validation=VALIDATION,
    seed: int = 0,
    budget: TrialBudget | None = None,
) -> TrainResult:
    return train(
        trainee, rows, validation, settings, task=TASK, seed=seed, budget=budget or TrialBudget()
    )


def logs(trainee: ToyTrainee) -> np.ndarray:
    return predict_log_probabilities(trainee, TEST.inputs, TASK)


def validation_loss(trainee: ToyTrainee) -> float:
    scores = predict_log_probabilities(trainee, VALIDATION.inputs, TASK)
    return float(-scores[np.arange(len(VALIDATION)), VALIDATION.targets].mean())


def test_learns_and_says_what_happened() -> None:
    trainee = new_trainee()
    result = run(trainee)
    assert (logs(trainee).argmax(axis=1) == TEST.targets).mean() > 0.8
    assert result.full_steps == 8 * 10
    assert result.steps <= result.full_steps
    assert result.curve[0]["step"] == 8  # ten evaluations, evenly spaced
    assert result.curve[-1]["train_loss"] < result.curve[0]["train_loss"]
    assert set(result.curve[0]) == {"step", "train_loss", "validation_loss", "validation_score"}
    assert result.batch_size == 8
    assert result.flops > 0


def test_without_a_limit_the_same_seed_gives_the_same_bits() -> None:
    first, second, other = new_trainee(), new_trainee(), new_trainee()
    one, two = run(first), run(second)
    run(other, seed=1)
    assert one.curve == two.curve
    assert np.array_equal(logs(first), logs(second))
    assert not np.array_equal(logs(first), logs(other))


def test_global_random_numbers_are_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    run(new_trainee(), TrainSettings(1e-3, 1))
    assert torch.equal(before, torch.get_rng_state())


def test_the_best_weights_are_restored() -> None:
    """Labels that say nothing: the training rows are learned by heart and validation suffers."""
    trainee = new_trainee()
    settings = TrainSettings(1e-2, 20, batch_size=8, patience=10)
    result = run(trainee, settings, rows=permuted(TRAIN))
    losses = [point["validation_loss"] for point in result.curve]
    assert losses[-1] > min(losses) + 0.1
    best = result.curve[int(np.argmin(losses))]
    assert result.best_step == best["step"]
    assert validation_loss(trainee) == pytest.approx(best["validation_loss"], abs=1e-6)
    assert not result.underfit


def test_stops_when_patience_is_at_its_end() -> None:
    settings = TrainSettings(1e-2, 40, batch_size=8, patience=2)
    result = run(new_trainee(), settings, rows=permuted(TRAIN))
    assert result.stopped_early
    assert result.steps < result.full_steps
    assert not result.underfit
    assert sum(point["step"] > result.best_step for point in result.curve) == 2


def test_without_validation_rows_the_last_weights_are_kept() -> None:
    trainee = new_trainee()
    result = run(trainee, validation=NOTHING)
    assert result.best_step == result.steps == result.full_steps
    assert all(set(point) == {"step", "train_loss"} for point in result.curve)
    assert not result.underfit
    assert not result.stopped_early


def test_a_schedule_too_short_to_converge_is_underfit() -> None:
    short = run(new_trainee(), TrainSettings(1e-3, 2, batch_size=8))
    assert short.underfit
    assert short.steps == short.full_steps


def test_accumulated_gradients_are_those_of_the_whole_batch() -> None:
    one, pieces = new_trainee(), new_trainee()
    for trainee in (one, pieces):
        for block in trainee.body.blocks:
            block.dropout.p = 0.0
    run(one, TrainSettings(1e-3, 2, batch_size=8, clip=1e9))
    run(pieces, TrainSettings(1e-3, 2, batch_size=8, clip=1e9, rows_at_once=3))
    np.testing.assert_allclose(logs(one), logs(pieces), atol=2e-3)


def test_only_what_requires_a_gradient_moves() -> None:
    trainee = new_trainee("decoder", PromptSpec(length=4))
    body = {name: value.clone() for name, value in trainee.body.state_dict().items()}
    vectors = trainee.prompt.vectors.detach().clone()
    run(trainee, TrainSettings(0.1, 2))
    assert all(torch.equal(value, body[name]) for name, value in trainee.body.state_dict().items())
    assert not torch.equal(vectors, trainee.prompt.vectors)


def test_layers_near_the_input_move_less_and_norms_are_not_decayed() -> None:
    from harness.training import _optimizer

    trainee = new_trainee()
    settings = TrainSettings(1e-3, 1, layer_decay=0.5, weight_decay=0.1, head_learning_rate=1e-2)
    groups = _optimizer(trainee, settings).param_groups
    peaks = {id(p): group["peak"] for group in groups for p in group["params"]}
    decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert peaks[id(trainee.head.weight)] == 1e-2
    first, last = trainee.body.blocks
    assert peaks[id(last.key.weight)] == pytest.approx(5e-4)
    assert peaks[id(first.key.weight)] == pytest.approx(2.5e-4)
    assert peaks[id(trainee.body.embed.weight)] == pytest.approx(1.25e-4)
    assert decays[id(last.norm.weight)] == decays[id(last.key.bias)] == 0.0
    assert decays[id(last.key.weight)] == 0.1
    assert set(peaks) == {id(p) for p in trainee.parameters()}


@pytest.mark.parametrize("seconds", [0.5, 1.5])
def test_the_whole_schedule_ends_inside_the_limit(seconds: float) -> None:
    settings = TrainSettings(3e-3, 2000, batch_size=8, patience=1000)
    budget = TrialBudget(seconds)
    result = run(new_trainee(), settings, budget=budget)
    assert 1 < result.steps < result.full_steps
    assert budget.remaining() > -0.5  # a busy machine may stretch the last step
    assert result.curve[-1]["step"] == result.steps  # the end is always evaluated


def test_a_spent_limit_still_allows_one_step() -> None:
    result = run(new_trainee(), budget=TrialBudget(0.0))
    assert result.steps == 1
    assert result.underfit


class Slow(ToyTrainee):
    """A machine on which every forward pass takes longer than before."""

    pause = 0.0

    def loss(self, batch, targets):
        type(self).pause += 0.004
        time.sleep(type(self).pause)
        return super().loss(batch, targets)


def test_a_machine_that_slows_down_gets_fewer_steps_instead_of_more_time() -> None:
    trainee, budget = new_trainee(), TrialBudget(2.0)
    trainee.__class__ = Slow
    Slow.pause = 0.0
    run(trainee, TrainSettings(1e-3, 1000, batch_size=8, patience=1000), budget=budget)
    assert budget.remaining() > -0.5


def test_cancelled_between_steps() -> None:
    steps: list[float] = []
    budget = TrialBudget(cancelled=lambda: len(steps) >= 3, progress=steps.append)
    with pytest.raises(Interrupted):
        run(new_trainee(), budget=budget)
    assert len(steps) == 3


def test_a_rate_that_is_too_high_fails_in_words() -> None:
    class Exploding(ToyTrainee):
        def loss(self, batch, targets):
            return super().loss(batch, targets) * math.inf

    trainee = new_trainee()
    trainee.__class__ = Exploding
    with pytest.raises(Diverged, match=r"loss was inf .* use a learning rate below 0.003"):
        run(trainee)


class Narrow(ToyTrainee):
    """A device with memory for so many rows."""

    fits = 3

    def answers(self, batch):
        if len(batch["ids"]) > type(self).fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 MiB")
        return super().answers(batch)


def test_too_little_memory_halves_the_rows_at_once_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainee = new_trainee()
    trainee.__class__ = Narrow
    monkeypatch.setattr(Narrow, "fits", 3)
    result = run(trainee)
    assert result.batch_size == 2
    assert (logs(trainee).argmax(axis=1) == TEST.targets).mean() > 0.8


def test_not_even_one_row_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    trainee = new_trainee()
    trainee.__class__ = Narrow
    monkeypatch.setattr(Narrow, "fits", 0)
    with pytest.raises(OutOfMemory, match="training on one example does not fit"):
        run(trainee)
    with pytest.raises(OutOfMemory, match="predicting one example does not fit"):
        logs(trainee)


def test_one_row_that_does_not_fit_makes_activations_be_recomputed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainee = new_trainee()
    trainee.__class__ = Narrow
    monkeypatch.setattr(Narrow, "fits", 0)

    def save_memory(self) -> bool:
        monkeypatch.setattr(Narrow, "fits", 1)
        return True

    monkeypatch.setattr(Narrow, "save_memory", save_memory)
    result = run(trainee)
    assert result.checkpointed
    assert result.batch_size == 1
    assert not run(new_trainee()).checkpointed


def test_nothing_to_train_is_an_error() -> None:
    with pytest.raises(SpecError, match="at least 1 example"):
        run(new_trainee(), rows=NOTHING)
    trainee = new_trainee().requires_grad_(False)
    with pytest.raises(SpecError, match="no parameter requires a gradient"):
        run(trainee)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be above 0; got 0.0."),
        ({"max_epochs": 0}, "max_epochs must be at least 1; got 0."),
        ({"layer_decay": 1.5}, "layer_decay must be above 0 and at most 1; got 1.5."),
        ({"schedule": "stairs"}, "schedule must be one of linear, cosine; got 'stairs'."),
        ({"rows_at_once": 0}, "rows_at_once must be at least 1, or None; got 0."),
    ],
)
def test_settings_out_of_range_are_refused(change: dict, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        TrainSettings(**({"learning_rate": 1e-3, "max_epochs": 1} | change))
    assert str(caught.value) == message


def test_batches_hold_every_row_once_and_rows_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 500, 1000)
    batches = epoch_batches(lengths, 16, seed=0, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(1000))
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    drawn = np.random.default_rng(0).permutation(1000)
    unsorted = sum(
        16 * lengths[drawn[start : start + 16]].max() for start in range(0, 1000 - 15, 16)
    )
    assert padded < 0.75 * unsorted
    again = epoch_batches(lengths, 16, seed=0, epoch=0)
    assert all(map(np.array_equal, batches, again))
    later = epoch_batches(lengths, 16, seed=0, epoch=1)
    assert not all(map(np.array_equal, batches, later))


FRESH = """
import sys
import numpy as np
from pathlib import Path
from harness.inference import predict_log_probabilities
from tests.harness.toy import ToyBackbone, toy_split, toy_task
trainee = ToyBackbone("decoder").trainee(toy_task())
trainee.load_body(Path(sys.argv[1]))
found = predict_log_probabilities(trainee, toy_split(100, 3).inputs, toy_task())
np.save(sys.argv[2], found)
"""


def test_a_fresh_process_predicts_the_same(tmp_path: Path) -> None:
    trainee = new_trainee("decoder")
    run(trainee, TrainSettings(3e-3, 2))
    trainee.save_body(tmp_path / "body")
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", FRESH, tmp_path / "body", tmp_path / "found.npy"],
        cwd=root,
        env={"PYTHONPATH": str(root), "OMP_NUM_THREADS": str(torch.get_num_threads())},
        check=True,
    )
    assert np.array_equal(np.load(tmp_path / "found.npy"), logs(trainee))
