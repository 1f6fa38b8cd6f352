"""Full fine-tuning of MiniLM: ours against transformers' Trainer, to equal validation accuracy.

    python -m benchmarks.full_finetune [--quick]

Questions of trec6 (6 classes), as many passes, the same learning rate, batch size, decay and
optimizer on both sides, an evaluation after every pass. The Trainer trains what a user would take,
AutoModelForSequenceClassification, on tokens made beforehand, padded batch by batch, in random
order. Timed is the whole training with its evaluations.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.command import Asked, Benchmark, result, run
from benchmarks.counter import Counter, limit
from benchmarks.news import drawn
from benchmarks.results import Agreement, Result, Row, figures
from benchmarks.sides import Contender, Measured, Outcome, Work, race

if TYPE_CHECKING:
    from harness.datasets.base import Split

TREC6 = Path(__file__).resolve().parents[2] / "shared" / "datasets" / "trec6"
WANTED = 1.2
RATE, DECAY, BATCH, WARMUP = 1e-4, 0.01, 16, 0.1
CLOSE = 0.02
"""Accuracies of 500 questions differ by so much from seed to seed."""


def questions(rows: int) -> tuple[Split, Split, tuple[str, ...]]:
    """Training rows, 500 validation rows, and the names of the classes."""
    from harness.datasets.base import DataRequest
    from harness.datasets.load import load_dataset

    data = load_dataset(DataRequest(str(TREC6)))
    chosen = drawn(data.train, rows + 500)
    return chosen.take(range(rows)), chosen.take(range(rows, rows + 500)), data.label_names


def by_harness(rows: int, epochs: int) -> Work:
    """Ours: rows of similar length together."""
    import torch

    from harness.backbones.encoder import EncoderBackbone
    from harness.models import resolve_model
    from harness.strategies.base import TrialBudget
    from harness.strategies.full_finetune import FullFineTuning
    from harness.tasks.classification import Classification
    from harness.train_settings import TrainSettings

    class EveryEpoch(FullFineTuning):
        def _settings(self) -> TrainSettings:
            return replace(super()._settings(), evaluations=epochs, patience=epochs)

    train, validation, names = questions(rows)
    facts = resolve_model("minilm", offline=True)
    backbone = EncoderBackbone.from_location(facts, device=torch.device("cpu"), max_tokens=128)
    task = Classification(names)
    counter = Counter()
    counter.watch(backbone.model)

    def work() -> Outcome:
        counter.values()
        strategy = EveryEpoch(
            learning_rate=RATE, epochs=epochs, weight_decay=DECAY, batch_size=BATCH
        ).fit(backbone, task, train, validation, seed=0, budget=TrialBudget())
        read = counter.values()  # before the predictions, which are no part of it
        right = strategy.predict(validation.inputs).argmax(axis=1) == validation.targets
        return Outcome({"accuracy": float(right.mean()), **read})

    return work


def by_trainer(rows: int, epochs: int) -> Work:
    """transformers' Trainer with its usual parts."""
    import tempfile

    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    from harness.models import resolve_model

    train, validation, names = questions(rows)
    folder = resolve_model("minilm", offline=True).location
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def told(part: Split) -> list[dict[str, Any]]:
        ids = tokenizer(list(part.inputs), truncation=True, max_length=128)["input_ids"]
        return [
            {"input_ids": row, "labels": int(target)}
            for row, target in zip(ids, part.targets, strict=True)
        ]

    def right(predicted: Any) -> dict[str, float]:
        return {"accuracy": float((predicted.predictions.argmax(-1) == predicted.label_ids).mean())}

    read, asked = told(train), told(validation)
    counter = Counter()

    def work() -> Outcome:
        with tempfile.TemporaryDirectory() as out:
            arguments = TrainingArguments(
                output_dir=out,
                per_device_train_batch_size=BATCH,
                per_device_eval_batch_size=64,
                num_train_epochs=epochs,
                learning_rate=RATE,
                weight_decay=DECAY,
                warmup_steps=round(WARMUP * epochs * -(-len(read) // BATCH)),
                eval_strategy="epoch",
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=True,
                dataloader_pin_memory=False,
                seed=0,
            )
            model = AutoModelForSequenceClassification.from_pretrained(
                folder, num_labels=len(names)
            )
            counter.watch(model)
            trainer = Trainer(
                model=model,
                args=arguments,
                train_dataset=read,
                eval_dataset=asked,
                data_collator=DataCollatorWithPadding(tokenizer),
                compute_metrics=right,
            )
            trainer.train()
        reached = [line["eval_accuracy"] for line in trainer.state.log_history if "eval_accuracy" in line]  # fmt: skip
        return Outcome({"accuracy": max(map(float, reached)), **counter.values()})

    return work


def compared(ours: Measured, peer: Measured) -> Agreement:
    """Ours must not be less accurate than the other by more than chance."""
    left, right = (float(side.outcome.values["accuracy"]) for side in (ours, peer))
    return Agreement(f"best validation accuracy {left:.3f} and {right:.3f}", left >= right - CLOSE)


def why(ours: Measured, peer: Measured) -> str:
    """What holds the row back: nothing but padding can be left out of the same training."""
    if peer.median / ours.median >= WANTED:
        return ""
    return f"both compute the same layers, and {limit(ours, peer)} (those of a training step count thrice)"


def measure(asked: Asked) -> Result:
    arguments = {"rows": 320, "epochs": 3} if asked.quick else {"rows": 1000, "epochs": 3}
    sides = [
        Contender("ours", by_harness, arguments),
        Contender("Trainer", by_trainer, arguments),
    ]
    ours, peer = race(sides, rounds=asked.rounds, threads=asked.threads)
    amount = arguments["epochs"] * -(-arguments["rows"] // BATCH)
    return result(
        rows=(
            Row(
                title=f"full fine-tuning, MiniLM, trec6, batch {BATCH}",
                ours=figures(ours),
                peer=figures(peer),
                wanted=WANTED,
                agreement=compared(ours, peer),
                amount=amount,
                unit="steps",
                why=why(ours, peer),
            ),
        ),
    )


BENCHMARK = Benchmark("full_finetune", measure, rounds=(2, 1))

if __name__ == "__main__":
    raise SystemExit(run(BENCHMARK, __doc__))
