"""`harness profile` end to end on tiny models; `advise` reads what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from timm.models import save_for_hf

import advisor.cli
from advisor import Situation
from harness.backbones.base import ModelFacts
from harness.cli import main
from harness.datasets.packaged import PACKAGED
from harness.profile import reference
from harness.profile.describe import Profile
from harness.profile.inputs import Inputs
from harness.profile.measurement import not_measured
from harness.profile.situation_file import HEADER, as_yaml, situation_of
from harness.profile.table import as_text
from tests.harness.tiny_models import save_images, save_tiny_encoder, tiny_convnet

needs_reference = pytest.mark.skipif(
    PACKAGED[reference.NAME].location() is None, reason="extra 'datasets' is not installed"
)


@pytest.fixture
def net(tmp_path: Path, empty_cache: Path) -> Path:
    folder = tmp_path / "net"
    save_for_hf(tiny_convnet().model, str(folder), safe_serialization=True)
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("red", "blue"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
    for index, file in enumerate(save_images(tmp_path, 24)):
        file.rename(tmp_path / "pictures" / ("red", "blue")[index % 2] / file.name)
    return tmp_path / "pictures"


def advised(file: Path, capsys: pytest.CaptureFixture[str]) -> dict:
    assert advisor.cli.main(["--spec", str(file), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def test_images_with_classes(
    net: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.yaml"
    assert main(["profile", "--model", str(net), "--data", str(pictures), "--out", str(file)]) == 0
    printed = capsys.readouterr().out
    for word in ("model", "classes", "imbalance", "pixels", "shift", "separability", "LogME"):
        assert word in printed
    situation = advised(file, capsys)["situation"]
    written = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert written["examples"] == 20  # of 24; a fifth of each class is held out to test on
    assert written["label_names"] == ["blue", "red"]
    assert situation["shift"] == written["shift"]
    assert situation["family"] == "convnet"


def test_json_has_measured_shift_and_separability_apart(
    net: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["profile", "--model", str(net), "--data", str(pictures), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["shift"]["kind"] == "measured"
    assert found["shift"]["statistic"] == "variance_profile"
    assert found["shift"]["shift"] == found["situation"]["shift"]
    assert set(found["separability"]) == {"neighbours", "majority", "logme", "rows"}
    assert not Path("situation.yaml").exists()
    assert Situation.from_mapping(found["situation"]).classes == 2


@needs_reference
def test_unlabelled_texts_go_straight_to_advise(
    tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_tiny_encoder("bert", tmp_path / "bert")
    texts = tmp_path / "t.txt"
    texts.write_text("the film was good\na dull zebra story\nnot at all\n", encoding="utf-8")
    assert main(["profile", "--model", str(model), "--data", str(texts), "--out", "-"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(HEADER)
    file = tmp_path / "s.yaml"
    file.write_text(printed, encoding="utf-8")
    situation = advised(file, capsys)["situation"]
    assert (situation["examples"], situation["unlabeled"]) == (0, 3)
    assert "classes" not in yaml.safe_load(printed)
    assert "separability" not in printed


def test_another_file_is_never_replaced_and_its_own_is(
    net: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("mine\n", encoding="utf-8")
    words = ["profile", "--model", str(net), "--data", str(pictures), "--out"]
    assert main([*words, str(other)]) == 2
    error = capsys.readouterr().err
    assert "is another file" in error
    assert error.count("\n") == 1
    assert other.read_text(encoding="utf-8") == "mine\n"
    assert main([*words, str(tmp_path / "s.yaml")]) == 0
    assert main([*words, str(tmp_path / "s.yaml")]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rows", "1"], "rows must be at least 2"),
        (["--label-column", "x", "--data", "nowhere.csv"], "no such file"),
        (["--data", "bbc-news"], "reads images"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], message: str, net: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["profile", "--model", str(net), "--data", str(pictures), *words]
    assert main(given) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_names_cannot_break_out_of_the_comments() -> None:
    facts = ModelFacts("m\nshift: 0.9", "vit", 1000, 2, 8, "image", image_size=32)
    data = Inputs("d\nclasses: 7", "image", None, (Path("a"), Path("b")))
    found = Profile(facts, data, {}, None, None, not_measured("nothing to\nmeasure"), None)
    assert yaml.safe_load(as_yaml(found)) == situation_of(found).to_dict()
    assert "shift" not in situation_of(found).to_dict()
    assert "not measured" in as_text(found)
