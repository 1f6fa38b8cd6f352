"""Steps of soft prompting: ours against peft's prompt tuning with transformers' Trainer.

    python -m benchmarks.soft_prompt [--quick]

Gemma-3-270M, 20 vectors before BBC news of 64 tokens, batches of 8. Both sides start from the same
vectors, see the same batches and maximise the likelihood of the label among the whole vocabulary, so
that their losses can be compared. peft puts its vectors before the start token, ours stand behind it;
here neither side has one. The objective over the labels alone, which soft prompting uses unless told
otherwise (docs/decisions/0007), is timed beside them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks import steps
from benchmarks.command import Asked, Benchmark, result, run
from benchmarks.gemm import LIMIT, share_of_peak
from benchmarks.news import bbc_news, drawn, gemma, ordered
from benchmarks.results import Result, Row, Table, figures
from benchmarks.sides import Contender, Outcome, Work, race

if TYPE_CHECKING:
    from harness.backbones.decoder import DecoderBackbone
    from harness.datasets.base import Split
    from harness.tasks.classification import Classification

LENGTH, BATCH = 20, 8
RATE = 0.003
WANTED = 3.5
HELD_BACK = (
    "The peer's are products of hundreds of rows with the output layer, the fastest there are; ours are "
    "640 wide, and between them stand norms, rotations, activations and attention, which eager torch runs "
    "one by one"
)
COUNT = 5
"""Steps compared. Few, as the descent is unstable: vectors that start a millionth apart are 0.07 nats
apart after 8 steps of ours."""


def asked_of(count: int, *, plain: bool = False) -> tuple[DecoderBackbone, Classification, Split]:
    """Gemma without its start token, the task, and so many batches of rows."""
    from harness.tasks.classification import Classification

    backbone, data = gemma(plain=plain), bbc_news()
    backbone.tokens.start = []
    task = Classification(data.label_names, data.description)
    return backbone, task, drawn(data.train, count * BATCH)


def by_harness(count: int, objective: str) -> Work:
    """Ours: the output layer where labels are predicted and nowhere else."""
    from harness.strategies.soft_prompt import SoftPrompting
    from harness.train_settings import TrainSettings

    class EveryStep(SoftPrompting):
        def _settings(self) -> TrainSettings:
            return replace(super()._settings(), warmup=0.0, evaluations=count, patience=count)

    backbone, task, rows = asked_of(count)

    def work() -> Outcome:
        strategy = EveryStep(
            learning_rate=RATE, length=LENGTH, epochs=1, batch_size=BATCH, objective=objective
        )
        return steps.by_harness(strategy, backbone, task, rows, count)

    return work


def by_peft(count: int) -> Work:
    """peft's PromptTuning under transformers' Trainer."""
    import torch
    from peft import PromptTuningConfig, TaskType, get_peft_model

    from harness.backbones.base import PromptSpec

    backbone, task, rows = asked_of(count, plain=True)
    trainee = backbone.trainee(task, prompt=PromptSpec(length=LENGTH))
    told, collate = steps.answered(*ordered(backbone, task, rows, BATCH))
    config = PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=LENGTH)
    model = get_peft_model(backbone.model, config)
    vectors: Any = model.prompt_encoder["default"].embedding.weight

    def work() -> Outcome:
        with torch.no_grad():
            vectors.copy_(trainee.prompt.vectors)
        return steps.by_trainer(
            model, told, collate, batch_size=BATCH, learning_rate=RATE, weight_decay=0.0
        )

    return work


def measure(asked: Asked) -> Result:
    count = COUNT
    sides = [
        Contender("ours", by_harness, {"count": count, "objective": "vocabulary"}),
        Contender("peft + Trainer", by_peft, {"count": count}),
        Contender("ours, over the labels", by_harness, {"count": count, "objective": "labels"}),
        LIMIT,
    ]
    ours, peer, labels, limit = race(sides, rounds=asked.rounds, threads=asked.threads)
    share = share_of_peak(ours, limit)
    return result(
        rows=(
            Row(
                title=f"soft prompting, Gemma-3-270M, {LENGTH} vectors, batch {BATCH}",
                ours=figures(ours),
                peer=figures(peer),
                wanted=WANTED,
                agreement=steps.compared(ours, peer),
                amount=count - 1,
                unit="steps",
                share=share,
                why=steps.why(ours, peer, WANTED, HELD_BACK),
            ),
        ),
        tables=(
            Table(
                "The objective over the labels, the default",
                ("side", "seconds per step", "times peft + Trainer"),
                (
                    (
                        labels.name,
                        f"{labels.median / (count - 1):.2f}",
                        f"{peer.median / labels.median:.1f}",
                    ),
                ),
            ),
        ),
    )


BENCHMARK = Benchmark("soft_prompt", measure, peers=("peft",), rounds=(3, 1))

if __name__ == "__main__":
    raise SystemExit(run(BENCHMARK, __doc__))
