"""Decoder features, token arithmetic, and loading from folders and GGUF files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.errors import ModelError, SpecError
from harness.backbones import decoder as decoder_module
from harness.backbones import gguf
from harness.backbones.base import ModelFacts
from harness.backbones.decoder import DecoderBackbone
from harness.backbones.token_batches import token_batches
from harness.tasks.pair_classification import PairClassification
from harness.text_pair import TextPair
from tests.harness.tiny_decoder import FAMILIES, packaged_gemma, tiny_decoder

CPU = torch.device("cpu")
TEXTS = ["the team won the match", "", "stock market losses " * 8, "free"]


@cache
def backbone(family: str) -> DecoderBackbone:
    return tiny_decoder(family)


def states_of(model: DecoderBackbone, text: str, layer: int) -> torch.Tensor:
    """Hidden states of one text, computed alone, without the start token."""
    ids = model.tokens.rows([text])[0]
    with torch.inference_mode():
        output = model.model.base_model(torch.tensor([ids]), output_hidden_states=True)
    states = output.hidden_states[layer][0]
    return states[len(model.tokens.start) :] if len(ids) > len(model.tokens.start) else states


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", DecoderBackbone.poolings)
def test_features_pool_a_texts_own_tokens(family, pooling):
    model = backbone(family)
    features = model.features(TEXTS, pooling=pooling, layers=(-1, 1))
    pool = {
        "mean": lambda states: states.mean(dim=0),
        "max": lambda states: states.amax(dim=0),
        "last": lambda states: states[-1],
    }[pooling]
    for row, text in enumerate(TEXTS):
        expected = torch.cat([pool(states_of(model, text, layer)) for layer in (-1, 1)])
        np.testing.assert_allclose(features[row], expected.numpy(), atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("batch_tokens", [1, 30, 4096])
def test_features_do_not_depend_on_the_batch(family, batch_tokens, monkeypatch):
    model = backbone(family)
    alone = np.concatenate([model.features([text], pooling="mean") for text in TEXTS])
    monkeypatch.setitem(decoder_module.BATCH_TOKENS, "cpu", batch_tokens)
    np.testing.assert_allclose(model.features(TEXTS, pooling="mean"), alone, atol=1e-5)


def test_features_are_float32_and_report_progress_and_refuse_unknown_pooling():
    seen: list[float] = []
    features = backbone("gpt2").features(TEXTS, pooling="last", progress=seen.append)
    assert features.dtype == np.float32
    assert features.shape == (4, 32)
    assert seen[-1] == 1.0
    with pytest.raises(SpecError, match="pooling must be one of mean, last, max; got 'cls'"):
        backbone("gpt2").features(TEXTS, pooling="cls")


@pytest.mark.parametrize("family", FAMILIES)
@given(text=st.text(alphabet="abc é.\n", max_size=60), limit=st.integers(1, 20))
@settings(max_examples=30)
def test_truncated_texts_keep_their_beginning_within_the_limit(family, text, limit):
    model = backbone(family)
    cut = model.truncate([text], limit)[0]
    assert text.startswith(cut)
    if model.token_counts([text])[0] <= limit:
        assert cut == text
    else:  # a cut inside a character keeps the whole character
        assert model.token_counts([cut])[0] <= limit + 1


@given(
    st.lists(st.integers(1, 50), max_size=30),
    st.integers(1, 100),
    st.none() | st.integers(1, 8),
    st.none() | st.integers(0, 60),
)
def test_batches_hold_each_row_once_within_the_budget(lengths, tokens, rows, padding):
    lengths = np.array(lengths, dtype=np.int64)
    batches = list(token_batches(lengths, tokens=tokens, rows=rows, padding=padding))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * lengths[batch].max()
        assert len(batch) == 1 or padded <= tokens
        assert rows is None or len(batch) <= rows
        assert padding is None or padded - lengths[batch].sum() <= padding


def test_rows_of_equal_length_are_not_parted_for_their_padding():
    lengths = np.array([9, 9, 9, 2, 2])
    sizes = [len(batch) for batch in token_batches(lengths, tokens=100, padding=6)]
    assert sizes == [3, 2]


def test_a_saved_folder_loads_as_the_same_model(tmp_path):
    model = backbone("llama")
    model.model.save_pretrained(tmp_path)
    model.tokens.tokenizer.save_pretrained(tmp_path)
    facts = ModelFacts("mine", "decoder", 1, 3, 32, "text", window=256, location=str(tmp_path))
    loaded = DecoderBackbone.from_location(facts, device=CPU, max_tokens=64)
    labels = [" sport", " art history"]
    np.testing.assert_array_equal(
        loaded.label_logprobs(TEXTS, labels), model.label_logprobs(TEXTS, labels)
    )
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())


def test_an_empty_folder_is_no_model(tmp_path):
    facts = ModelFacts("mine", "decoder", 1, 1, 1, "text", location=str(tmp_path))
    with pytest.raises(ModelError, match="decoder 'mine' cannot be loaded from"):
        DecoderBackbone.from_location(facts, device=CPU, max_tokens=None)


class TestGguf:
    @pytest.fixture(autouse=True)
    def _cache(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ADAPTATION_ADVISOR_CACHE", str(tmp_path / "cache"))
        self.file = tmp_path / "model.gguf"
        self.models = tmp_path / "cache" / "models"

    def test_a_missing_file_is_named(self):
        with pytest.raises(ModelError, match=r"no model file .*model\.gguf' can be read"):
            gguf.gguf_facts(self.file, "mine")

    def test_a_file_of_another_kind_is_refused(self):
        self.file.write_bytes(b"not a model at all" * 10)
        with pytest.raises(ModelError, match="is not a GGUF file"):
            gguf.gguf_facts(self.file, "mine")
        assert not self.models.exists() or list(self.models.iterdir()) == []

    def test_facts_come_from_the_header_alone(self):
        write_header(self.file)
        facts = gguf.gguf_facts(self.file, "mine")
        assert (facts.name, facts.family, facts.positions) == ("mine", "decoder", "rotary")
        assert (facts.layers, facts.width, facts.window) == (2, 8, 64)
        assert (facts.vocabulary, facts.params) == (3, 24)
        assert len(facts.digest) == 64
        assert gguf.gguf_facts(self.file, "other name").name == "other name"

    def test_a_failed_conversion_leaves_nothing(self, monkeypatch):
        self.file.write_bytes(b"weights")

        def fail(file: Path, folder: Path) -> None:
            (folder / "half").write_text("written")
            raise ModelError("broken")

        monkeypatch.setattr(gguf, "_convert", fail)
        with pytest.raises(ModelError, match="broken"):
            gguf.converted_folder(self.file)
        assert list(self.models.iterdir()) == []

    def test_a_cache_that_cannot_be_written_is_named(self, tmp_path):
        (tmp_path / "cache").write_text("a file where the folder should be")
        with pytest.raises(ModelError, match="set ADAPTATION_ADVISOR_CACHE"):
            gguf.converted_folder(self.file)

    def test_a_conversion_is_done_once_and_survives_a_race(self, monkeypatch):
        self.file.write_bytes(b"weights")
        calls = []

        def convert(file: Path, folder: Path) -> None:
            calls.append(file)
            (folder / "config.json").write_text("{}")
            rival = self.models / gguf.file_digest(self.file.open("rb"), "sha256").hexdigest()[:16]
            rival.mkdir()
            (rival / "config.json").write_text("{}")

        monkeypatch.setattr(gguf, "_convert", convert)
        folder = gguf.converted_folder(self.file)
        assert gguf.converted_folder(self.file) == folder
        assert len(calls) == 1
        assert [path.name for path in self.models.iterdir()] == [folder.name]


def write_header(file: Path) -> None:
    """A GGUF file of one small tensor."""
    from gguf import GGUFWriter

    writer = GGUFWriter(file, "gemma3")
    writer.add_block_count(2)
    writer.add_embedding_length(8)
    writer.add_context_length(64)
    writer.add_token_list(["a", "b", "c"])
    writer.add_tensor("token_embd.weight", np.zeros((3, 8), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.slow
def test_the_packaged_gemma_is_a_decoder_that_knows_some_english():
    model = packaged_gemma()
    assert model.facts.params == 268_098_176
    scores = model.label_logprobs(["The capital of France is:"], [" Paris", " Rome"])
    assert scores[0, 0] > scores[0, 1]


@pytest.mark.parametrize("form", ["default", "head"])
def test_pairs_longer_than_the_window_are_read_to_its_end(form: str) -> None:
    """A start token, a pair's line break and its template come on top of what texts are cut to."""
    model = tiny_decoder("gpt2", window=40)
    pairs = [TextPair("win a prize now " * 30, "call the team " * 30), TextPair("win", "call")]
    assert np.isfinite(model.features(pairs, pooling="mean")).all()
    trainee = model.trainee(PairClassification(("ham", "spam")), form=form).eval()
    answers = trainee.answers(trainee.encode(pairs))
    assert torch.isfinite(answers).all()
