"""Keeps libraries from talking in between: their notes are not meant for who runs a comparison."""

from __future__ import annotations

import logging
import os
import warnings

_NOISY = (
    "transformers",
    "huggingface_hub",
    "optuna",
    "timm",
    "peft",
    "torch",
    "onnxruntime",
    "sklearn",
)


def quiet() -> None:
    """Silence progress bars, logs below errors and warnings. Call before the libraries load."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TQDM_DISABLE", "1")
    warnings.filterwarnings("ignore")
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
