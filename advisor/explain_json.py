"""The answer as JSON, in the schema that `advise --schema` prints."""

from __future__ import annotations

import json

from advisor.recommend import Recommendation


def to_json(recommendation: Recommendation) -> str:
    """One object, indented, ASCII only, ending in a line break; never NaN or infinity."""
    return json.dumps(recommendation.to_dict(), indent=2, allow_nan=False) + "\n"


def schema() -> str:
    """The published JSON Schema (draft 2020-12), as text."""
    import os

    path = os.path.join(os.path.dirname(__file__), "schema", "recommendation.schema.json")
    with open(path, encoding="utf-8") as file:
        return file.read()
