"""Loss, fertility and reference text on tiny models; the packaged ones are in test_real_profile."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from harness.backbones.encoder import EncoderBackbone
from harness.datasets.packaged import PACKAGED
from harness.models import load_backbone, resolve_model
from harness.profile import reference
from harness.profile.fertility import fertility
from harness.profile.language_loss import MASK_STEP, bits_and_bytes
from harness.profile.shift import measured_shift
from tests.harness.tiny_decoder import tiny_decoder
from tests.harness.tiny_models import CPU, VOCABULARY, tiny_encoder, word_tokenizer

TEXTS = ["the film was very good.", "a dull story, and bad"]

needs_reference = pytest.mark.skipif(
    PACKAGED[reference.NAME].location() is None, reason="extra 'datasets' is not installed"
)


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> EncoderBackbone:
    folder = tmp_path_factory.mktemp("masked")
    torch.manual_seed(0)
    tokenizer = word_tokenizer()
    tokenizer.add_special_tokens({"mask_token": "[MASK]"})
    BertForMaskedLM(
        BertConfig(
            vocab_size=len(VOCABULARY) + 1,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=48,
            pad_token_id=1,
        )
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    found = load_backbone(resolve_model(str(folder)), CPU, 32)
    assert isinstance(found, EncoderBackbone)
    return found


@pytest.mark.parametrize("family", ["gemma3", "gpt2"])
def test_a_decoders_bits_are_the_loss_of_transformers(family: str) -> None:
    backbone = tiny_decoder(family)
    bits, sizes = bits_and_bytes(backbone, TEXTS)
    for text, found, size in zip(TEXTS, bits, sizes, strict=True):
        ids = torch.tensor(backbone.tokens.rows([text]))
        loss = backbone.model(input_ids=ids, labels=ids).loss
        assert found == pytest.approx(float(loss) * (ids.shape[1] - 1) / math.log(2), rel=1e-4)
        first = "" if backbone.tokens.start else backbone.tokens.tokenizer.decode(ids[0, :1])
        assert size == len(text.encode()) - len(first.encode())


def test_pseudo_loss_masks_every_token_once(masked: EncoderBackbone) -> None:
    assert masked.facts.masked_head
    text = "the film was very good and not bad at all"
    bits, sizes = bits_and_bytes(masked, [text])
    model = BertForMaskedLM.from_pretrained(masked.facts.location).eval()
    ids = torch.tensor(masked.tokenizer(text)["input_ids"])
    expected = 0.0
    for step in range(MASK_STEP):
        places = list(range(1, len(ids) - 1))[step::MASK_STEP]
        row = ids.clone()
        row[places] = masked.tokenizer.mask_token_id
        with torch.no_grad():
            logs = model(input_ids=row[None]).logits[0].log_softmax(-1)
        expected -= sum(float(logs[place, ids[place]]) for place in places)
    assert bits[0] == pytest.approx(expected / math.log(2), rel=1e-4)
    assert sizes[0] == len(text)


def test_fertility_counts_pieces_and_unknown_words() -> None:
    found = fertility(word_tokenizer(), ["the film, zebra"])
    assert found is not None
    assert (found.words, found.tokens_per_word, found.continued) == (3, 1.0, 0.0)
    assert found.unknown == pytest.approx(1 / 3)
    assert fertility(word_tokenizer(), ["... 😀"]) is None


@needs_reference
def test_reference_passages_have_the_lengths_asked_for() -> None:
    lengths = [20, 80, 400, 10**6]
    found = reference.reference_texts(lengths, seed=3)
    assert found == reference.reference_texts(lengths, seed=3)
    assert found != reference.reference_texts(lengths, seed=4)
    for length, text in zip(lengths[:3], found[:3], strict=True):
        assert length - 25 < len(text) <= length
        assert text == text.strip()
    assert len(found[3]) > 500


@needs_reference
def test_every_kind_of_text_model_is_measured_its_way(masked: EncoderBackbone) -> None:
    by_loss = measured_shift(tiny_decoder(), TEXTS)
    assert by_loss.statistic == "excess_bits_per_byte"
    assert by_loss.value == pytest.approx(
        by_loss.details["bits_per_byte"] - by_loss.details["bits_per_byte_reference"]
    )
    by_gaps = measured_shift(masked, TEXTS)
    assert by_gaps.statistic == "excess_bits_per_byte"
    assert by_gaps.method.startswith("pseudo-loss")
    by_words = measured_shift(tiny_encoder(), TEXTS)
    assert by_words.statistic == "excess_tokens_per_word"
    for found in (by_loss, by_gaps, by_words):
        assert found.shift is not None
        assert found.rows == len(TEXTS)
        assert found.error is not None
        assert np.isfinite(found.error)


@needs_reference
def test_texts_without_words_are_not_measured() -> None:
    assert measured_shift(tiny_encoder(), ["?!", "..."]).shift is None
    assert measured_shift(tiny_encoder(), []).shift is None
