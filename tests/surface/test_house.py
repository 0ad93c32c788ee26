"""The rules of the house that no linter knows: lengths, names, docstrings, layers, the register, declared packages."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from munmaek import systems

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "munmaek"
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = CONFIGURATION["project"]
SOURCES = sorted(PACKAGE.rglob("*.py"))
EVERYTHING = [path for room in ("src", "tests", "benchmarks") for path in sorted((ROOT / room).rglob("*.py"))]
SHAPELESS = {"utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "misc"}
# what a distribution is imported as, where the names differ
IMPORTED_AS = {"fonttools": "fontTools", "scikit-learn": "sklearn", "koreanize-matplotlib": "koreanize_matplotlib",
               "nvidia-ml-py": "pynvml"}  # fmt: skip


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", EVERYTHING, ids=relative)
def test_a_file_has_at_most_400_lines(path: Path) -> None:
    assert len(path.read_text("utf-8").split("\n")) - 1 <= 400


def test_no_name_without_meaning() -> None:
    named = [relative(path) for path in EVERYTHING if {path.stem, *path.relative_to(ROOT).parts[:-1]} & SHAPELESS]
    assert named == []


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_every_file_and_folder_says_what_it_is(path: Path) -> None:
    assert (path.parent / "__init__.py").is_file()
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    assert len(text.split("\n")[0]) >= 15


def test_the_register_is_the_folders() -> None:
    folders = {path.parent.name for path in (PACKAGE / "systems").glob("*/__init__.py")}
    assert set(systems.NAMES) == folders
    assert len(systems.NAMES) == len(folders)


@pytest.mark.parametrize("name", systems.NAMES)
def test_a_card_is_complete(name: str) -> None:
    card = systems.load(name)
    assert card.name == name
    assert card.title
    assert card.paper
    assert list(card.presets)[:2] == ["tiny", "mini"]
    assert set(card.recipes) == set(card.presets)
    assert (PACKAGE / "systems" / name / "README.md").is_file()


# ---- layers ---------------------------------------------------------------------------------------------------------


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-cache",
    ]
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def test_the_layers_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


BREACHES = {
    "an unplanned room": ("cellar.py", '"""A room nobody planned."""\n', "unplanned"),
    "torch in core": ("core/runtime.py", "\n\ndef late() -> None:\n    import torch\n", "never import torch"),
    "torch in data": ("data/korean.py", "\nimport torch\n", "never import torch"),
    "run imports a system": ("run/prepare.py", "\nfrom munmaek.systems import bert\n", "Only munmaek.systems"),
    "train imports run": ("train/optim.py", "\nfrom munmaek.run import pretrain\n", "Rooms are layers"),
    "tasks and train meet": ("tasks/scores.py", "\nfrom munmaek.train import optim\n", "Rooms are layers"),
    "model imports objective": (
        "systems/bert/model.py",
        "\nfrom munmaek.systems.bert import objective\n",
        "Inside a system",
    ),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", root)
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return root


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_found(copy: Path, breach: str) -> None:
    name, text, expected = BREACHES[breach]
    path = copy / "src" / "munmaek" / name
    before = path.read_text("utf-8") if path.exists() else None
    path.write_text((before or "") + text, "utf-8")
    try:
        done = lint(copy)
    finally:
        path.unlink() if before is None else path.write_text(before, "utf-8")
    assert done.returncode != 0
    broken = [line for line in done.stdout.split("\n") if line.endswith("BROKEN")]
    assert any(expected in line for line in broken), done.stdout


# ---- packages -------------------------------------------------------------------------------------------------------


def requirements(lines: list[str]) -> set[str]:
    names = {re.split(r"[^\w.-]", line)[0].lower() for line in lines}
    return {IMPORTED_AS.get(name, name) for name in names if name != "munmaek"}


def imports(path: Path) -> set[str]:
    """Top-level names of what a file imports, those only for type checkers left out."""
    found: set[str] = set()
    tree = ast.parse(path.read_text("utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in (node for node in ast.walk(tree) if id(node) not in skipped):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Call) and "import_module" in ast.dump(node.func):
            found |= {str(word.value).split(".")[0] for word in node.args if isinstance(word, ast.Constant)}
    return found - set(sys.stdlib_module_names) - {"munmaek", "__future__"}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    core = requirements(PROJECT["dependencies"])
    extras = {name: requirements(lines) for name, lines in PROJECT["optional-dependencies"].items()}
    optional = set[str]().union(*(extras[name] for name in extras if name not in ("dev", "all", "parity", "kenlm")))
    used = set[str]().union(*(imports(path) for path in SOURCES))
    assert used - core - optional == set(), "imported, not declared"
    assert core - used == set(), "declared, not imported"
    # torch imports tensorboard for us, and of koreanize-matplotlib only the font is taken
    assert optional - used == {"tensorboard", "koreanize_matplotlib"}, "an extra that nothing imports"


def test_every_file_that_is_not_code_is_packaged() -> None:
    patterns = CONFIGURATION["tool"]["setuptools"]["package-data"]["munmaek"]
    packaged = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    others = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".py"}
    others = {path for path in others if path.parent.name != "__pycache__"}
    assert {relative(path) for path in others - packaged} == set()


def test_every_declared_package_is_pinned_at_the_version_tested() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").split("\n")
    pins = dict(line.lower().split("==") for line in lines if "==" in line)
    declared = {
        re.split(r"[^\w.-]", line)[0].lower()
        for lines in [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
        for line in lines
    } - {"munmaek"}
    assert declared - set(pins) == set()
    pins.pop("nvidia-ml-py")  # Python alone; the others are gigabytes
    assert not any("nvidia" in name or "cuda" in name or name == "triton" for name in pins)
    assert pins["torch"] == "2.13.0"


def test_the_version_is_one() -> None:
    import munmaek

    assert munmaek.__version__ == PROJECT["version"]
    assert re.search(rf"^## {re.escape(munmaek.__version__)}\b", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert metadata.version("munmaek") == PROJECT["version"]
