"""Predicts which way of adapting a pretrained model fits a situation, and what it costs.

>>> from advisor import Situation, advise
>>> advise(Situation(params=175_000_000_000, examples=100_000)).best.strategy
'soft_prompt'
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` itself would cost start-up time; type checkers know this name
if TYPE_CHECKING:
    from advisor.recommend import Recommendation, advise
    from advisor.situation import Situation

__all__ = ["Recommendation", "Situation", "advise"]


def __getattr__(name: str) -> object:
    """Load the public names when they are first used: `import advisor.errors` stays light."""
    if name == "Situation":
        from advisor.situation import Situation

        return Situation
    if name in __all__:
        from advisor import recommend

        return getattr(recommend, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
