"""The calibration report, from the values that are committed."""

from __future__ import annotations

import json
from pathlib import Path

from harness.fit.report import build, to_markdown

ROOT = Path(__file__).parents[3]
_WHOLE = {"data_out", "ablations", "orientation", "with_unfinished"}
"""What a brief validation leaves out."""


def test_a_brief_validation_tells_sources_alone_and_says_so() -> None:
    result = json.loads((ROOT / "reports" / "calibration.json").read_text(encoding="utf-8"))
    whole = to_markdown(build(result))
    assert "## Choosing, whole data sets left out" in whole
    assert "## Ablations" in whole
    brief = {k: v for k, v in result.items() if k in result.keys() - _WHOLE}
    told = to_markdown(build(brief | {"remarks": ["A brief validation."]}))
    assert "## Choosing, whole sources left out" in told
    assert "data sets left out" not in told
    assert "blations" not in told
    assert "A brief validation." in told
