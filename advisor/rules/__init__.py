"""Every rule of the advisor, as rows that can be read one by one.

`feasibility` says what is impossible. `labels`, `model` and `use` say what speaks for and against:
read each row as a sentence, for these strategies, in this situation, so many points, because …
The sign and the scope of a row are its source's, its size is a stated guess until it is fitted.
Every score starts from 50 points; the sizes are chosen so that it stays within 0 to 100. `facts`
are worth knowing and move no score. A new rule is one row with its source, and one test.
"""

from __future__ import annotations

from advisor.rules.base import Direction, Fact, Forbids, any_strategy
from advisor.rules.facts import FACTS
from advisor.rules.feasibility import FEASIBILITY
from advisor.rules.labels import LABELS
from advisor.rules.model import MODEL
from advisor.rules.use import USE

START = Direction(
    id="start",
    points=50,
    about=any_strategy,
    strength=lambda f, s: 1.0,
    says="Every feasible strategy starts here.",
    source="convention",
)
DIRECTIONS: tuple[Direction, ...] = (START, *LABELS, *MODEL, *USE)
RULES: tuple[Forbids | Direction | Fact, ...] = (*FEASIBILITY, *DIRECTIONS, *FACTS)

__all__ = ["DIRECTIONS", "FACTS", "FEASIBILITY", "RULES", "Direction", "Fact", "Forbids"]
