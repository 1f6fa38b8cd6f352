"""What a language model loses on texts, in bits per byte, whatever its vocabulary.

Decoders: the ordinary loss. Masked language models: the pseudo-loss of Salazar et al. 2020
("Masked Language Model Scoring", arXiv:1910.14659, section 2), except that every seventh token is
masked at a time instead of one, so that a text takes seven passes instead of one for each token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from transformers import AutoModelForMaskedLM, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from advisor.errors import ModelError
from harness.backbones.decoder import DecoderBackbone
from harness.backbones.encoder import EncoderBackbone
from harness.backbones.frozen import frozen

MASK_STEP = 7


def bits_and_bytes(
    backbone: DecoderBackbone | EncoderBackbone, texts: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Bits lost on each text and its length in UTF-8 bytes, two float64 arrays of shape (n,).

    Texts are cut to the backbone's longest. Where a decoder has no token to begin with, the first
    token is not predicted and its bytes do not count.

    Raises:
        ModelError: If an encoder's output layer cannot be loaded.
    """
    assert backbone.max_tokens is not None
    cut = backbone.truncate(texts, backbone.max_tokens - 2)  # of encoders, two are special
    if isinstance(backbone, DecoderBackbone):
        found = [_decoded(backbone, text) for text in cut]
    else:
        model = masked_model(backbone)
        found = [_filled(backbone, model, text) for text in cut]
    bits, sizes = (np.array(each, dtype=np.float64) for each in zip(*found, strict=True))
    return bits, sizes


@torch.inference_mode()
def _decoded(backbone: DecoderBackbone, text: str) -> tuple[float, int]:
    tokens = backbone.tokens
    ids = torch.tensor(tokens.rows([text]), device=backbone.device)
    logits = backbone.model(input_ids=ids, use_cache=False).logits[0, :-1]
    nats = torch.nn.functional.cross_entropy(logits.float(), ids[0, 1:], reduction="sum")
    unscored = "" if tokens.start else tokens.tokenizer.decode(ids[0, :1])
    return float(nats) / math.log(2), _size(text) - _size(str(unscored))


@torch.inference_mode()
def _filled(backbone: EncoderBackbone, model: PreTrainedModel, text: str) -> tuple[float, int]:
    tokenizer = backbone.tokenizer
    encoded = tokenizer(text, return_special_tokens_mask=True)
    ids = torch.tensor(encoded["input_ids"], device=backbone.device)
    own = [place for place, extra in enumerate(encoded["special_tokens_mask"]) if not extra]
    parts = [part for step in range(MASK_STEP) if (part := own[step::MASK_STEP])]
    if not parts:
        return 0.0, _size(text)
    rows = ids.repeat(len(parts), 1)
    for row, part in enumerate(parts):
        rows[row, part] = tokenizer.mask_token_id
    logits = model(input_ids=rows, attention_mask=torch.ones_like(rows)).logits.float()
    nats = sum(
        float(torch.nn.functional.cross_entropy(logits[row, part], ids[part], reduction="sum"))
        for row, part in enumerate(parts)
    )
    return nats / math.log(2), _size(text)


def masked_model(backbone: EncoderBackbone) -> PreTrainedModel:
    """The encoder with its output layer.

    Raises:
        ModelError: If it cannot be loaded whole.
    """
    location = backbone.facts.location
    model, info = AutoModelForMaskedLM.from_pretrained(
        location, dtype=torch.float32, output_loading_info=True
    )
    if info["missing_keys"]:
        first = min(info["missing_keys"])
        raise ModelError(f"{location!r} lacks the weights of its output layer: {first}")
    return frozen(model, backbone.device)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def tokenizer_of(backbone: DecoderBackbone | EncoderBackbone) -> PreTrainedTokenizerBase:
    """The tokenizer that goes with the model."""
    return (
        backbone.tokens.tokenizer if isinstance(backbone, DecoderBackbone) else backbone.tokenizer
    )
