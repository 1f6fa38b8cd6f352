"""What the objectives hide, and that what they hide can be restored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.errors import ModelError
from harness.pretrain.base import Preset
from harness.pretrain.denoising import DROPPED, MASKED, SHUFFLED, Denoising, noisy
from harness.pretrain.masked_autoencoder import MaskedAutoencoder
from harness.pretrain.masked_tokens import MaskedTokens, Passage, passages, shortened
from harness.pretrain.next_token import NextToken
from harness.pretrain.span_corruption import SENTINELS, SpanCorruption, corrupt, span_mask
from tests.harness.pretrain.corpora import sentences, write_images

TINY = Preset(width=16, layers=1, heads=2, length=48, batch_rows=4, learning_rate=1e-3)
LINES = sentences(400)
DOCUMENTS = [tuple(LINES[at : at + 10]) for at in range(0, 400, 10)]
seeds = st.integers(0, 2**31)


def drawing(seed: int = 0) -> np.random.Generator:
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


# spans


@given(st.integers(2, 600), seeds)
def test_spans_hide_15_percent_in_spans_of_3(length: int, seed: int) -> None:
    mask = span_mask(length, np.random.default_rng(seed))
    assert mask.shape == (length,)
    assert mask.sum() == max(1, round(0.15 * length))
    starts = int(mask[0]) + int((mask[1:] & ~mask[:-1]).sum())
    assert starts == max(1, round(mask.sum() / 3))
    assert not mask[0]


@given(st.lists(st.integers(200, 999), min_size=2, max_size=300), seeds)
def test_sentinels_and_what_they_hide_give_the_text_again(row: list[int], seed: int) -> None:
    sentinels, end = list(range(100)), 1000
    source, target = corrupt(row, span_mask(len(row), np.random.default_rng(seed)), sentinels, end)
    assert source[-1] == target[-1] == end
    hidden: dict[int, list[int]] = {}
    for token in target[:-1]:
        if token in sentinels:
            hidden[token] = []
        else:
            hidden[max(hidden)].append(token)
    used = list(hidden)
    assert used == list(range(len(used)))
    assert hidden[used[-1]] == [], "the last sentinel ends the target and hides nothing"
    restored = [t for token in source[:-1] for t in hidden.get(token, [token])]
    assert restored == row


def test_span_batches_are_what_t5_trains_on() -> None:
    tokenizer = SpanCorruption.train_tokenizer(LINES, 500)
    assert tokenizer.convert_tokens_to_ids(SENTINELS[7]) != tokenizer.unk_token_id
    objective = SpanCorruption.build(TINY, tokenizer)
    examples = objective.examples(DOCUMENTS)
    assert {len(example) for example in examples} == {TINY.length}
    batch = objective.batch(examples[:4], drawing())
    # 7 of 48 tokens in 2 spans: 41 + 2 sentinels + end, 7 + 3 sentinels + end
    assert batch["input_ids"].shape == (4, 44)
    assert batch["labels"].shape == (4, 11)
    text = tokenizer.decode(batch["labels"][0])
    assert text.startswith("<extra_id_0>")
    assert text.endswith("<extra_id_2></s>")


# masked tokens


@pytest.fixture(scope="module")
def bert() -> MaskedTokens:
    return MaskedTokens.build(TINY, MaskedTokens.train_tokenizer(LINES, 400))


def test_15_percent_are_hidden_most_behind_the_mask(bert: MaskedTokens) -> None:
    examples = bert.examples(DOCUMENTS)
    hidden = masked = kept = real = 0
    draw = drawing()
    for _ in range(40):
        batch = bert.batch(examples, draw)
        at = batch["labels"] != -100
        frame = {bert.tokenizer.cls_token_id, bert.tokenizer.sep_token_id}
        assert not frame & set(batch["labels"][at].tolist())
        hidden += int(at.sum())
        masked += int((batch["input_ids"][at] == bert.tokenizer.mask_token_id).sum())
        kept += int((batch["input_ids"][at] == batch["labels"][at]).sum())
        real += int(batch["attention_mask"].sum()) - 3 * len(examples)
    # some 80 passages of 45 tokens, 40 times: the standard errors are below half a point
    assert hidden / real == pytest.approx(0.15, abs=0.005)
    assert masked / hidden == pytest.approx(0.8, abs=0.01)
    assert kept / hidden == pytest.approx(0.1, abs=0.01)


def test_half_of_the_next_sentences_are_of_other_documents(bert: MaskedTokens) -> None:
    examples = bert.examples(DOCUMENTS)
    draw = drawing()
    labels = torch.cat([bert.batch(examples, draw)["next_sentence_label"] for _ in range(40)])
    assert labels.float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_the_label_says_whether_the_second_half_belongs_there(bert: MaskedTokens) -> None:
    bert_of_all = MaskedTokens(bert.model, bert.tokenizer, TINY.length)
    bert_of_all._mask.mlm_probability = 0.0  # read what was put together, unmasked
    ends = bert.tokenizer.sep_token_id
    # the tokens of a document begin with its number, so that each tells where it is from
    examples = [
        Passage(d, tuple((100 + 50 * d + 5 * s, 101 + 50 * d + 5 * s) for s in range(4)))
        for d in range(5)
    ]
    draw, seen = drawing(), set()
    for _ in range(10):
        batch = bert_of_all.batch(examples, draw)
        for row, label in zip(
            batch["input_ids"].tolist(), batch["next_sentence_label"], strict=True
        ):
            first = row[1 : row.index(ends)]
            second = row[row.index(ends) + 1 :]
            second = second[: second.index(ends)]
            same = (first[0] - 100) // 50 == (second[0] - 100) // 50
            assert same == (int(label) == 0)
            if same:
                assert second[0] - first[-1] == 4, "the next sentence follows at once"
            seen.add(int(label))
    assert seen == {0, 1}


def test_without_another_document_every_next_sentence_is_true(bert: MaskedTokens) -> None:
    examples = bert.examples([tuple(LINES)])
    assert not bert.batch(examples, drawing())["next_sentence_label"].any()


@given(st.lists(st.integers(1, 30), max_size=30), st.integers(1, 60))
def test_passages_keep_every_sentence_once_and_in_order(lengths: list[int], length: int) -> None:
    rows = [[index] * count for index, count in enumerate(lengths)]
    found = passages(rows, length)
    assert all(len(passage) >= 2 for passage in found)
    assert [row for passage in found for row in passage] == (rows if len(rows) > 1 else [])


@given(st.integers(1, 80), st.integers(1, 80), st.integers(4, 60))
def test_pairs_are_cut_at_their_outer_ends(first: int, second: int, length: int) -> None:
    a, b = list(range(first)), list(range(100, 100 + second))
    left, right = shortened(a, b, length)
    assert len(left) + len(right) == min(length, first + second)
    assert left == a[first - len(left) :]
    assert right == b[: len(right)]
    assert min(len(left), len(right)) >= min(first, second, length // 2)


# next token


def test_windows_are_the_documents_one_behind_the_other() -> None:
    tokenizer = NextToken.train_tokenizer(LINES, 400)
    objective = NextToken.build(TINY, tokenizer)
    examples = objective.examples(DOCUMENTS)
    batch = objective.batch(examples, drawing())
    assert torch.equal(batch["input_ids"], batch["labels"])
    whole = "<|endoftext|>".join("\n".join(document) for document in DOCUMENTS)
    assert whole.startswith(tokenizer.decode(batch["input_ids"].flatten()))
    assert batch["input_ids"].shape == (len(examples), TINY.length)


# denoising


@given(st.lists(st.integers(10, 10**6), min_size=1, max_size=80, unique=True), seeds)
def test_noise_keeps_some_of_the_tokens_near_their_places(row: list[int], seed: int) -> None:
    source = noisy(row, 0, np.random.default_rng(seed))
    kept = [token for token in source if token]
    assert 1 <= len(source) <= len(row)
    assert set(kept) <= set(row)
    assert len(set(kept)) == len(kept)
    if len(source) == len(row):  # nothing is missing: places can be compared
        moved = [abs(at - row.index(token)) for at, token in enumerate(source) if token]
        assert max(moved, default=0) <= SHUFFLED


def test_noise_drops_and_masks_the_shares_it_says() -> None:
    row, draw = list(range(1, 101)), drawing()
    sources = [noisy(row, 0, draw) for _ in range(400)]
    total = sum(map(len, sources))
    assert 1 - total / (400 * 100) == pytest.approx(DROPPED, abs=0.01)
    assert sum(s.count(0) for s in sources) / total == pytest.approx(MASKED, abs=0.01)
    assert any(np.any(np.diff([t for t in s if t]) < 0) for s in sources)


def test_targets_are_the_clean_lines() -> None:
    tokenizer = Denoising.train_tokenizer(LINES, 400)
    objective = Denoising.build(TINY, tokenizer)
    examples = objective.examples(DOCUMENTS)
    batch = objective.batch(examples[:8], drawing())
    for target, line in zip(batch["targets"], LINES, strict=False):
        said = target[target != -100]
        assert tokenizer.decode(said) == f"{line}</s>"
    assert torch.equal(batch["source_mask"], batch["source"] != tokenizer.pad_token_id)


# images


def test_three_quarters_of_the_patches_are_hidden(tmp_path: Path) -> None:
    files = sorted(write_images(tmp_path, count=8).rglob("*.png"))
    objective = MaskedAutoencoder.build(replace(TINY, length=32), None)
    batch = objective.batch(files, drawing())
    assert batch["pixel_values"].shape == (8, 3, 32, 32)
    mask = objective.model(**batch).mask
    assert torch.equal(mask.sum(dim=1), torch.full((8,), 0.75 * 64))
    other = objective.model(**objective.batch(files, drawing(1))).mask
    assert not torch.equal(mask, other)


# all


@settings(max_examples=5)
@given(seeds)
def test_batches_depend_on_the_seed_alone(seed: int) -> None:
    row = list(range(5, 60))
    assert noisy(row, 0, drawing(seed)) == noisy(row, 0, drawing(seed))
    assert np.array_equal(span_mask(50, drawing(seed)), span_mask(50, drawing(seed)))


def test_a_tokenizer_without_mask_or_sentinels_is_refused() -> None:
    plain = NextToken.train_tokenizer(LINES, 400)
    with pytest.raises(ModelError, match=r"no pad_token, cls_token.*leave out --tokenizer"):
        MaskedTokens.build(TINY, plain)
    with pytest.raises(ModelError, match="no sentinel <extra_id_0>"):
        SpanCorruption.build(TINY, Denoising.train_tokenizer(LINES, 400))
