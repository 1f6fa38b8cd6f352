from __future__ import annotations

import json
import subprocess
import sys

import pytest

from harness.cli import main


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    commands = [
        "run",
        "profile",
        "predict",
        "report",
        "models",
        "data",
        "matrix",
        "study",
        "pretrain",
        "evidence",
    ]
    for command in commands:
        assert f"\n  {command} " in printed


def test_data_lists_what_is_packaged(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"bbc-news", "textile"} <= {one["name"] for one in listed}
    assert main(["data"]) == 0
    assert "bbc-news: " in capsys.readouterr().out


def test_models_lists_what_is_packaged(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert len(listed) >= 3
    assert main(["models"]) == 0
    assert listed[0]["name"] in capsys.readouterr().out


def test_unknown_commands_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rum"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("missing", ["click", "torch", "optuna"])
def test_without_the_extra_one_line_names_it(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from harness.cli import main\n"
        "sys.exit(main(['run', '--model', 'minilm', '--data', 'bbc-news']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "adaptation-advisor[harness]" in done.stderr
    assert done.stdout == ""


def test_facts_of_one_model_need_neither_weights_nor_network(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models", "timm:vit_tiny_patch16_224", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["family"], facts["layers"], facts["width"]) == ("vit", 12, 192)
    assert main(["models", "minilm"]) == 0
    assert "family: encoder" in capsys.readouterr().out
    assert main(["models", "timm:vit_tinny"]) == 2
    assert "Did you mean" in capsys.readouterr().err
