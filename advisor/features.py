"""What the rules look at: a situation as degrees between 0 and 1.

The course speaks of "few examples", "a large model", "fairly different from pretraining". Each
such phrase is one number here, 0 where it does not hold at all and 1 where it holds fully, so that
a rule can say how strongly it applies. The break points are stated guesses until they are fitted.
"""

from math import log
from typing import NamedTuple

from advisor.demonstrations import demonstrations_that_fit
from advisor.inference import Resolved


def rising(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high`, and a straight line in log(value) between."""
    if value <= low:
        return 0.0
    if value >= high:
        return 1.0
    return log(value / low) / log(high / low)


class Features(NamedTuple):
    """Degrees in [0, 1] of a situation.

    Attributes:
        few: Labels are few for moving every weight; what is few grows with the model.
        handful: There are hardly any labels of a class to learn from (1 or fewer; 16 are enough).
        teach: Labels suffice to train something small (30 hardly, 3,000 fully).
        free: Labels are plenty even for moving every weight.
        many: More labels than any prompt could use (1,000 to 100,000).
        near, far: Closeness to and distance from the pretraining data.
        large: The model is large enough to be taught in its context (3B to 100B parameters).
        small: The model is too small for that (3B down to 100M parameters).
        shots: Demonstrations in a prompt help: as many as labels and window allow, 32 at most.
    """

    few: float
    handful: float
    teach: float
    free: float
    many: float
    near: float
    far: float
    large: float
    small: float
    shots: float


def enough_labels(params: float) -> float:
    """Labels from which full fine-tuning is safe: 1,200 for 100M parameters, growing with the
    fourth root of the size (a stated guess)."""
    return 1200 * (params / 1e8) ** 0.25


def featurize(s: Resolved) -> Features:
    """The degrees of one situation."""
    enough = enough_labels(s.params)
    return Features(
        few=1 - rising(s.examples, enough / 30, enough),
        handful=1 - rising(s.examples / s.classes, 1, 16),
        teach=rising(s.examples, 30, 3_000),
        free=rising(s.examples, enough / 10, enough * 10),
        many=rising(s.examples, 1_000, 100_000),
        near=max(0.0, 1 - s.shift / 0.5),
        far=min(1.0, max(0.0, (s.shift - 0.3) / 0.5)),
        large=rising(s.params, 3e9, 1e11),
        small=1 - rising(s.params, 1e8, 3e9),
        shots=rising(min(s.examples, demonstrations_that_fit(s)), 1, 32),
    )
