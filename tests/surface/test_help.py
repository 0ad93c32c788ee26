"""The help of every verb as it was last looked at, and what asking for it may cost.

After a change that was meant: python tests/surface/test_help.py
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SNAPSHOTS = Path(__file__).with_name("help")
VERBS = (
    "tour", "doctor", "prepare", "pretrain", "finetune", "evaluate", "compare",
    "report", "predict", "fill", "generate", "embed", "similar", "nearest", "analogy", "fetch", "import", "export",
)  # fmt: skip


def help_of(verb: str | None) -> str:
    """What `munmaek [VERB] --help` prints on a terminal of 100 columns, in English."""
    from munmaek.cli import main

    os.environ["COLUMNS"] = "100"
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        assert main([*([verb] if verb else []), "--help"]) == 0
    return text.getvalue()


@pytest.mark.parametrize("verb", [None, *VERBS], ids=lambda verb: verb or "munmaek")
def test_help_is_as_last_looked_at(verb: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert help_of(verb) == (SNAPSHOTS / f"{verb or 'munmaek'}.txt").read_text("utf-8")


def test_there_is_a_snapshot_for_every_verb_and_no_other() -> None:
    from munmaek.cli import app

    assert tuple(row[0] for row in app.VERBS) == VERBS
    assert {path.stem for path in SNAPSHOTS.glob("*.txt")} == {"munmaek", *VERBS}


def run(code: str, **environment: str) -> str:
    environment = {**os.environ, "MUNMAEK_LANG": "en", **environment}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_help_imports_nothing_heavy() -> None:
    code = "import json, sys; from munmaek.cli import main; main(['--help']); print('\\n', json.dumps([*sys.modules]))"
    modules = {name.split(".")[0] for name in json.loads(run(code).strip().split("\n")[-1])}
    assert "typer" in modules
    assert modules & {"torch", "transformers", "numpy", "tokenizers", "matplotlib", "pyarrow"} == set()


def test_help_speaks_korean() -> None:
    code = "from munmaek.cli import main; main(['pretrain', '--help'])"
    assert "사전 학습합니다" in run(code, MUNMAEK_LANG="ko")
    assert "사전 학습합니다" in run(code, MUNMAEK_LANG="", LC_ALL="", LC_MESSAGES="", LANG="ko_KR.UTF-8")
    assert "사전 학습합니다" not in run(code, MUNMAEK_LANG="en", LANG="ko_KR.UTF-8")


if __name__ == "__main__":
    os.environ["MUNMAEK_LANG"] = "en"
    SNAPSHOTS.mkdir(exist_ok=True)
    for name in (None, *VERBS):
        (SNAPSHOTS / f"{name or 'munmaek'}.txt").write_text(help_of(name), "utf-8")
