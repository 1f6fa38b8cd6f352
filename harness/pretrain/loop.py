"""The loop of pretraining, the same for every objective."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.inference import OutOfMemory, autocast
from harness.pacing import MARGIN, Pace, rate_multiplier
from harness.pretrain import checkpoint
from harness.pretrain.base import Batch, Objective
from harness.strategies.base import Interrupted
from harness.training import Diverged, epoch_batches, seeded

WARMUP, CLIP, WEIGHT_DECAY = 0.1, 1.0, 0.01
EVALUATIONS = 13
"""Points of the curve: before the first step, then evenly until the last."""
HELD_OUT_BATCHES = 8
CHECKPOINT_SECONDS = 120.0
_MOST_STEPS = 10**9
_TRAINING, _HELD_OUT = 0, 1  # streams of random numbers


@dataclass(frozen=True)
class Limits:
    """When to end: after so many steps, or so many seconds of wall clock; exactly one is given."""

    steps: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Watch:
    """What surrounds the loop.

    Attributes:
        spent: Seconds of wall clock that this process has spent.
        cancelled: Whether to stop at the next step.
        moved: Told the steps taken and planned; evaluated: told each point of the curve.
    """

    spent: Callable[[], float] = time.monotonic
    cancelled: Callable[[], bool] = lambda: False
    moved: Callable[[int, int], None] = lambda step, total: None
    evaluated: Callable[[dict[str, float]], None] = lambda point: None


def pretrain(
    objective: Objective,
    examples: Sequence[Any],
    held_out: Sequence[Any],
    *,
    batch_rows: int,
    learning_rate: float,
    limits: Limits,
    seed: int,
    folder: Path,
    watch: Watch,
) -> checkpoint.State:
    """Train the objective's network, from the folder's checkpoint if it has one.

    AdamW, warm-up over a tenth of the steps, then linear decay; gradients clipped at norm 1. With
    a number of steps, a run that was interrupted and taken up again ends with the same weights as
    one that was not, bit for bit on a CPU: every step draws from the seed and its own number.
    With seconds, the schedule is planned from the measured speed.

    Args:
        held_out: Scored with the same masks each time; not trained on.
        folder: Of the checkpoint, which is written every two minutes and on interruption.

    Raises:
        Interrupted: If `watch.cancelled` turned true; a checkpoint was written before.
        Diverged: If a loss is not finite.
        OutOfMemory: If one example at a time is too much for the device.
    """
    loop = _Loop(objective, examples, held_out, batch_rows, learning_rate, limits, seed, watch)
    loop.resume(folder)
    return loop.run(folder)


class _Loop:
    def __init__(
        self,
        objective: Objective,
        examples: Sequence[Any],
        held_out: Sequence[Any],
        batch_rows: int,
        learning_rate: float,
        limits: Limits,
        seed: int,
        watch: Watch,
    ) -> None:
        self.objective, self.examples, self.held_out = objective, examples, held_out
        self.batch_rows, self.learning_rate = batch_rows, learning_rate
        self.limits, self.seed, self.watch = limits, seed, watch
        self.model = objective.model
        self.device = next(self.model.parameters()).device
        self.optimizer = _optimizer(self.model, learning_rate)
        self.costs = np.array([objective.cost(example) for example in examples])
        self.held_out_costs = np.array([objective.cost(example) for example in held_out])
        self.rows_at_once = batch_rows
        self.state = checkpoint.State()
        self.spent_before = 0.0
        self.epoch = -1
        self.batches: list[np.ndarray] = []
        self.pace = Pace(
            full_steps=limits.steps or _MOST_STEPS,
            step_cost=float(self.costs.mean() * batch_rows),
            validation_cost=float(self.held_out_costs[: HELD_OUT_BATCHES * batch_rows].sum()),
            evaluations=EVALUATIONS,
            limited=limits.seconds is not None,
        )

    def resume(self, folder: Path) -> None:
        self.state = checkpoint.load(folder, self.model, self.optimizer)
        self.spent_before = self.state.seconds
        if self.state.step:
            self.pace.warmed_up(self.state.step_seconds, self.state.step_cost)
        points = zip(self.state.curve, self.state.evaluation_seconds, strict=True)
        for point, seconds in points:
            self.pace.validated(int(point["step"]), seconds)

    def run(self, folder: Path) -> checkpoint.State:
        state, saved = self.state, time.monotonic()
        if not state.curve:
            self._evaluate()
        while state.step == 0 or state.step < self.pace.total:
            if self.watch.cancelled():
                self._save(folder)
                raise Interrupted
            self._step()
            self.pace.plan(state.step, self._remaining())
            self.watch.moved(state.step, self.pace.total)
            if self.pace.due(state.step):
                self._evaluate()
                self.pace.plan(state.step, self._remaining())
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self._save(folder)
                saved = time.monotonic()
        if self.pace.due(state.step):  # the plan became shorter while evaluating
            self._evaluate()
        state.seconds = self._spent()
        return state

    def _step(self) -> None:
        state, started = self.state, time.perf_counter()
        rows = self._rows(state.step)
        loss = self._gradients([self.examples[row] for row in rows], state.step)
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), CLIP))
        if not math.isfinite(loss + norm):
            raise Diverged(
                f"the training loss was {loss:g} (gradient norm {norm:g}) at step {state.step + 1}"
            )
        factor = rate_multiplier(state.step, self.pace.total, warmup=WARMUP, schedule="linear")
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * factor
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        took, cost = time.perf_counter() - started, int(self.costs[rows].sum())
        state.step += 1
        state.losses.append(loss)
        state.step_seconds += took
        state.step_cost += cost
        self.pace.stepped(took, cost)

    def _rows(self, step: int) -> np.ndarray:
        """Examples of a step, those of similar length together; each once in an epoch."""
        epoch, index = divmod(step, math.ceil(len(self.examples) / self.batch_rows))
        if epoch != self.epoch:
            self.batches = epoch_batches(self.costs, self.batch_rows, seed=self.seed, epoch=epoch)
            self.epoch = epoch
        return self.batches[index]

    def _gradients(self, examples: list[Any], step: int) -> float:
        """Leave the gradient of a batch's mean loss, taken in pieces that fit into memory."""
        self.model.train()
        while True:
            try:
                with _drawing(self.seed, _TRAINING, step, self.device) as draw:
                    batch = self.objective.batch(examples, draw)
                    return self._accumulate(batch, len(examples))
            except torch.OutOfMemoryError as error:
                if self.rows_at_once == 1:
                    raise OutOfMemory(f"one example does not fit: {error}") from error
            self.optimizer.zero_grad(set_to_none=True)
            self.rows_at_once = min(self.rows_at_once, len(examples)) // 2 or 1
            torch.cuda.empty_cache()

    def _accumulate(self, batch: Batch, rows: int) -> float:
        mean = 0.0
        for start in range(0, rows, self.rows_at_once):
            piece = self._moved(batch, start, start + self.rows_at_once)
            share = (min(start + self.rows_at_once, rows) - start) / rows
            with autocast(self.device):
                loss = self.objective.loss(piece) * share
            loss.backward()
            mean += loss.item()
        return mean

    @torch.no_grad()
    def _evaluate(self) -> None:
        """Add a point to the curve."""
        started = time.perf_counter()
        self.model.eval()
        losses, weights = [], []
        batches = epoch_batches(self.held_out_costs, self.batch_rows, seed=self.seed, epoch=0)
        for number, rows in enumerate(batches[:HELD_OUT_BATCHES]):
            with _drawing(self.seed, _HELD_OUT, number, self.device) as draw:
                batch = self.objective.batch([self.held_out[row] for row in rows], draw)
                with autocast(self.device):
                    loss = self.objective.loss(self._moved(batch, 0, len(rows)))
            losses.append(loss.item())
            weights.append(len(rows))
        held_out = float(np.average(losses, weights=weights))
        if not math.isfinite(held_out):
            raise Diverged(f"the held-out loss was {held_out:g} after step {self.state.step}")
        point: dict[str, float] = {"step": self.state.step}
        if self.state.losses:
            point["train_loss"] = float(np.mean(self.state.losses))
        point["held_out_loss"] = held_out
        self.state.losses = []
        self.state.curve.append(point)
        self.state.evaluation_seconds.append(time.perf_counter() - started)
        self.pace.validated(self.state.step, self.state.evaluation_seconds[-1])
        self.watch.evaluated(point)

    def _moved(self, batch: Batch, start: int, stop: int) -> Batch:
        return {name: value[start:stop].to(self.device) for name, value in batch.items()}

    def _save(self, folder: Path) -> None:
        self.state.seconds = self._spent()
        checkpoint.save(folder, self.model, self.optimizer, self.state)

    def _spent(self) -> float:
        return self.watch.spent() + self.spent_before

    def _remaining(self) -> float:
        if self.limits.seconds is None:
            return math.inf
        return MARGIN * self.limits.seconds - self._spent()


@contextmanager
def _drawing(
    seed: int, stream: int, number: int, device: torch.device
) -> Iterator[np.random.Generator]:
    """Inside, torch and the generator that is given draw from seed, stream and number."""
    sequence = np.random.SeedSequence((seed, stream, number))
    with seeded(int(sequence.generate_state(1)[0]), device):
        yield np.random.default_rng(sequence)


def _optimizer(model: nn.Module, learning_rate: float) -> torch.optim.AdamW:
    """AdamW; biases, norms and other vectors do not decay."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)
