"""The wheel carries everything it needs and works outside the checkout."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
UV = shutil.which("uv")

pytestmark = pytest.mark.skipif(UV is None, reason="uv is not on PATH; the wheel is built with it")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [UV, "build", "--wheel", "--out-dir", out, ROOT], check=True, capture_output=True
    )
    (found,) = out.glob("*.whl")
    return found


def test_package_data_travels_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in ("advisor", "harness"):
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".tmp":
                assert str(path.relative_to(ROOT)) in names
    for path in (ROOT / "data").rglob("*"):
        if path.is_file():
            assert f"harness/shipped_data/{path.relative_to(ROOT / 'data')}" in names


def test_advise_works_from_the_wheel_with_the_base_install_only(
    wheel: Path, tmp_path: Path
) -> None:
    venv = tmp_path / "venv"
    subprocess.run([UV, "venv", "-q", venv], check=True, capture_output=True)
    subprocess.run(
        [UV, "pip", "install", "-q", "--python", venv / "bin/python", wheel],
        check=True,
        capture_output=True,
    )
    done = subprocess.run(
        [venv / "bin/advise", "--params", "175B", "--examples", "100k"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "soft prompting" in done.stdout

    # Without its extra, harness says in one line what to install.
    done = subprocess.run(
        [venv / "bin/harness", "models"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "adaptation-advisor[harness]" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
