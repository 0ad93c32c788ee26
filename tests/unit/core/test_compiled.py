"""Compiled functions work wherever the package lies, and are compiled once where anything can be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from munmaek.core.compiled import compiled

CODE = """
import sys
sys.path.insert(0, {folder!r})
from numba.core.caching import _CacheLocator, CacheImpl
if {nowhere}:
    CacheImpl._locator_classes = []
import thing
print(thing.twice(21), sum(thing.twice.stats.cache_hits.values()))
"""


@pytest.mark.parametrize("nowhere", [False, True], ids=["a cache folder", "no folder that can be written"])
def test_it_runs_and_is_compiled_once(tmp_path: Path, nowhere: bool) -> None:
    (tmp_path / "thing.py").write_text(
        "from munmaek.core.compiled import compiled\n\n@compiled\ndef twice(x):\n    return 2 * x\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    told = []
    for _ in range(2):
        code = CODE.format(folder=str(tmp_path), nowhere=nowhere)
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        told.append(done.stdout.split())
    assert told == [["42", "0"], ["42", "0" if nowhere else "1"]]


def test_options_reach_the_compiler() -> None:
    @compiled(error_model="numpy")
    def share(one, other):
        return one / other

    assert np.isinf(share(1.0, 0.0))
