"""What is known beforehand: models, accelerators, prices, and how far the estimates were off.

Plain JSON beside this file, read on first use and kept. Sizes of models are those of their published
configurations; peak speeds are dense (no sparsity) figures of the makers' data sheets; prices
are list prices with the month they were read and change all the time.
"""

from __future__ import annotations

from collections.abc import Mapping

_read: dict[str, list[dict[str, object]]] = {}
_by_name: dict[str, dict[str, object]] = {}


def models() -> list[dict[str, object]]:
    """Facts of every known model.

    Keys, left out where unknown or meaningless: `name`, `aliases`, `params`, `family`, `modality`,
    `objective`, `window` (tokens), `positions`, `width`, `layers` (of one stack), `vocabulary`,
    `licence`, `kv_width` (width of the keys of one layer where it differs from `width`), `heads`
    (where it is not width / 64), `image_size` and `patch` (pixels), `gmacs` (10^9 multiply-adds
    of a forward pass at `image_size`), `image_params` (of the image tower), and `saved_trained`,
    `saved_frozen`, `saved_per_image` (see `benchmarks/saved_activations.py`).
    """
    return _load("models")


def accelerators() -> list[dict[str, object]]:
    """Devices: bytes, peak operations a second (`precision`, dense; and fp32), bytes a second, price."""
    return _load("accelerators")


def api_prices() -> list[dict[str, object]]:
    """Examples of what an API charges per million tokens, by name or by size class."""
    return _load("api_prices")


def find_model(name: str) -> Mapping[str, object] | None:
    """Facts of a model by name, or None if it is not known.

    Case, separators, hub prefixes and common endings do not matter: `google/gemma-3-270m-it`,
    `Gemma 3 270M` and `timm:resnet50.a1_in1k` are found.
    """
    if not _by_name:
        for row in models():
            aliases = row.get("aliases", [])
            assert isinstance(aliases, list)
            for known in (row["name"], *aliases):
                _by_name[_plain(str(known))] = row
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2].removeprefix("timm:")
    body, _, tag = last.partition(".")  # timm appends how it was trained: resnet50.a1_in1k
    for tried in (last, body) if tag[:1].isalpha() else (last,):
        plain = _plain(tried)
        for ending in ("", "hf", "it", "instruct", "base", "v01", "v1"):
            if plain.endswith(ending) and plain.removesuffix(ending) in _by_name:
                return _by_name[plain.removesuffix(ending)]
    return None


def cost_check() -> Mapping[str, object] | None:
    """Estimates compared with measurements; None until somebody measured.

    Keys: `measured_on`, `rows`, and `summary` with `memory_factor_p90` and `seconds_factor_p90`:
    nine estimates in ten were within this factor of what was measured.
    """
    import json
    import os

    path = _path("cost_check")
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _load(name: str) -> list[dict[str, object]]:
    if name not in _read:
        import json

        with open(_path(name), encoding="utf-8") as file:
            _read[name] = json.load(file)
    return _read[name]


def _path(name: str) -> str:
    import os  # importlib.resources would double the start-up time of the command

    return os.path.join(os.path.dirname(__file__), f"{name}.json")


def _plain(name: str) -> str:
    """Letters and digits only, lower case."""
    return "".join(letter for letter in name.lower() if letter.isalnum())
