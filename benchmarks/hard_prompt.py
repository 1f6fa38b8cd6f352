"""Labels scored after 10 demonstrations: ours against lm-evaluation-harness (`hf`), same prompts.

    python -m benchmarks.hard_prompt [--quick]

BBC news, 5 topics, Gemma-3-270M. The names of the topics are one token each; with " news" behind
they are two. lm-evaluation-harness runs with its cache of one-token labels on (its default) and one
text at a time: on a CPU larger batches only add padding. Tokens are counted in the model itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.command import Asked, Benchmark, result, run
from benchmarks.counter import Counter, limit
from benchmarks.news import bbc_news, drawn, gemma
from benchmarks.results import Agreement, Result, Row, Table, figures
from benchmarks.sides import Contender, Measured, Outcome, Work, race

if TYPE_CHECKING:
    from harness.backbones.decoder import DecoderBackbone
    from harness.strategies.prompt_file import Prompt

DEMONSTRATIONS = 10
CLOSE = 1e-3
EQUAL = 0.99
WORDS = {"one": "{}", "two": "{} news"}


def prompted(backbone: DecoderBackbone, texts: int, words: str) -> tuple[Prompt, list[str]]:
    """The prompt with its demonstrations, and what follows it for each text."""
    from harness.strategies.base import TrialBudget
    from harness.strategies.hard_prompt import HardPrompting
    from harness.tasks.classification import Classification

    data = bbc_news()
    names = tuple(words.format(name) for name in data.label_names)
    task = Classification(names, data.description)
    strategy = HardPrompting(
        n_demonstrations=DEMONSTRATIONS, template="label", calibration="none"
    ).fit(backbone, task, data.train, data.train.take([]), seed=0, budget=TrialBudget())
    prompt = strategy.prompt_
    rows = drawn(data.test, texts).inputs
    return prompt, prompt.queries(backbone.truncate(rows, prompt.text_tokens))


def by_harness(texts: int, words: str) -> Work:
    """Ours: the demonstrations are read once, and the labels of a text together."""
    backbone = gemma()
    prompt, queries = prompted(backbone, texts, words)
    counter = Counter()
    counter.watch(backbone.model)

    def work() -> Outcome:
        scores = backbone.label_logprobs(queries, prompt.continuations, prefix=prompt.prefix)
        return Outcome({"scores": scores, **counter.values()})

    return work


def by_lm_eval(texts: int, words: str) -> Work:
    """lm-evaluation-harness reads demonstrations and text for each text, or each label."""
    import numpy as np
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    backbone = gemma(plain=True)
    prompt, queries = prompted(backbone, texts, words)
    model = HFLM(
        pretrained=backbone.model, tokenizer=backbone.tokens.tokenizer, batch_size=1, device="cpu"
    )
    counter = Counter()
    counter.watch(backbone.model)
    asked = [
        Instance("loglikelihood", {}, (prompt.prefix + query, label), index)
        for index, query in enumerate(queries)
        for label in prompt.continuations
    ]

    def work() -> Outcome:
        found = [score for score, _ in model.loglikelihood(asked, disable_tqdm=True)]
        scores = np.array(found).reshape(len(queries), -1)
        return Outcome({"scores": scores, **counter.values()})

    return work


def compared(ours: Measured, peer: Measured) -> Agreement:
    """Equal predictions and close log-likelihoods."""
    import numpy as np

    left, right = (np.asarray(side.outcome.values["scores"]) for side in (ours, peer))
    equal = float((left.argmax(axis=1) == right.argmax(axis=1)).mean())
    apart = float(np.abs(left - right).max())
    return Agreement(
        f"{equal:.1%} of the predictions equal, log-likelihoods at most {apart:.0e} apart",
        equal >= EQUAL and apart <= CLOSE,
    )


def why(ours: Measured, peer: Measured, wanted: float, texts: int) -> str:
    """What holds a row back."""
    if peer.median / ours.median >= wanted:
        return ""
    return f"{limit(ours, peer)}. The prefix is read once, whatever the number of texts, and {texts} are few"


def measure(asked: Asked) -> Result:
    rows, counted = [], []
    cases = (("one", 12 if asked.quick else 30, 15.0), ("two", 3 if asked.quick else 8, 30.0))
    for tokens, texts, wanted in cases:
        arguments = {"texts": texts, "words": WORDS[tokens]}
        sides = [
            Contender("shared prefix, label tree", by_harness, arguments),
            Contender("lm-eval", by_lm_eval, arguments),
        ]
        ours, peer = race(sides, rounds=asked.rounds, threads=asked.threads)
        title = f"hard prompting, Gemma-3-270M, {DEMONSTRATIONS} demonstrations, 5 labels of {tokens} token{'s' if tokens == 'two' else ''}"  # fmt: skip
        rows.append(
            Row(
                title=title,
                ours=figures(ours),
                peer=figures(peer),
                wanted=wanted,
                agreement=compared(ours, peer),
                amount=texts,
                unit="texts",
                why=why(ours, peer, wanted, texts),
            )
        )
        for side in (ours, peer):
            said = side.outcome.values
            counted.append(
                (
                    tokens,
                    side.name,
                    f"{texts}",
                    f"{said['calls']:,}",
                    f"{said['tokens']:,}",
                    f"{said['logits']:,}",
                )
            )
    return result(
        rows=tuple(rows),
        tables=(
            Table(
                "What was computed for these texts",
                (
                    "label tokens",
                    "side",
                    "texts",
                    "forward passes",
                    "tokens in the body",
                    "positions of the output layer",
                ),
                tuple(counted),
            ),
        ),
    )


BENCHMARK = Benchmark("hard_prompt", measure, peers=("lm_eval",), rounds=(2, 1))

if __name__ == "__main__":
    raise SystemExit(run(BENCHMARK, __doc__))
