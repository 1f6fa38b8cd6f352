"""Tiny encoders and conv nets with random weights, and what they read, made in code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    DebertaV2Config,
    DebertaV2Model,
    ModernBertConfig,
    ModernBertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
)

from harness.backbones.base import ModelFacts
from harness.backbones.convnet import ConvNetBackbone
from harness.backbones.encoder import EncoderBackbone

CPU = torch.device("cpu")
ENCODERS = ("bert", "roberta", "deberta", "modernbert")
WITH_PREFIX = ("bert", "roberta")
WORDS = [
    "the",
    "a",
    "film",
    "was",
    "good",
    "bad",
    "very",
    "truly",
    "dull",
    "bright",
    "story",
    "actor",
    "scene",
    "and",
    "not",
    "at",
    "all",
    "never",
    "sport",
    "sports",
    "news",
    "classify",
    "text",
    "label",
    "possible",
    "labels",
    ":",
    ".",
    ",",
]
WINDOW = 48
# RoBERTa's padding token is number 1; here all families agree on that.
_SPECIAL = {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>"}
VOCABULARY = [*_SPECIAL.values(), *WORDS]


def word_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word, a class token before and a separator behind."""
    ids = {word: index for index, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=_SPECIAL["unk"]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{f"{role}_token": word for role, word in _SPECIAL.items()}
    )


def tiny_encoder_model(family: str) -> PreTrainedModel:
    """Two blocks of width 32; weights large enough that every token matters."""
    torch.manual_seed(0)
    shape = {
        "vocab_size": len(VOCABULARY),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "pad_token_id": 1,
    }
    model: PreTrainedModel
    if family == "bert":
        model = BertModel(BertConfig(**shape, max_position_embeddings=WINDOW))
    elif family == "roberta":
        model = RobertaModel(RobertaConfig(**shape, max_position_embeddings=WINDOW + 2))
    elif family == "deberta":
        relative = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}
        model = DebertaV2Model(
            DebertaV2Config(
                **shape, **relative, position_biased_input=False, max_position_embeddings=WINDOW
            )
        )
    else:
        model = ModernBertModel(
            ModernBertConfig(
                **shape, max_position_embeddings=WINDOW, cls_token_id=0, sep_token_id=2,
                bos_token_id=0, eos_token_id=2,
            )
        )  # fmt: skip
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5.0 if parameter.ndim > 1 else 1.0)
    return model.eval()


def tiny_encoder(family: str = "bert", *, max_tokens: int = 32) -> EncoderBackbone:
    model = tiny_encoder_model(family)
    facts = ModelFacts(
        name=f"tiny-{family}",
        family="encoder",
        params=model.num_parameters(),
        layers=2,
        width=32,
        modality="text",
        window=WINDOW,
        vocabulary=len(VOCABULARY),
        digest=f"tiny-{family}",
    )
    return EncoderBackbone(facts, model, word_tokenizer(), device=CPU, max_tokens=max_tokens)


def save_tiny_encoder(family: str, folder: Path) -> Path:
    """A model folder as `save_pretrained` writes it."""
    tiny_encoder_model(family).save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return folder


def tiny_convnet(architecture: str = "test_resnet") -> ConvNetBackbone:
    """One of timm's networks for tests, with batch normalisation that does something."""
    torch.manual_seed(0)
    model = timm.create_model(
        architecture, num_classes=0, pretrained_cfg_overlay={"input_size": (3, 64, 64)}
    )
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    facts = ModelFacts(
        name=f"tiny-{architecture}",
        family="convnet",
        params=sum(p.numel() for p in model.parameters()),
        layers=4,
        width=model.head_hidden_size,
        modality="image",
        image_size=64,
        digest=f"tiny-{architecture}",
    )
    return ConvNetBackbone(facts, model, device=CPU)


def save_images(folder: Path, count: int = 6, *, side: int = 80) -> list[Path]:
    """Noise over a colour that alternates: red, blue, red…"""
    draw = np.random.default_rng(0)
    files = []
    for index in range(count):
        pixels = draw.integers(0, 120, size=(side, side + 8 * index, 3), dtype=np.uint8)
        pixels[:, :, 0 if index % 2 == 0 else 2] += 120
        files.append(folder / f"{index}.png")
        Image.fromarray(pixels).save(files[-1])
    return files
