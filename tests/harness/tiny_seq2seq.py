"""Tiny encoder-decoders with random weights, made in code."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from harness.backbones.base import ModelFacts
from harness.backbones.encoder_decoder import EncoderDecoderBackbone
from tests.harness.tiny_models import WORDS

CPU = torch.device("cpu")
FAMILIES = ("t5", "t5-gaps", "bart")
WINDOW = 64
_SPECIAL = ["<pad>", "</s>", "<s>", "<unk>", "<extra_id_0>", "<extra_id_1>"]
MORE = ["input", "output", "source", "translation", "one", "two", "three", "four", "five", "six"]
VOCABULARY = [*_SPECIAL, *WORDS, *MORE]


def tokenizer(family: str) -> PreTrainedTokenizerFast:
    """One token a word; T5 ends a text with "</s>", BART also begins it with "<s>"."""
    ids = {word: index for index, word in enumerate(VOCABULARY)}
    words = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    frame = "<s> $A </s>" if family == "bart" else "$A </s>"
    words.post_processor = processors.TemplateProcessing(
        single=frame, special_tokens=[("<s>", 2), ("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        eos_token="</s>",
        bos_token="<s>",
        unk_token="<unk>",
        additional_special_tokens=["<extra_id_0>", "<extra_id_1>"],
    )


def tiny_model(family: str, *, width: int = 32) -> PreTrainedModel:
    """Two blocks on each side; weights large enough that every token matters to the answer."""
    torch.manual_seed(0)
    if family == "bart":
        model: PreTrainedModel = BartForConditionalGeneration(
            BartConfig(
                vocab_size=len(VOCABULARY), d_model=width, encoder_layers=2, decoder_layers=2,
                encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48,
                decoder_ffn_dim=48, max_position_embeddings=WINDOW, pad_token_id=0,
                bos_token_id=2, eos_token_id=1, decoder_start_token_id=1,
                forced_eos_token_id=None, scale_embedding=True,
            )
        )  # fmt: skip
        grown = 5.0
    else:
        model = T5ForConditionalGeneration(
            T5Config(
                vocab_size=len(VOCABULARY), d_model=width, d_kv=8, d_ff=48, num_layers=2,
                num_heads=4, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
            )
        )  # fmt: skip
        grown = 1.5
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(grown if parameter.ndim > 1 else 1.0)
    return model.eval()


def tiny_seq2seq(family: str = "t5", *, max_tokens: int = 24) -> EncoderDecoderBackbone:
    """A backbone of some ten thousand parameters."""
    model = tiny_model(family)
    facts = ModelFacts(
        name=f"tiny-{family}",
        family="encoder_decoder",
        params=model.num_parameters(),
        layers=2,
        width=32,
        modality="text",
        window=WINDOW,
        positions="learned" if family == "bart" else "relative",
        vocabulary=len(VOCABULARY),
        digest=f"tiny-{family}",
    )
    return EncoderDecoderBackbone(
        facts,
        model,
        tokenizer(family),
        device=CPU,
        max_tokens=max_tokens,
        fills_gaps=family == "t5-gaps",
    )


def save_tiny_seq2seq(family: str, folder: Path) -> Path:
    """A model folder as `save_pretrained` writes it."""
    tiny_model(family).save_pretrained(folder)
    tokenizer(family).save_pretrained(folder)
    return folder
