"""Predictors without a pretrained model: what any adapted model has to beat.

They learn from the same examples as every strategy (training and validation together) and take
seconds, so that every run has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from PIL import Image

from harness.datasets.base import Split

if TYPE_CHECKING:  # scikit-learn takes a second to import: only where a baseline is fitted
    from scipy.sparse import csr_array
    from sklearn.linear_model import LogisticRegression

    Matrix: TypeAlias = np.ndarray | csr_array
    Features: TypeAlias = Callable[[Sequence[str | Path]], Matrix]

C_GRID = (0.1, 1.0, 10.0, 100.0)
"""Inverse strengths of the L2 penalty among which cross-validation chooses."""
_FOLDS = 5
_MOST_FOR_C = 2000  # rows that choose C; the model itself is fitted on all
_MOST_TERMS = 30_000
_GREYS, _COLOURS = 16, 4


class Baseline(Protocol):
    """A fitted predictor."""

    def predict(self, inputs: Sequence[str | Path]) -> np.ndarray:
        """Class probabilities, float64, shape (n, n_classes)."""


def fit_baselines(train: Split, n_classes: int, *, seed: int) -> dict[str, Baseline]:
    """Fit every baseline that suits the inputs.

    Returns:
        "majority" and "tfidf" for texts, "majority" and "colour_histogram" for images;
        "guess" alone if there are no examples to learn from.
    """
    if len(train) == 0:
        return {"guess": Guess(n_classes, seed)}
    fitted: dict[str, Baseline] = {"majority": Majority(train, n_classes)}
    if len(np.unique(train.targets)) < 2:
        return fitted
    images = isinstance(train.inputs[0], Path)
    name, features = ("colour_histogram", colour_features) if images else ("tfidf", tfidf_features)
    fitted[name] = LogisticBaseline(*features(train), train.targets, n_classes, seed)
    return fitted


class Guess:
    """Every class equally likely, the answer drawn at random: chance level."""

    def __init__(self, n_classes: int, seed: int) -> None:
        self.n_classes, self.seed = n_classes, seed

    def predict(self, inputs: Sequence[str | Path]) -> np.ndarray:
        # exact ties would all go to class 0, which is a constant answer and not a guess
        jitter = np.random.default_rng(self.seed).random((len(inputs), self.n_classes))
        probabilities = 1 + 1e-9 * jitter
        return probabilities / probabilities.sum(axis=1, keepdims=True)


class Majority:
    """Always the most frequent class; its probabilities are the classes' frequencies."""

    def __init__(self, train: Split, n_classes: int) -> None:
        self.frequencies = np.bincount(train.targets, minlength=n_classes) / len(train)

    def predict(self, inputs: Sequence[str | Path]) -> np.ndarray:
        return np.tile(self.frequencies, (len(inputs), 1))


class LogisticBaseline:
    """Multinomial logistic regression over fixed features, C chosen by cross-validation.

    C is the value of `C_GRID` with the lowest log loss in stratified five-fold
    cross-validation over the examples (over 2,000 of them if there are more), in as many folds
    as the smallest class has rows if those are fewer. Classes of one row take no part in that
    choice; C is 1 if they all are such.

    Args:
        features: Inputs to a matrix of shape (n, width); already fitted.
        matrix: Features of the examples.
        targets: Class indices of the examples.
    """

    def __init__(
        self, features: Features, matrix: Matrix, targets: np.ndarray, n_classes: int, seed: int
    ) -> None:
        self.features, self.n_classes = features, n_classes
        self.C_ = choose_c(matrix, targets, seed)
        self.model_ = _regression(matrix, seed).set_params(C=self.C_).fit(matrix, targets)

    def predict(self, inputs: Sequence[str | Path]) -> np.ndarray:
        probabilities = np.zeros((len(inputs), self.n_classes))
        probabilities[:, self.model_.classes_] = self.model_.predict_proba(self.features(inputs))
        return probabilities


def choose_c(matrix: Matrix, targets: np.ndarray, seed: int) -> float:
    """The value of `C_GRID` with the lowest cross-validated log loss; see `LogisticBaseline`."""
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    rows = np.random.default_rng(seed).permutation(len(targets))[:_MOST_FOR_C]
    counts = np.bincount(targets[rows])
    rows = rows[counts[targets[rows]] >= 2]
    counts = counts[counts >= 2]
    if len(counts) < 2:
        return 1.0
    folds = min(_FOLDS, int(counts.min()))
    search = GridSearchCV(
        _regression(matrix, seed),
        {"C": C_GRID},
        scoring="neg_log_loss",
        cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
        refit=False,
    )
    return float(search.fit(matrix[rows], targets[rows]).best_params_["C"])


def _regression(matrix: Matrix, seed: int) -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression

    # Thousands of sparse terms: SAGA at this tolerance is 3 to 10 times as fast as L-BFGS at its
    # default, for the same accuracy within a point (BBC news, TREC, CLINC150).
    if isinstance(matrix, np.ndarray):
        return LogisticRegression(max_iter=1000)
    return LogisticRegression(solver="saga", tol=1e-2, max_iter=1000, random_state=seed)


def tfidf_features(train: Split) -> tuple[Features, Matrix]:
    """TF-IDF of words (1-2) and of character n-grams inside words (2-4), 30,000 each at most.

    Returns:
        What makes a matrix of texts, and that of the examples.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    union = FeatureUnion(
        [
            # a symbol counts as a word: any text that is not blank has at least one
            (
                "words",
                TfidfVectorizer(
                    token_pattern=r"\w+|[^\w\s]",
                    ngram_range=(1, 2),
                    sublinear_tf=True,
                    max_features=_MOST_TERMS,
                ),
            ),
            (
                "characters",
                TfidfVectorizer(
                    analyzer="char_wb",
                    ngram_range=(2, 4),
                    sublinear_tf=True,
                    max_features=_MOST_TERMS,
                ),
            ),
        ]
    )
    matrix = union.fit_transform(train.inputs).tocsr()
    return union.transform, matrix


def colour_features(train: Split) -> tuple[Features, Matrix]:
    """Standardised colour histograms: what makes them of images, and those of the examples."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    matrix = scaler.fit_transform(colour_histograms(train.inputs))

    def features(inputs: Sequence[str | Path]) -> np.ndarray:
        return scaler.transform(colour_histograms(inputs))

    return features, matrix


def colour_histograms(files: Sequence[str | Path]) -> np.ndarray:
    """Square roots of colour shares, float64, shape (n, 112).

    16 bins for each of red, green and blue, and 4 x 4 x 4 bins for the three together, of the
    image scaled to 64 x 64. Roots, so that Euclidean distance is that of Hellinger.
    """
    return np.stack([_histogram(file) for file in files])


def _histogram(file: str | Path) -> np.ndarray:
    with Image.open(file) as image:
        image.draft("RGB", (128, 128))
        pixels = np.asarray(image.convert("RGB").resize((64, 64)), dtype=np.int64).reshape(-1, 3)
    single = [np.bincount(channel * _GREYS // 256, minlength=_GREYS) for channel in pixels.T]
    joint = (pixels * _COLOURS // 256) @ (_COLOURS**2, _COLOURS, 1)
    counts = np.concatenate([*single, np.bincount(joint, minlength=_COLOURS**3)])
    return np.sqrt(counts / len(pixels))
