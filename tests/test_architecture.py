"""The import rule and the size of the rooms, read from the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {
    "torch",
    "torchvision",
    "transformers",
    "timm",
    "optuna",
    "sklearn",
    "pandas",
    "scipy",
    "peft",
}
LAZY_IN_ADVISOR = {"numpy": {"many.py"}, "jinja2": {"explain_html.py"}}
AXES = ("strategies", "backbones", "tasks", "datasets")


def _imports(path: Path) -> list[tuple[str, bool]]:
    """Every imported module of a file, and whether it is imported at the top level."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.append((node.module, id(node) in top))
            found += [(f"{node.module}.{alias.name}", id(node) in top) for alias in node.names]
    return found


def _files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", _files("advisor"), ids=lambda p: str(p.relative_to(ROOT)))
def test_advisor_imports_nothing_heavy_and_never_the_harness(path: Path) -> None:
    for module, _ in _imports(path):
        root = module.partition(".")[0]
        assert root != "harness", f"{path} imports {module}"
        assert root not in HEAVY, f"{path} imports {module}"
        if root in LAZY_IN_ADVISOR:
            assert path.name in LAZY_IN_ADVISOR[root], f"{path} imports {module}"


@pytest.mark.parametrize("axis", AXES)
def test_siblings_of_one_axis_know_their_base_and_leaves_but_not_each_other(axis: str) -> None:
    from harness import catalog

    registries = {
        "strategies": catalog.STRATEGIES,
        "backbones": catalog.BACKBONES,
        "tasks": catalog.TASKS,
        "datasets": catalog.DATASETS,
    }
    registered = {entry.partition(":")[0] for entry in registries[axis].targets()}
    for path in _files(f"harness/{axis}"):
        own = f"harness.{axis}.{path.stem}"
        for module, _ in _imports(path):
            assert module not in registered - {own}, f"{path} imports its sibling {module}"
            # the loader is what picks a source; the sources themselves know nothing of each other
            assert module != "harness.catalog" or path.name == "load.py", (
                f"{path} reads the catalogue"
            )


def test_only_runner_and_command_line_read_the_catalogue() -> None:
    allowed = {
        "catalog.py",
        "runner.py",
        "plan.py",
        "winner.py",
        "models.py",
        "load.py",
        "question.py",
        "matrix.py",
    }
    for path in _files("harness"):
        if path.parent.name == "cli" or path.name in allowed:
            continue
        assert "harness.catalog" not in {module for module, _ in _imports(path)}, path


def test_no_room_is_too_large_and_none_is_a_junk_drawer() -> None:
    for path in _files("advisor") + _files("harness"):
        assert path.stem not in {"utils", "helpers", "common"}, path
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


def test_nothing_is_unpickled() -> None:
    for path in _files("advisor") + _files("harness"):
        source = path.read_text(encoding="utf-8")
        roots = {module.partition(".")[0] for module, _ in _imports(path)}
        assert not roots & {"pickle", "joblib", "dill", "shelve"}, path
        assert "allow_pickle=True" not in source, path
        assert "weights_only=False" not in source, path


@pytest.mark.parametrize(
    ("command", "forbidden"),
    [
        ("import advisor.cli; advisor.cli.main(['--params', '175B', '--examples', '100k'])", HEAVY | {"numpy", "yaml", "jinja2"}),
        ("import harness.cli; harness.cli.main(['--help'], standalone_mode=False)", {"torch", "transformers", "sklearn", "pandas"}),
    ],
    ids=["advise", "harness --help"],
)  # fmt: skip
def test_commands_start_without_heavy_imports(command: str, forbidden: set[str]) -> None:
    code = f"{command}\nimport sys; print('LOADED', sorted(set(sys.modules) & {forbidden!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.rstrip().endswith("LOADED []"), done.stdout[-300:] + done.stderr[-300:]
