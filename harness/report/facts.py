"""What was asked, by which rules it was measured, and how to measure it again."""

from __future__ import annotations

from harness.report import tables, wording
from harness.report.names import name_of
from harness.report.parts import Fact
from harness.report.result import Budget, Data, Result, Score
from harness.report.searched import budget

FAMILIES = {
    "convnet": "convolutional network",
    "vit": "vision transformer",
    "clip": "image-text model",
    "lstm": "LSTM",
}
MAX_LABELS = 12
"""Class names listed before the rest is only counted."""

FAIR_RULES = (
    Fact("Examples", "the same training and validation examples for every strategy"),
    Fact("Choice", "by validation examples alone; a tie goes to the cheaper strategy"),
    Fact("Test set", "read once per finished strategy and seed, and only reported"),
)
"""What the fair protocol promises, whatever the numbers."""


def asked(result: Result) -> tuple[Fact, ...]:
    """Model, data, examples, budget."""
    question = result.question
    data = question.data
    wanted = wording.score(result.metric, result.wanted) if result.wanted is not None else ""
    return _facts(
        ("Model", question.model.name, _model_note(result)),
        ("Data", data.name, _data_note(result)),
        ("Task", _words(data.task), data.description or "no description was given"),
        ("Classes", _labels(data.label_names), ""),
        ("Examples", _many(question.examples), _split_note(result)),
        ("Budget", _duration(question.budget_seconds) or _other_budget(result), ""),
        ("Seeds", _seeds(question.seeds), ""),
        ("Target", wanted, f"test {wording.metric_name(result.metric)}" if wanted else ""),
        ("Texts cut at", _many(question.max_tokens, "tokens"), ""),
    )


def _other_budget(result: Result) -> str | None:
    """A search may count in trials or operations instead of seconds."""
    return None if result.search is None else budget(result.search)


def _facts(*facts: tuple[str, str | None, str]) -> tuple[Fact, ...]:
    return tuple(Fact(term, text, note) for term, text, note in facts if text)


def _model_note(result: Result) -> str:
    model = result.question.model
    family = FAMILIES.get(model.family or "", _words(model.family))
    return _joined(
        family,
        _many(model.params, "parameters"),
        _many(model.layers, "layers"),
        f"width {_many(model.width)}" if model.width else "",
        f"window of {_many(model.window)} tokens" if model.window else "",
        "" if model.objective in (None, "unknown") else f"pretraining: {_words(model.objective)}",
    )


def _data_note(result: Result) -> str:
    data = result.question.data
    return _joined(
        data.modality or "",
        _many(data.n_train_pool, "to draw examples from"),
        _test_note(data),
        _many(data.n_ood, "shifted test examples"),
    )


def _test_note(data: Data) -> str:
    if data.n_test is None:
        return ""
    there = data.n_test_available
    out_of = f" of {wording.many(there)}" if there is not None and there > data.n_test else ""
    return f"{wording.many(data.n_test)}{out_of} test examples"


def _split_note(result: Result) -> str:
    held = result.question.validation_examples
    return f"training and validation together, {_many(held)} of them for validation" if held else ""


def _labels(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    rest = len(names) - MAX_LABELS
    shown = ", ".join(names[:MAX_LABELS]) + (f" and {rest} more" if rest > 0 else "")
    return f"{len(names)}: {shown}"


def _seeds(seeds: int | tuple[int, ...] | None) -> str:
    if isinstance(seeds, tuple):
        return f"{len(seeds)} ({', '.join(map(str, seeds))})"
    return "" if seeds is None else str(seeds)


def fairness(result: Result) -> tuple[Fact, ...]:
    """The protocol: what the clock covered, what each strategy got, what chose."""
    fair = result.protocol == "fair"
    budget = result.budget or Budget()
    unlimited = "no limit on time" if result.budget else "not recorded"
    covers = budget.covers
    said = covers if isinstance(covers, str) else "; ".join(covers or ())
    limit, spent = _duration(budget.seconds), _duration(budget.spent)
    cap = _duration(budget.cap_per_strategy)
    return (
        *_facts(
            ("Protocol", result.protocol or "not recorded", ""),
            ("The clock covers", said, ""),
            ("Budget", limit or unlimited, f"{spent} spent" if spent else ""),
            ("Cap per strategy", cap, "the same for every strategy" if fair else ""),
            ("Trials", _trials(result), "settings tried, chosen by validation"),
            ("Final scores", _final_seeds(result), ""),
        ),
        *(FAIR_RULES if fair else ()),
    )


def _trials(result: Result) -> str:
    return ", ".join(
        f"{name_of(result, one.strategy)} {tables.trials(one)}"
        for one in tables.measured(result)
        if one.trials is not None
    )


def _final_seeds(result: Result) -> str:
    scores: list[Score] = [one.test for one in tables.measured(result) if one.test]
    counts = {score.n_seeds for score in scores if score.n_seeds}
    if not counts:
        return ""
    low, high = min(counts), max(counts)
    many = f"{low} to {high}" if low < high else str(high)
    return f"mean over {many} seed{'s' if high > 1 else ''}"


def reproduce(result: Result) -> tuple[Fact, ...]:
    """When, where and with what it ran."""
    return _facts(
        ("Started", result.started, ""),
        ("Whole run", _duration(result.seconds), ""),
        ("Device", ", ".join(f"{_words(name)}: {value}" for name, value in result.device.items()), ""),
        ("Versions", ", ".join(f"{name} {value}" for name, value in result.versions.items()), ""),
        ("Data digest", result.question.data.digest, "sha256 of inputs, labels and label names"),
    )  # fmt: skip


def _words(id: str | None) -> str:
    return (id or "").replace("_", " ")


def _many(number: float | None, unit: str = "") -> str:
    return "" if number is None else f"{wording.many(number)} {unit}".strip()


def _duration(seconds: float | None) -> str:
    return wording.known(wording.duration, seconds) or ""


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)
