"""Tiny CLIP and SigLIP models with processors, made in code and saved as transformers saves them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from tokenizers import pre_tokenizers
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
    PreTrainedModel,
    ProcessorMixin,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    SiglipProcessor,
)

from harness.backbones.clip import ClipBackbone
from harness.datasets.base import Split
from harness.models import load_backbone, resolve_model
from tests.harness.tiny_models import CPU, word_tokenizer

KINDS = ("clip", "siglip")
SIDE, WIDTH, PROJECTION, TOKENS = 32, 32, 24, 48
COLOURS = ("red", "green", "blue")
_SHAPE = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
_VISION = {**_SHAPE, "image_size": SIDE, "patch_size": 8}


def clip_tokenizer() -> CLIPTokenizer:
    """CLIP's own, with a token a letter and none of its merges."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    ids = {
        piece: index for index, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])
    }
    return CLIPTokenizer(vocab=ids, merges=[], model_max_length=TOKENS)


def _clip() -> tuple[PreTrainedModel, ProcessorMixin]:
    tokenizer = clip_tokenizer()
    text = {
        **_SHAPE,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": TOKENS,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = CLIPConfig(text_config=text, vision_config=_VISION, projection_dim=PROJECTION)
    pixels = CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    return CLIPModel(config), CLIPProcessor(pixels, tokenizer)


def _siglip() -> tuple[PreTrainedModel, ProcessorMixin]:
    tokenizer = word_tokenizer()
    tokenizer.add_tokens(["photo", "of", "photos", "origami", "texture", "satellite", *COLOURS])
    tokenizer.model_input_names = ["input_ids"]  # SigLIP's sees the padding
    text = {**_SHAPE, "vocab_size": len(tokenizer), "max_position_embeddings": TOKENS}
    config = SiglipConfig(text_config={**text, "projection_size": WIDTH}, vision_config=_VISION)
    pixels = SiglipImageProcessor(size={"height": SIDE, "width": SIDE})
    return SiglipModel(config), SiglipProcessor(pixels, tokenizer)


@cache
def _trained(kind: str) -> TemporaryDirectory[str]:
    """A folder with a model that was trained, briefly, to match colours with their sentences."""
    torch.manual_seed(0)
    model, processor = _clip() if kind == "clip" else _siglip()
    folder = TemporaryDirectory(prefix=f"tiny-{kind}-")
    sentences = [f"a photo of a {colour}." for colour in COLOURS]
    padding = "longest" if kind == "clip" else "max_length"
    texts = processor.tokenizer(sentences, padding=padding, max_length=TOKENS, return_tensors="pt")
    draw = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(60):
        pixels = processor.image_processor(
            [noisy(colour, draw) for colour in range(len(COLOURS))], return_tensors="pt"
        )
        loss = model(**texts, **pixels, return_loss=True).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder.name)
    processor.save_pretrained(folder.name)
    return folder


def save_clip(kind: str, folder: Path) -> Path:
    shutil.copytree(_trained(kind).name, folder)
    return folder


def loaded(kind: str, folder: Path) -> ClipBackbone:
    """Through the loading code that users' models go through."""
    found = load_backbone(resolve_model(str(save_clip(kind, folder))), CPU)
    assert isinstance(found, ClipBackbone)
    return found


def noisy(
    colour: int, draw: np.random.Generator, size: tuple[int, int] = (SIDE, SIDE)
) -> Image.Image:
    """Noise in which one of red, green and blue is a little stronger."""
    pixels = draw.integers(0, 200, (*size, 3), dtype=np.uint8)
    pixels[:, :, colour] += 55
    return Image.fromarray(pixels)


def colours(folder: Path, n: int, names: Sequence[str] = COLOURS) -> Split:
    """Images of each colour in turn; names are a permutation of `COLOURS`, the classes."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(len(folder.name))
    files = []
    for index in range(n):
        files.append(folder / f"{index}.png")
        noisy(index % len(COLOURS), draw, (40, 44)).save(files[-1])
    targets = np.array([list(names).index(COLOURS[index % len(COLOURS)]) for index in range(n)])
    return Split(tuple(files), targets, tuple(map(str, files)))
