"""The LSTM encoder-decoder: padding changes nothing, search agrees with the loss, files round-trip."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from advisor.errors import ModelError
from harness.backbones.lstm_model import IGNORED, LstmConfig, LstmSeq2Seq

CONFIG = LstmConfig(vocab_size=20, hidden_size=16, num_layers=2)
SOURCE = torch.tensor([[4, 5, 6, 7], [8, 9, 0, 0]])
MASK = SOURCE != 0


def network() -> LstmSeq2Seq:
    torch.manual_seed(0)
    return LstmSeq2Seq(CONFIG).eval()


def trained() -> tuple[LstmSeq2Seq, torch.Tensor]:
    """A network that learned to turn sources round."""
    model = network()
    targets = torch.tensor([[7, 6, 5, 4, 2], [9, 8, 2, IGNORED, IGNORED]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(250):
        optimizer.zero_grad()
        model.loss(SOURCE, MASK, targets).backward()
        optimizer.step()
    return model, targets


def test_padding_changes_neither_states_nor_predictions() -> None:
    model = network()
    together, alone = model.encode(SOURCE, MASK), model.encode(SOURCE[1:, :2], MASK[1:, :2])
    torch.testing.assert_close(together.states[1:, :2], alone.states)
    tokens = torch.tensor([[1, 4], [1, 4]])
    logits, _ = model.decode(tokens, together.start, together)
    single, _ = model.decode(tokens[1:], alone.start, alone)
    torch.testing.assert_close(logits[1:], single)


def test_one_step_after_another_equals_all_at_once() -> None:
    model = network()
    encoded, tokens = model.encode(SOURCE, MASK), torch.tensor([[1, 4, 5], [1, 8, 2]])
    at_once, _ = model.decode(tokens, encoded.start, encoded)
    state, steps = encoded.start, []
    for at in range(3):
        logits, state = model.decode(tokens[:, at : at + 1], state, encoded)
        steps.append(logits)
    torch.testing.assert_close(torch.cat(steps, dim=1), at_once)


def test_what_was_learned_is_generated_by_greedy_and_by_beam_search() -> None:
    model, targets = trained()
    expected = targets.masked_fill(targets == IGNORED, CONFIG.pad_token_id)
    for beams in (1, 3):
        assert torch.equal(model.generate(SOURCE, MASK, beams=beams), expected)
    assert model.generate(SOURCE, MASK, max_new_tokens=2).shape == (2, 2)


def test_a_wide_beam_finds_the_likeliest_output_per_token() -> None:
    """Against every output of up to two tokens, on a vocabulary small enough to list them."""
    torch.manual_seed(3)
    model = LstmSeq2Seq(LstmConfig(vocab_size=5, hidden_size=8, num_layers=1)).eval()
    with torch.no_grad():
        model.output_bias += 3 * torch.randn(5)
    source, mask = torch.tensor([[3, 4]]), torch.ones(1, 2, dtype=torch.bool)
    encoded = model.encode(source, mask)

    def mean_log(tokens: list[int]) -> float:
        logits, _ = model.decode(torch.tensor([[1, *tokens[:-1]]]), encoded.start, encoded)
        logits[..., 0] = -torch.inf  # padding is never said
        logs = logits.log_softmax(-1)[0]
        return sum(float(logs[at, token]) for at, token in enumerate(tokens)) / len(tokens)

    outputs = [[2], *([a, b] for a in (1, 3, 4) for b in (1, 2, 3, 4))]
    best = max(outputs, key=mean_log)
    found = model.generate(source, mask, max_new_tokens=2, beams=16)[0].tolist()
    assert [token for token in found if token != 0] == best


def test_folders_round_trip(tmp_path: Path) -> None:
    model, _ = trained()
    model.save_to(tmp_path)
    again = LstmSeq2Seq.from_folder(tmp_path)
    assert again.config == model.config
    assert (again.params, again.layers, again.width) == (model.params, 2, 16)
    assert torch.equal(again.generate(SOURCE, MASK), model.generate(SOURCE, MASK))
    assert not list(tmp_path.glob(".*"))


def test_another_models_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match=r"holds no LSTM encoder-decoder.*'bert'"):
        LstmSeq2Seq.from_folder(tmp_path)
