"""The one training loop: every strategy that learns by gradient goes through `train`."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from advisor.errors import SpecError, WorkFailed
from harness.backbones.base import Trainee
from harness.datasets.base import Split
from harness.inference import OutOfMemory, autocast, targets_of
from harness.out_of_memory import is_out_of_memory
from harness.pacing import MARGIN, Pace, rate_multiplier, still_falling
from harness.strategies.base import Interrupted, TrialBudget
from harness.tasks.base import Task
from harness.train_settings import TrainResult, TrainSettings
from harness.validation import validate

BUCKET_BATCHES = 8
"""Batches that are sorted by length together: enough to save padding, few enough to mix."""


class Diverged(WorkFailed):
    """The loss or its gradient stopped being a number."""


def train(
    trainee: Trainee,
    train: Split,
    validation: Split,
    settings: TrainSettings,
    *,
    task: Task,
    seed: int,
    budget: TrialBudget,
) -> TrainResult:
    """Train what requires a gradient and leave the trainee with its best weights.

    AdamW with warm-up and decay, clipped gradients, batches of similar length. The weights with
    the lowest validation loss are kept (without validation rows: the last ones). Under
    `budget.seconds` the schedule is planned from the measured speed to end in time, validations
    included; without, the result depends on settings and seed alone.

    Args:
        train: At least one row. validation: May be empty.
        seed: Draws batches and dropout; `seeded` does the same for an initialization.

    Raises:
        Interrupted: If the budget's `cancelled` turned true.
        Diverged: If a loss is not finite.
        OutOfMemory: If one example at a time is too much for the device.
        SpecError: If there is nothing to train or to train on.
    """
    if len(train) == 0:
        raise SpecError("training needs at least 1 example; got 0.")
    with seeded(seed, next(trainee.parameters()).device):
        return _Loop(trainee, train, validation, settings, task, seed, budget).run()


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw torch's random numbers from a seed inside; as before outside."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def epoch_batches(
    lengths: np.ndarray, batch_size: int, *, seed: int, epoch: int
) -> list[np.ndarray]:
    """Row numbers of an epoch's batches, rows of similar length together, in random order.

    Args:
        lengths: Cost of each row, shape (n,).
    """
    draw = np.random.default_rng((seed, epoch))
    order = draw.permutation(len(lengths))
    bucket = batch_size * BUCKET_BATCHES
    batches = []
    for start in range(0, len(order), bucket):
        rows = order[start : start + bucket]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    return [batches[index] for index in draw.permutation(len(batches))]


def _optimizer(trainee: Trainee, settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW over the trainable layers; "peak" holds each group's highest learning rate."""
    layers = trainee.layer_groups()
    head = set() if trainee.head is None else {id(p) for p in trainee.head.parameters()}
    groups = []
    for index, layer in enumerate(layers):
        rate = settings.learning_rate * settings.layer_decay ** (len(layers) - 1 - index)
        for in_head, decayed in itertools.product((True, False), repeat=2):
            members = [p for p in layer if (id(p) in head, p.ndim > 1) == (in_head, decayed)]
            if members:
                peak = settings.head_learning_rate or rate if in_head else rate
                decay = settings.weight_decay if decayed else 0.0
                groups.append({"params": members, "peak": peak, "weight_decay": decay})
    if not groups:
        raise SpecError("nothing to train: no parameter requires a gradient.")
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


