"""The advisor's posterior for every grid, fitted without the grid's data set.

    python -m benchmarks.search_prior       writes benchmarks/grids/priors.json

The settings of the fit (weights of its candidates, inflation) are those of the shipped artefact;
terms, rules and covariance are fitted again to all evidence but that data set's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import cache

from benchmarks.search_grids import FOLDER, GRIDS, Grid
from harness.search.curves import Prior

FILE = FOLDER / "priors.json"

_TEXT = {
    "family": "encoder", "params": 22_713_216, "objective": "contrastive", "modality": "text",
}  # fmt: skip
_IMAGE = {
    "family": "convnet", "params": 4_652_008, "objective": "supervised", "modality": "image",
}  # fmt: skip
CLASSES = {
    "trec6": 6, "bbc_news": 5, "magnetic_tile": 6, "textile": 3, "tweets": 3, "cifar10": 10,
    "ag_news": 4, "clothing": 10,
}  # fmt: skip
"""Number of classes of each grid's data set, where it is not 2."""


def without(grid: Grid) -> Prior:
    """What an advisor that has not seen the data set says of its strategies."""
    from advisor.situation import Situation
    from harness.search.prior import prior_of

    known = {
        **(_IMAGE if grid.image else _TEXT),
        "task": "classification",
        "examples": grid.sizes[-1],
        "classes": CLASSES.get(grid.name, 2),
    }
    strategies = ("linear_probe", "full_finetune", "lp_ft", *(["lora"] if grid.lora else []))
    return prior_of(Situation.from_mapping(known), strategies, _fit_without(grid.group))


@cache
def _fit_without(group: str):  # type: ignore[no-untyped-def]
    """The shipped settings fitted to all evidence but one data set's."""
    from pathlib import Path

    from advisor.learned import artefact as shipped
    from harness.evidence.contexts import contexts
    from harness.fit.artefact import model_of
    from harness.fit.cases import cases
    from harness.fit.model import Hyper
    from harness.fit.observations import compared, table
    from harness.fit.predict import Folds, Setting

    raw = json.loads(Path(shipped.PATH).read_text(encoding="utf-8"))
    averaged = tuple((Hyper(**hyper), weight) for hyper, weight in raw["averaged"])
    noise = raw["noise"]
    setting = Setting(Hyper(**raw["hyper"]), noise["inflation"], raw["interval"], averaged)
    rows = [row for row in _evidence() if row.usable and row.data_group not in group.split()]
    several = compared(contexts(rows))
    folds = Folds(table(several))
    return shipped.Artefact(model_of(folds, cases(several), setting, rows, raw["validation"]))


@cache
def _evidence():  # type: ignore[no-untyped-def]
    from harness.evidence.load import load

    return tuple(load())


def kept() -> dict[str, Prior]:
    """Grid -> its prior, as `main` wrote them."""
    return {name: _read(one) for name, one in json.loads(FILE.read_text(encoding="utf-8")).items()}


def _written(prior: Prior) -> dict[str, object]:
    pairs = [[one, other, value] for (one, other), value in prior.covariance.items()]
    return {"mean": dict(prior.mean), "slope": dict(prior.slope), "covariance": pairs}


def _read(one: dict) -> Prior:  # type: ignore[type-arg]
    covariance = {(first, second): value for first, second, value in one["covariance"]}
    return Prior(one["mean"], one["slope"], covariance)


def main(arguments: Sequence[str] | None = None) -> int:
    from harness.files import write_json

    parser = argparse.ArgumentParser(prog="python -m benchmarks.search_prior", description=__doc__)
    names = [grid.name for grid in GRIDS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="GRID")
    given = parser.parse_args(arguments)
    found = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for grid in GRIDS:
        if grid.name in given.only:
            print(f"without {grid.group}", file=sys.stderr)
            found[grid.name] = _written(without(grid))
    write_json(FILE, {name: found[name] for name in names if name in found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
