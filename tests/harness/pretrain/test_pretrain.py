"""`harness pretrain` from end to end: losses fall, libraries load, an interruption leaves no trace."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    BertForMaskedLM,
    BertForPreTraining,
    BertModel,
    GPT2LMHeadModel,
    T5ForConditionalGeneration,
    ViTMAEForPreTraining,
    ViTModel,
)

import harness.cli
from advisor.errors import OutputError
from harness.backbones.lstm_model import LstmSeq2Seq
from harness.catalog import OBJECTIVES
from harness.model_facts import transformers_facts
from harness.pretrain import checkpoint
from harness.pretrain.loop import Limits, Watch
from harness.pretrain.runner import Order, make
from harness.strategies.base import Interrupted
from tests.harness.pretrain.corpora import write_images, write_text

STEPS = 30
LEAST_FALL = {
    "masked_tokens": 0.3,
    "span_corruption": 1.0,
    "next_token": 0.3,
    "denoising": 0.3,
    "masked_autoencoder": 0.02,  # squared error of pixels, from about 1
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("data")
    return {
        "text": str(write_text(folder / "text.txt", documents=60)),
        "image": str(write_images(folder / "images")),
    }


def order(objective: str, data: dict[str, str], steps: int = STEPS) -> Order:
    modality = OBJECTIVES.load(objective).modality
    return Order(objective, (data[modality],), "tiny", Limits(steps), vocabulary=400, device="cpu")


@pytest.fixture(scope="module")
def made(data: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every objective, pretrained without a disturbance."""
    folders = {}
    for objective in OBJECTIVES.names():
        folders[objective] = tmp_path_factory.mktemp("made") / objective
        make(order(objective, data), folders[objective], command="harness pretrain", watch=Watch())
    return folders


@pytest.mark.parametrize("objective", OBJECTIVES.names())
def test_the_held_out_loss_falls_and_the_record_says_how(
    objective: str, made: dict[str, Path]
) -> None:
    record = json.loads((made[objective] / "pretraining.json").read_text())
    curve = record["curve"]
    assert record["status"] == "done"
    assert (curve[0]["step"], curve[-1]["step"], record["steps"]) == (0, STEPS, STEPS)
    assert curve[-1]["held_out_loss"] < curve[0]["held_out_loss"] - LEAST_FALL[objective]
    assert record["tokens"] > 0
    assert len(record["asked"]["data"][0][1]) == 64
    assert record["on_what"]["versions"]["torch"]
    assert "held-out loss" in (made[objective] / "README.md").read_text()
    left = {file.name for file in made[objective].iterdir()}
    assert not any(name.startswith((".", "checkpoint")) for name in left)


@pytest.mark.parametrize(
    ("objective", "classes"),
    [
        ("masked_tokens", (BertForPreTraining, BertForMaskedLM, BertModel)),
        ("span_corruption", (T5ForConditionalGeneration,)),
        ("next_token", (GPT2LMHeadModel,)),
        ("masked_autoencoder", (ViTMAEForPreTraining, ViTModel)),
    ],
)
def test_transformers_loads_what_was_made(
    objective: str, classes: tuple[type, ...], made: dict[str, Path]
) -> None:
    folder = made[objective]
    for kind in classes:
        extra = {"add_pooling_layer": False} if kind is ViTModel else {}
        _, found = kind.from_pretrained(folder, output_loading_info=True, **extra)
        assert not found["missing_keys"], kind
        assert not found["mismatched_keys"], kind
    facts = transformers_facts("made", str(folder), "digest")
    assert facts.objective == OBJECTIVES.load(objective).name
    if objective == "masked_autoencoder":
        assert AutoImageProcessor.from_pretrained(folder).size["height"] == 32
        return
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = "The cat sees a red house."
    back = tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True)
    assert back.replace(" ", "").lower() == text.replace(" ", "").lower()


def test_the_lstm_is_loaded_and_writes(made: dict[str, Path]) -> None:
    model = LstmSeq2Seq.from_folder(made["denoising"])
    tokenizer = AutoTokenizer.from_pretrained(made["denoising"])
    ids = torch.tensor([tokenizer("A dog paints the river.")["input_ids"]])
    assert model.generate(ids, ids != tokenizer.pad_token_id, max_new_tokens=8).shape[0] == 1


