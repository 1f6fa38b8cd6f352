"""Training steps side by side: the harness's loop and transformers' Trainer, step by step.

Both sides take the same batches in the same order, with the same optimizer (fused AdamW, linear
decay, gradients clipped at 1). A step lasts from the end of the one before to its own end; the
first one, which pays for what is made once, is not counted.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.results import Agreement
from benchmarks.sides import Measured, Outcome

if TYPE_CHECKING:
    import torch

    from harness.backbones.base import Backbone
    from harness.datasets.base import Split
    from harness.strategies.trained import TrainedStrategy
    from harness.tasks.base import Task

CLOSE = 1e-3


class Clock:
    """Ends of steps."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def tick(self, *_: object) -> None:
        self.ends.append(time.perf_counter())

    def seconds(self, steps: int) -> float:
        """Of all steps but the first."""
        return self.ends[steps - 1] - self.ends[0]


def by_harness(
    strategy: TrainedStrategy, backbone: Backbone, task: Task, rows: Split, steps: int
) -> Outcome:
    """Fit a strategy that evaluates after every step, on no validation rows.

    Its operations are those of the report: counted on a quarter of a batch, and scaled.
    """
    from harness.strategies.base import TrialBudget

    clock = Clock()
    nothing = rows.take([])
    strategy.fit(backbone, task, rows, nothing, seed=0, budget=TrialBudget(progress=clock.tick))
    losses = [point["train_loss"] for point in strategy.report_.curve]
    flops = strategy.report_.flops
    timed = None if flops is None else flops * (steps - 1) / steps
    return Outcome({"losses": losses}, seconds=clock.seconds(steps), flops=timed)


def by_trainer(
    model: torch.nn.Module,
    rows: Sequence[dict[str, Any]],
    collate: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]],
    *,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
) -> Outcome:
    """One pass over rows that are in the order of the batches already."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    clock = Clock()

    class Ticks(TrainerCallback):
        def on_step_end(self, *_: object, **__: object) -> None:
            clock.tick()

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=batch_size,
            num_train_epochs=1,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            lr_scheduler_type="linear",
            max_grad_norm=1.0,
            train_sampling_strategy="sequential",
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            label_names=["labels"],
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=list(rows),
            data_collator=collate,
            callbacks=[Ticks()],
        )
        trainer.train()
    losses = [float(line["loss"]) for line in trainer.state.log_history if "loss" in line]
    timed = len(rows) - batch_size  # the first step is not
    return Outcome(
        {"losses": losses},
        seconds=clock.seconds(len(losses)),
        beside=lambda: {"flops": timed * operations(model, collate(list(rows[:1])))},
    )


def operations(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> float:
    """Floating point operations of a step on a batch; its gradients are thrown away."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        model(**batch).loss.backward()
    model.zero_grad(set_to_none=True)
    return float(counter.get_total_flops())


def why(ours: Measured, peer: Measured, wanted: float, held_back: str) -> str:
    """What holds a row back: the operations of both sides, and what else is known."""
    if peer.median / ours.median >= wanted:
        return ""
    mine, theirs = ours.outcome.flops, peer.outcome.values["flops"]
    assert mine is not None
    return (
        f"{theirs / 1e9:,.0f} billion operations by the peer, {mine / 1e9:,.0f} by us: at the same "
        f"speed {theirs / mine:.2f}x. {held_back}"
    )


def answered(rows: Sequence[tuple[list[int], list[int]]], padding: int) -> tuple[list[dict[str, Any]], Callable[..., Any]]:  # fmt: skip
    """Token rows of questions and answers as a language model is trained on them: padded on the
    right, the loss on the answers alone."""
    import torch

    def collate(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        longest = max(len(one["input_ids"]) for one in batch)
        fills = {"input_ids": padding, "attention_mask": 0, "labels": -100}
        return {
            name: torch.tensor([one[name] + [fill] * (longest - len(one[name])) for one in batch])
            for name, fill in fills.items()
        }

    told = [
        {
            "input_ids": question + answer,
            "attention_mask": [1] * len(question + answer),
            "labels": [-100] * len(question) + answer,
        }
        for question, answer in rows
    ]
    return told, collate


def compared(ours: Measured, peer: Measured) -> Agreement:
    """Whether the losses of all steps agree."""
    left, right = (side.outcome.values["losses"] for side in (ours, peer))
    apart = max(abs(a - b) for a, b in zip(left, right, strict=True))
    return Agreement(
        f"loss {left[-1]:.4f} and {right[-1]:.4f} at step {len(left)}, at most {apart:.0e} apart "
        "at any step",
        apart <= CLOSE,
    )
