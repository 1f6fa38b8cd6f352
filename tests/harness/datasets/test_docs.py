"""docs/data.md names every finding there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from harness.datasets.load import available_data

ROOT = Path(__file__).resolve().parents[3]


def test_every_finding_is_documented() -> None:
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "harness" / "datasets").glob("*.py")
    )
    raised = set(re.findall(r'Finding\(\s*"(\w+)"', source))
    documented = set(
        re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "data.md").read_text(encoding="utf-8"), re.M)
    )
    assert raised == documented
    assert len(raised) == 18


def test_every_packaged_set_is_documented_with_its_size() -> None:
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    for one in available_data():
        assert f"`{one['name']}`" in text
        assert f"{one['rows']:,}" in text