class _Loop:
    """One training, step by step."""

    def __init__(
        self,
        trainee: Trainee,
        rows: Split,
        validation: Split,
        settings: TrainSettings,
        task: Task,
        seed: int,
        budget: TrialBudget,
    ) -> None:
        self.trainee, self.rows, self.validation = trainee, rows, validation
        self.settings, self.task, self.seed, self.budget = settings, task, seed, budget
        self.device = next(trainee.parameters()).device
        self.optimizer = _optimizer(trainee, settings)
        self.trained = {n: p for n, p in trainee.named_parameters() if p.requires_grad}
        # running statistics of batch normalisation belong to the weights they were taken with
        self.moving = self.trained | dict(trainee.named_buffers())
        self.rows_at_once = settings.rows_at_once or settings.batch_size
        self.checkpointed = False
        self.lengths = trainee.lengths(rows.inputs)
        first = self._epoch(0)
        self.pace = Pace(
            full_steps=settings.max_epochs * len(first),
            step_cost=float(np.mean([self._cost(batch) for batch in first])),
            validation_cost=float(trainee.lengths(validation.inputs).sum()) if validation else 0.0,
            evaluations=settings.evaluations,
            limited=budget.seconds is not None,
        )
        self.curve: list[dict[str, float]] = []
        self.best_loss, self.best_step = math.inf, 0
        self.best_state: dict[str, torch.Tensor] = {}
        self.flops = self.flops_per_cost = self.shown = 0.0

    def run(self) -> TrainResult:
        self._warm_up(self._epoch(0)[0])
        losses: list[float] = []
        step, seconds, stopped_early = 0, 0.0, False
        for batch in self._batches():
            self._check_cancelled()
            started = time.perf_counter()
            losses.append(self._step(batch, step))
            took = time.perf_counter() - started
            step, seconds = step + 1, seconds + took
            self.pace.stepped(took, self._cost(batch))
            self.pace.plan(step, self._remaining())
            self._progress(step / self.pace.total)
            if self.pace.due(step):
                stopped_early = self._evaluate(step, float(np.mean(losses)))
                losses.clear()
                self.pace.plan(step, self._remaining())
            if stopped_early or step >= self.pace.total:
                break
        self._restore(step)
        self._progress(1.0)
        return TrainResult(
            steps=step,
            full_steps=self.pace.full_steps,
            best_step=self.best_step,
            underfit=still_falling(
                self.curve, shortened=step < self.pace.full_steps, stopped_early=stopped_early
            ),
            stopped_early=stopped_early,
            curve=tuple(self.curve),
            batch_size=min(self.rows_at_once, self.settings.batch_size),
            seconds_per_step=seconds / step,
            flops=self.flops,
            checkpointed=self.checkpointed,
        )

    def _epoch(self, epoch: int) -> list[np.ndarray]:
        size = self.settings.batch_size
        return epoch_batches(self.lengths, size, seed=self.seed, epoch=epoch)

    def _batches(self) -> Iterator[np.ndarray]:
        for epoch in range(self.settings.max_epochs):
            yield from self._epoch(epoch)

    def _warm_up(self, batch: np.ndarray) -> None:
        """Time and count a quarter of a step; its gradients are thrown away."""
        part = batch[: max(1, len(batch) // 4)]
        cost = self._cost(part)
        started = time.perf_counter()
        with FlopCounterMode(display=False) as counter:
            self._gradients(part)
        self.optimizer.zero_grad(set_to_none=True)
        self.pace.warmed_up(time.perf_counter() - started, cost)
        self.flops_per_cost = counter.get_total_flops() / cost
        self.pace.plan(0, self._remaining())

    def _step(self, batch: np.ndarray, step: int) -> float:
        """One update; the mean loss of its batch."""
        loss = self._gradients(batch)
        norm = nn.utils.clip_grad_norm_(self.trained.values(), self.settings.clip)
        if not math.isfinite(loss + float(norm)):
            raise Diverged(
                f"the training loss was {loss:g} (gradient norm {float(norm):g}) at step "
                f"{step + 1}; use a learning rate below {self.settings.learning_rate:g}"
            )
        factor = rate_multiplier(
            step, self.pace.total, warmup=self.settings.warmup, schedule=self.settings.schedule
        )
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.flops += self.flops_per_cost * self._cost(batch)
        return loss

    def _gradients(self, batch: np.ndarray) -> float:
        """Accumulate the gradient of a batch's mean loss, in pieces that fit into memory."""
        self.trainee.train()
        while True:
            try:
                return self._accumulate(batch)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if self.rows_at_once == 1:
                    if self.checkpointed or not self.trainee.save_memory():
                        raise OutOfMemory(
                            f"training on one example does not fit: {error}"
                        ) from error
                    self.checkpointed = True
            self.optimizer.zero_grad(set_to_none=True)
            self.rows_at_once = min(self.rows_at_once, len(batch)) // 2 or 1
            torch.cuda.empty_cache()

    def _accumulate(self, batch: np.ndarray) -> float:
        mean = 0.0
        for start in range(0, len(batch), self.rows_at_once):
            piece = batch[start : start + self.rows_at_once]
            encoded = self.trainee.encode([self.rows.inputs[row] for row in piece], augment=True)
            targets = targets_of(self.rows, piece, self.device)
            with autocast(self.device):
                loss = self.trainee.loss(encoded, targets) * (len(piece) / len(batch))
            loss.backward()
            mean += loss.item()
        return mean

    def _evaluate(self, step: int, train_loss: float) -> bool:
        """Validate, remember the best weights; whether patience is at its end."""
        point = {"step": step, "train_loss": train_loss}
        self.curve.append(point)
        if len(self.validation) == 0:
            self.pace.validated(step, 0.0)
            return False
        started = time.perf_counter()
        loss, score = validate(
            self.trainee, self.validation, self.task, cancelled=self.budget.cancelled
        )
        if not math.isfinite(loss):
            raise Diverged(
                f"the validation loss was {loss:g} after step {step}; use a learning rate below "
                f"{self.settings.learning_rate:g}"
            )
        point["validation_loss"] = loss
        if score is not None:
            point["validation_score"] = score
        self.flops += self.flops_per_cost * self.pace.validation_cost / 3
        if loss < self.best_loss:
            self.best_loss, self.best_step = loss, step
            if step < self.pace.total:  # the last weights need no copy
                self.best_state = {n: p.detach().cpu().clone() for n, p in self.moving.items()}
        self.pace.validated(step, time.perf_counter() - started)
        since_best = sum(p["step"] > self.best_step for p in self.curve)
        return since_best >= self.settings.patience and step < self.pace.total

    @torch.no_grad()
    def _restore(self, step: int) -> None:
        if self.best_loss == math.inf:
            self.best_step = step
        if self.best_step == step:
            return
        for name, value in self.best_state.items():
            self.moving[name].copy_(value)

    def _cost(self, batch: np.ndarray) -> float:
        """Padded tokens (or images) of a batch."""
        return float(len(batch) * self.lengths[batch].max())

    def _remaining(self) -> float:
        if self.budget.seconds is None:
            return math.inf
        return self.budget.remaining() - (1 - MARGIN) * self.budget.seconds

    def _progress(self, share: float) -> None:
        self.shown = max(self.shown, min(1.0, share))
        self.budget.progress(self.shown)

    def _check_cancelled(self) -> None:
        if self.budget.cancelled():
            raise Interrupted
