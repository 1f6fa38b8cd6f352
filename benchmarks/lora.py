"""Steps of LoRA: ours against peft with transformers' Trainer.

    python -m benchmarks.lora [--quick]

Gemma-3-270M, rank 8 beside every linear layer of the blocks, BBC news of 64 tokens, batches of 8. Both
sides start from the same matrices, see the same batches and maximise the likelihood of the label among
the whole vocabulary; nothing is dropped out, so that their losses can be compared.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks import steps
from benchmarks.command import Asked, Benchmark, result, run
from benchmarks.news import bbc_news, drawn, gemma, ordered
from benchmarks.results import Result, Row, figures
from benchmarks.sides import Contender, Outcome, Work, race

RANK, BATCH, RATE, DECAY = 8, 8, 3e-4, 0.01
WANTED = 2.0
HELD_BACK = (
    "Beside every frozen product stand two of LoRA that are 8 wide, which read as much memory for few "
    "operations; norms, rotations and activations are the same on both sides"
)


def by_harness(count: int) -> Work:
    """Ours: peft's layers, the output layer where labels are predicted and nowhere else."""
    from harness.strategies.lora import Lora
    from harness.tasks.classification import Classification
    from harness.train_settings import TrainSettings

    class EveryStep(Lora):
        def _settings(self) -> TrainSettings:
            return replace(super()._settings(), warmup=0.0, evaluations=count, patience=count)

    backbone, data = gemma(), bbc_news()
    task = Classification(data.label_names, data.description)
    rows = drawn(data.train, count * BATCH)

    def work() -> Outcome:
        strategy = EveryStep(learning_rate=RATE, rank=RANK, dropout=0.0, epochs=1, batch_size=BATCH)
        return steps.by_harness(strategy, backbone, task, rows, count)

    return work


def by_peft(count: int) -> Work:
    """peft's LoRA under transformers' Trainer."""
    import torch
    from peft import LoraConfig, TaskType, get_peft_model

    from harness.tasks.classification import Classification
    from harness.training import seeded

    backbone, data = gemma(plain=True), bbc_news()
    task = Classification(data.label_names, data.description)
    told, collate = steps.answered(*ordered(backbone, task, drawn(data.train, count * BATCH), BATCH))  # fmt: skip
    config = LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=RANK,
        lora_alpha=2 * RANK,
        lora_dropout=0.0,
        target_modules="all-linear",
    )
    with seeded(0, torch.device("cpu")):
        model = get_peft_model(backbone.model, config)
    start = {name: value.clone() for name, value in model.state_dict().items() if "lora_" in name}

    def work() -> Outcome:
        model.load_state_dict(start, strict=False)
        return steps.by_trainer(
            model, told, collate, batch_size=BATCH, learning_rate=RATE, weight_decay=DECAY
        )

    return work


def measure(asked: Asked) -> Result:
    count = 5 if asked.quick else 10
    sides = [
        Contender("ours", by_harness, {"count": count}),
        Contender("peft + Trainer", by_peft, {"count": count}),
    ]
    ours, peer = race(sides, rounds=asked.rounds, threads=asked.threads)
    return result(
        rows=(
            Row(
                title=f"LoRA, Gemma-3-270M, rank {RANK}, batch {BATCH}",
                ours=figures(ours),
                peer=figures(peer),
                wanted=WANTED,
                agreement=steps.compared(ours, peer),
                amount=count - 1,
                unit="steps",
                why=steps.why(ours, peer, WANTED, HELD_BACK),
            ),
        ),
    )


BENCHMARK = Benchmark("lora", measure, peers=("peft",), rounds=(2, 1))

if __name__ == "__main__":
    raise SystemExit(run(BENCHMARK, __doc__))
