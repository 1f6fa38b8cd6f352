"""From what is asked to a folder with a pretrained model: read, tokenize, train, write."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from advisor.errors import DataError, ModelError, SpecError, UnknownName
from harness.catalog import OBJECTIVES
from harness.device import pick_device
from harness.environment import on_what
from harness.model_facts import digest_of
from harness.pretrain import checkpoint, record
from harness.pretrain.base import Document, Objective, Preset
from harness.pretrain.corpus import Corpus, read_images, read_texts
from harness.pretrain.loop import Limits, Watch, pretrain
from harness.pretrain.vocabulary import check_vocabulary, load_tokenizer
from harness.training import seeded

LEAST_EXAMPLES = 16
"""Sequences (or images) to train on at least."""


@dataclass(frozen=True)
class Order:
    """What is asked.

    Attributes:
        objective: A name of `harness.catalog.OBJECTIVES`.
        data: Files, folders or packaged names; tokenizer_data: more text, for the vocabulary only.
        tokenizer: Folder of a tokenizer to use instead of training one.
        vocabulary: Tokens of the vocabulary at most.
    """

    objective: str
    data: tuple[str, ...]
    preset: str
    limits: Limits
    tokenizer: Path | None = None
    tokenizer_data: tuple[str, ...] = ()
    vocabulary: int = 8000
    text_column: str = "text"
    seed: int = 0
    device: str | None = None


def make(order: Order, folder: Path, *, command: str, watch: Watch) -> record.Pretraining:
    """Pretrain a small model into a folder that `harness run --model` takes.

    A folder that holds the same pretraining is taken up where it ended.

    Raises:
        AdviceError: If something given cannot be used; nothing was written.
        Interrupted, Diverged, OutOfMemory: As `harness.pretrain.loop.pretrain`.
    """
    kind, preset = _kind(order)
    device = pick_device(order.device)
    corpus = _read(kind, order.data, order.text_column)
    more = _read(kind, order.tokenizer_data, order.text_column)
    asked = _asked(order, kind, corpus, more)
    begun = record.earlier(folder, asked)
    if begun is not None and begun.status == "done":
        return begun
    told = record.Pretraining(
        objective=kind.name, asked=asked, command=command, on_what=on_what(device)
    )
    tokenizer = _tokenizer(kind, order, corpus, more, folder if begun else None)
    with seeded(order.seed, torch.device("cpu")):
        objective = kind.build(preset, tokenizer)
    examples, held_out = objective.examples(corpus.train), objective.examples(corpus.held_out)
    _check_amount(len(examples), len(held_out), kind, preset)
    record.write(folder, told)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    objective.model.to(device)
    state = pretrain(
        objective,
        examples,
        held_out,
        batch_rows=preset.batch_rows,
        learning_rate=preset.learning_rate,
        limits=order.limits,
        seed=order.seed,
        folder=folder,
        watch=watch,
    )
    _save(objective, folder)
    done = told.model_copy(
        update={
            "status": "done",
            "params": sum(parameter.numel() for parameter in objective.model.parameters()),
            "examples": len(examples),
            "held_out": len(held_out),
            "steps": state.step,
            "tokens": state.step_cost,
            "curve": state.curve,
            "seconds": round(state.seconds, 1),
        }
    )
    record.write(folder, done)
    checkpoint.remove(folder)
    return done


def _kind(order: Order) -> tuple[type[Objective], Preset]:
    kind: type[Objective] = OBJECTIVES.load(order.objective)
    if order.preset not in kind.presets:
        raise UnknownName("preset", order.preset, kind.presets)
    limits = order.limits
    if (limits.steps is None) == (limits.seconds is None):
        raise SpecError("give either --steps or --budget, such as --budget 8m.")
    if limits.steps is not None and limits.steps < 1:
        raise SpecError(f"steps must be 1 or more; got {limits.steps}.")
    if not order.data:
        raise SpecError("nothing to learn from; name files, folders or packaged sets with --data.")
    if order.seed < 0:
        raise SpecError(f"seed must be 0 or more; got {order.seed}.")
    if kind.modality == "image" and (order.tokenizer or order.tokenizer_data):
        raise SpecError(f"--objective {order.objective} reads images and takes no tokenizer.")
    if order.tokenizer is not None and order.tokenizer_data:
        raise SpecError("--tokenizer-data is for training a tokenizer; leave out --tokenizer.")
    check_vocabulary(order.vocabulary)
    return kind, kind.presets[order.preset]


def _read(kind: type[Objective], names: Sequence[str], text_column: str) -> Corpus:
    return read_images(names) if kind.modality == "image" else read_texts(names, text_column)


def _asked(order: Order, kind: type[Objective], corpus: Corpus, more: Corpus) -> record.Asked:
    trains_tokenizer = kind.modality == "text" and order.tokenizer is None
    return record.Asked(
        objective=order.objective,
        preset=order.preset,
        data=tuple((source.name, source.digest) for source in corpus.sources),
        tokenizer_data=tuple((source.name, source.digest) for source in more.sources),
        tokenizer=None if order.tokenizer is None else _tokenizer_digest(order.tokenizer),
        vocabulary=order.vocabulary if trains_tokenizer else None,
        steps=order.limits.steps,
        budget_seconds=order.limits.seconds,
        seed=order.seed,
    )


def _tokenizer_digest(folder: Path) -> str:
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise ModelError(f"{folder} holds no tokenizer.json; name the folder of a fast tokenizer.")
    return digest_of([file])


def _tokenizer(
    kind: type[Objective], order: Order, corpus: Corpus, more: Corpus, begun: Path | None
) -> PreTrainedTokenizerBase | None:
    """The one given, that of the pretraining begun before, or a new one."""
    if kind.modality == "image":
        return None
    if order.tokenizer is not None:
        return load_tokenizer(order.tokenizer)
    if begun is not None and (begun / "tokenizer_config.json").exists():
        return load_tokenizer(begun)
    documents: list[Document] = [*corpus.train, *more.train, *more.held_out]
    return kind.train_tokenizer(list(itertools.chain(*documents)), order.vocabulary)


def _check_amount(train: int, held_out: int, kind: type[Objective], preset: Preset) -> None:
    if train >= LEAST_EXAMPLES and held_out:
        return
    what = "images" if kind.modality == "image" else f"sequences of up to {preset.length} tokens"
    raise DataError(
        f"the data give {train} {what} to train on and {held_out} to hold out; at least "
        f"{LEAST_EXAMPLES} and 1 are needed. Name more with --data."
    )


def _save(objective: Objective, folder: Path) -> None:
    """Write the model beside its record, every file under its name only when it is whole."""
    temporary = folder / ".model.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    objective.model.eval()
    objective.save(temporary)
    for file in sorted(temporary.iterdir()):
        file.replace(folder / file.name)
    temporary.rmdir()
