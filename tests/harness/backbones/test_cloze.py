"""Encoders that fill gaps: scores by hand, a whole strategy, and those that cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from advisor.errors import ModelError, SpecError
from harness.backbones.encoder import EncoderBackbone
from harness.datasets.base import Split
from harness.models import load_backbone, resolve_model
from harness.strategies.base import DataFacts, TrialBudget
from harness.strategies.hard_prompt import HardPrompting
from harness.tasks.classification import Classification
from tests.harness.tiny_models import CPU, save_tiny_encoder

TOPICS = {"sport": "goal team match coach cup", "money": "bank loan market stock fund"}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
FRAME = ["text", "label", ":", "the", "of", "very", "big"]
VOCABULARY = [
    *SPECIAL,
    *FRAME,
    *TOPICS,
    *(word for words in TOPICS.values() for word in words.split()),
]
TASK = Classification(tuple(TOPICS))
DATA = DataFacts(24, 2, "text", named_labels=True, description=False)


def tokenizer() -> PreTrainedTokenizerFast:
    ids = {word: index for index, word in enumerate(VOCABULARY)}
    made = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.add_special_tokens(SPECIAL)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]",
    )  # fmt: skip


def texts(n: int, seed: int) -> tuple[list[str], np.ndarray]:
    draw, targets = np.random.default_rng(seed), np.arange(n) % 2
    names = list(TOPICS)
    said = [" ".join(draw.choice(TOPICS[names[t]].split(), 3)) for t in targets]
    return said, targets.astype(np.int64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT that learned for a moment to fill "text : ... label : [MASK]"."""
    where = tmp_path_factory.mktemp("cloze")
    torch.manual_seed(0)
    model = BertForMaskedLM(
        BertConfig(vocab_size=len(VOCABULARY), hidden_size=32, intermediate_size=48,
                   num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=48)
    )  # fmt: skip
    words = tokenizer()
    said, targets = texts(64, 0)
    rows = words([f"text : {one} label : [MASK]" for one in said], return_tensors="pt")
    gap = rows["input_ids"] == words.mask_token_id
    right = torch.tensor([words.convert_tokens_to_ids(list(TOPICS)[t]) for t in targets])
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(40):
        logits = model(input_ids=rows["input_ids"], attention_mask=rows["attention_mask"]).logits
        loss = torch.nn.functional.cross_entropy(logits[gap], right)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(where)
    words.save_pretrained(where)
    return where


@pytest.fixture
def backbone(folder: Path, empty_cache: Path) -> EncoderBackbone:
    found = load_backbone(resolve_model(str(folder)), CPU, 32)
    assert isinstance(found, EncoderBackbone)
    return found


def test_scores_are_those_of_the_gap(backbone: EncoderBackbone, folder: Path) -> None:
    model = BertForMaskedLM.from_pretrained(folder).eval()
    queries, labels = ["text : goal label :", "text : very big bank label :"], [" sport", " money"]
    found = backbone.label_logprobs(queries, labels, prefix="the text : cup label : sport\n")
    for row, query in enumerate(queries):
        whole = tokenizer()(f"the text : cup label : sport\n{query} [MASK]", return_tensors="pt")
        with torch.no_grad():
            logits = model(input_ids=whole["input_ids"]).logits[0, -2].log_softmax(-1)
        for column, label in enumerate(labels):
            id = tokenizer().convert_tokens_to_ids(label.strip())
            assert found[row, column] == pytest.approx(float(logits[id]), abs=1e-4)


def test_longer_labels_fill_several_gaps_and_texts_may_hold_gaps(
    backbone: EncoderBackbone, folder: Path
) -> None:
    model = BertForMaskedLM.from_pretrained(folder).eval()
    found = backbone.label_logprobs(["text : [MASK] label :"], [" sport", " big money"])
    whole = tokenizer()("text : [MASK] label : [MASK] [MASK]", return_tensors="pt")
    with torch.no_grad():
        logs = model(input_ids=whole["input_ids"]).logits[0, -3:-1].log_softmax(-1)
    ids = tokenizer().convert_tokens_to_ids(["big", "money"])
    assert found[0, 1] == pytest.approx(float(logs[0, ids[0]] + logs[1, ids[1]]), abs=1e-4)


def test_a_cloze_prompt_classifies_and_is_kept(backbone: EncoderBackbone, tmp_path: Path) -> None:
    assert HardPrompting.feasible(backbone.facts, TASK, DATA).feasible
    said, targets = texts(40, 1)
    rows = Split(tuple(said), targets, tuple(map(str, range(40))))
    strategy = HardPrompting(n_demonstrations=0).fit(
        backbone, TASK, rows.take(range(8)), rows.take(range(8, 20)), seed=0, budget=TrialBudget()
    )
    test = rows.take(range(20, 40))
    found = strategy.predict(test.inputs)
    assert (found.argmax(axis=1) == test.targets).mean() >= 0.8
    strategy.save(tmp_path)
    again = HardPrompting.load(tmp_path, backbone, TASK)
    assert np.array_equal(again.predict(test.inputs), found)


def test_what_cannot_be_is_said(backbone: EncoderBackbone, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="does not fit the window of 48 tokens"):
        backbone.label_logprobs(["big " * 60], [" sport"])
    with pytest.raises(SpecError, match="has no tokens to score"):
        backbone.label_logprobs(["big"], [" sport", " "])
    bare = resolve_model(str(save_tiny_encoder("bert", tmp_path / "bare")))
    assert not bare.masked_head
    verdict = HardPrompting.feasible(bare, TASK, DATA)
    assert not verdict.feasible
    assert "masked-language-model head" in verdict.reason
    with pytest.raises(SpecError, match="comes without a masked-language-model head"):
        load_backbone(bare, CPU).label_logprobs(["a"], [" b"])


def test_a_head_that_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    encoder = save_tiny_encoder("bert", tmp_path / "model")
    config = encoder / "config.json"
    config.write_text(config.read_text().replace('"BertModel"', '"BertForMaskedLM"'))
    tokenizer().save_pretrained(encoder)
    backbone = load_backbone(resolve_model(str(encoder)), CPU)
    with pytest.raises(ModelError, match="lacks the weights of its output layer"):
        backbone.label_logprobs(["a"], [" sport"])
