"""How much the probe's variances should be drawn towards their mean, on the packaged data.

    python benchmarks/probe_standardisation.py

Prints a table of test accuracies at the best C, mean of 5 draws, for several numbers of rows per
class and of prior rows, then the accuracy at the default C beside the best one. Extraction (a few
minutes on a laptop) goes through the feature cache. docs/decisions/0006 holds the result.
"""

from __future__ import annotations

import numpy as np

from harness.backbones.base import View
from harness.datasets.base import DataRequest
from harness.datasets.load import load_dataset
from harness.features import cached_features
from harness.models import load_backbone, resolve_model
from harness.strategies.linear_probe import DEFAULT_C
from harness.strategies.probe_path import STRENGTHS, regularization_path

PAIRS = (("minilm", "bbc-news", 128), ("efficientnet-lite0", "textile", None))
POOL, TEST, DRAWS = 600, 300, 5
PER_CLASS = (1, 2, 5, 10, 25)
PRIORS = (0, 5, 20, 10**9)


def accuracies(
    x: np.ndarray,
    y: np.ndarray,
    x_test: np.ndarray,
    y_test: np.ndarray,
    *,
    per_class: int,
    prior: int,
) -> np.ndarray:
    """Test accuracy at each C, mean over draws, shape (n_strengths,)."""
    classes = int(y.max()) + 1
    found = np.zeros((DRAWS, len(STRENGTHS)))
    for seed in range(DRAWS):
        draw = np.random.default_rng(seed)
        rows = np.concatenate(
            [draw.permutation(np.flatnonzero(y == c))[:per_class] for c in range(classes)]
        )
        path = regularization_path(x[rows], y[rows], classes, prior_rows=prior)
        found[seed] = [(one.probabilities(x_test).argmax(1) == y_test).mean() for _, one in path]
    return found.mean(axis=0)


def main() -> None:
    default = int(np.argmin(np.abs(np.log(np.array(STRENGTHS) / DEFAULT_C))))
    names = ["none", *map(str, PRIORS[1:-1]), "all"]
    print("| data | rows per class | " + " | ".join(names) + f" | C = {DEFAULT_C:.2g}, 5 |")
    print("|---|---|" + "---|" * (len(names) + 1))
    for model, data, max_tokens in PAIRS:
        dataset = load_dataset(DataRequest(data=data))
        backbone = load_backbone(resolve_model(model), "cpu", max_tokens)
        draw = np.random.default_rng(0)
        pool = dataset.train.take(draw.permutation(len(dataset.train))[:POOL])
        test = dataset.test.take(draw.permutation(len(dataset.test))[:TEST])
        x, _ = cached_features(backbone, pool.inputs, views=(View("mean"),))
        x_test, _ = cached_features(backbone, test.inputs, views=(View("mean"),))
        for per_class in PER_CLASS:
            by_prior = {
                prior: accuracies(
                    x, pool.targets, x_test, test.targets, per_class=per_class, prior=prior
                )
                for prior in PRIORS
            }
            cells = [f"{best.max():.3f}" for best in by_prior.values()]
            cells.append(f"{by_prior[5][default]:.3f}")
            print(f"| {data} | {per_class} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