@pytest.mark.parametrize("objective", OBJECTIVES.names())
def test_a_resumed_pretraining_ends_with_the_same_weights(
    objective: str, data: dict[str, str], made: dict[str, Path], tmp_path: Path
) -> None:
    """Cut off twice, at and between evaluations; bit for bit.

    With the tokenizer of the undisturbed one: the library's WordPiece trainer breaks ties anew
    each time.
    """
    folder, taken = tmp_path / "resumed", []
    asked = order(objective, data)
    if OBJECTIVES.load(objective).modality == "text":
        asked = replace(asked, tokenizer=made[objective])
    for stop in (7, 18):
        watch = Watch(
            cancelled=lambda stop=stop: bool(taken) and taken[-1] >= stop,
            moved=lambda step, total: taken.append(step),
        )
        with pytest.raises(Interrupted):
            make(asked, folder, command="", watch=watch)
        assert taken[-1] == stop
        assert [place.name for place in folder.glob("checkpoint*")] == [f"checkpoint-{stop}"]
        assert json.loads((folder / "pretraining.json").read_text())["status"] == "unfinished"
    watch = Watch(moved=lambda step, total: taken.append(step))
    done = make(asked, folder, command="", watch=watch)
    assert taken == list(range(1, STEPS + 1)), "no step was taken twice"
    undisturbed = made[objective]
    assert done.curve == json.loads((undisturbed / "pretraining.json").read_text())["curve"]
    ours, theirs = (load_file(place / "model.safetensors") for place in (folder, undisturbed))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_finished_pretraining_is_not_repeated_and_another_one_refused(
    made: dict[str, Path], data: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made["next_token"]
    before = (folder / "model.safetensors").stat().st_mtime_ns
    words = ["pretrain", "--objective", "next-token", "--data", data["text"], "--preset", "tiny"]
    words += ["--vocabulary", "400", "--device", "cpu", "--out", str(folder)]
    assert harness.cli.main([*words, "--steps", str(STEPS)]) == 0
    assert "held-out loss" in capsys.readouterr().out
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    assert harness.cli.main([*words, "--steps", "31"]) == 2
    assert "already holds another pretraining (steps was 30, now 31)" in capsys.readouterr().err


def test_a_budget_plans_the_schedule_to_end_in_time(data: dict[str, str], tmp_path: Path) -> None:
    clock = [0.0]  # a step takes half a second of this clock

    def moved(step: int, total: int) -> None:
        clock[0] += 0.5

    asked = Order("next_token", (data["text"],), "tiny", Limits(seconds=8.0), vocabulary=400)
    watch = Watch(spent=lambda: clock[0], moved=moved)
    done = make(asked, tmp_path / "out", command="", watch=watch)
    assert done.steps is not None
    assert 8 <= done.steps <= 17
    assert done.curve[-1]["step"] == done.steps


def test_a_checkpoint_that_is_half_there_does_not_count(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    (tmp_path / ".checkpoint.tmp").mkdir()
    (tmp_path / ".checkpoint.tmp" / "weights.safetensors").write_bytes(b"half")
    assert checkpoint.load(tmp_path, model, optimizer).step == 0
    checkpoint.save(tmp_path, model, optimizer, checkpoint.State(step=3, losses=[0.1]))
    other = torch.nn.Linear(2, 2)
    state = checkpoint.load(tmp_path, other, torch.optim.AdamW(other.parameters()))
    assert (state.step, state.losses) == (3, [0.1])
    assert torch.equal(other.weight, model.weight)
    (tmp_path / "checkpoint-3" / "weights.safetensors").write_bytes(b"half")
    with pytest.raises(OutputError, match=r"checkpoint-3 cannot be read .* Remove it"):
        checkpoint.load(tmp_path, other, optimizer)
    checkpoint.remove(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"--objective": "masked_token"},
            "no objective 'masked_token'. Did you mean 'masked_tokens'",
        ),
        ({"--preset": "smal"}, "no preset 'smal'. Did you mean 'small'"),
        ({"--vocabulary": "10"}, "vocabulary must be 400 tokens or more; got 10"),
        ({"--budget": "8m"}, "give either --steps or --budget"),
        ({"--steps": "0"}, "steps must be 1 or more; got 0"),
        ({"--data": "short.txt"}, "at least 16 and 1 are needed. Name more with --data"),
        ({"--data": "images"}, "holds images and no text; use --objective masked_autoencoder"),
        ({"--objective": "masked_autoencoder"}, "holds text and no images"),
        ({"--tokenizer": "taken"}, "holds no tokenizer.json"),
        ({"--out": "taken"}, "is not empty and holds no pretraining"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_used_is_said_in_one_line_and_nothing_written(
    changes: dict[str, str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_text(Path("long.txt"))
    Path("short.txt").write_text("Too little. By far.\n")
    write_images(Path("images"), count=2)
    Path("taken").mkdir()
    Path("taken/note.txt").write_text("mine")
    asked = {"--objective": "next_token", "--data": "long.txt", "--preset": "tiny", "--steps": "2"}
    asked |= {"--vocabulary": "400", "--out": "new"} | changes
    words = ["pretrain", *(word for pair in asked.items() for word in pair)]
    assert harness.cli.main(words) == 2
    printed = capsys.readouterr()
    assert complaint in printed.err
    assert printed.err.count("\n") == 1
    assert not printed.out
    assert not Path("new").exists()
    assert [file.name for file in Path("taken").iterdir()] == ["note.txt"]
