"""docs/evidence.md says what the code says."""

from __future__ import annotations

from pathlib import Path

from harness.evidence.corpora import CORPORA
from harness.evidence.coverage import FEW_CONTEXTS, FEW_GROUPS, coverage
from harness.evidence.load import load
from harness.evidence.metrics import METRICS
from harness.evidence.schema import COLUMNS
from harness.evidence.tags import PROTOCOLS, TAGS

LINES = (Path(__file__).resolve().parents[3] / "docs" / "evidence.md").read_text(encoding="utf-8").splitlines()  # fmt: skip


def table(first: str) -> list[str]:
    """The lines of the table whose header begins with a word, without header and rule."""
    start = next(number for number, line in enumerate(LINES) if line.startswith(f"| {first} "))
    rest = LINES[start + 2 :]
    return rest[: next(number for number, line in enumerate(rest) if not line.startswith("|"))]


def test_every_column_is_described_as_the_dataclass_describes_it() -> None:
    assert table("column") == [
        f"| `{one.name}`{' *' if one.required else ''}{' †' if one.joined else ''} | {one.kind} | {one.help} |"
        for one in COLUMNS
    ]


def test_every_metric_tag_protocol_and_corpus_is_listed() -> None:
    assert table("metric") == [
        f"| `{name}` | {one.group} | {one.low:g} to {'∞' if one.high is None else f'{one.high:g}'} | "
        f"{'higher' if one.higher_is_better else 'lower'} |"
        for name, one in METRICS.items()
    ]
    assert table("tag") == [
        f"| `{name}` | {one.weight:g} | {one.meaning} |"
        for name, one in {**TAGS, **PROTOCOLS}.items()
    ]
    assert table("corpus") == [f"| `{name}` | {meaning} |" for name, meaning in CORPORA.items()]


def test_what_is_called_thin_is_thin() -> None:
    assert f"fewer than {FEW_CONTEXTS} contexts or {FEW_GROUPS}" in " ".join(LINES)
    core = ("linear_probe", "full_finetune", "hard_prompt", "soft_prompt")
    thin = {frozenset((one.a, one.b)) for one in coverage(load(), core).pairs if one.thin}
    prompting = {frozenset(("hard_prompt", other)) for other in core if other != "hard_prompt"}
    assert thin == prompting | {frozenset(("linear_probe", "soft_prompt"))}
