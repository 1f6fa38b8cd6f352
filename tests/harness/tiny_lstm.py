"""A tiny LSTM encoder-decoder with random weights, made in code."""

from __future__ import annotations

from pathlib import Path

import torch

from harness.backbones.base import ModelFacts
from harness.backbones.lstm import LstmBackbone
from harness.backbones.lstm_model import LstmConfig, LstmSeq2Seq
from tests.harness.tiny_seq2seq import VOCABULARY, tokenizer


def tiny_lstm_model() -> LstmSeq2Seq:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_layers": 1, "dropout": 0.0}
    config = LstmConfig(len(VOCABULARY), **shape, pad_token_id=0, bos_token_id=2, eos_token_id=1)
    return LstmSeq2Seq(config)


def tiny_lstm() -> LstmBackbone:
    model = tiny_lstm_model()
    facts = ModelFacts(
        name="tiny-lstm",
        family="lstm",
        params=model.params,
        layers=1,
        width=32,
        modality="text",
        vocabulary=len(VOCABULARY),
        digest="tiny-lstm",
    )
    return LstmBackbone(facts, model, tokenizer("t5"), device=torch.device("cpu"), max_tokens=24)


def save_tiny_lstm(folder: Path) -> Path:
    tiny_lstm_model().save_to(folder)
    tokenizer("t5").save_pretrained(folder)
    return folder
