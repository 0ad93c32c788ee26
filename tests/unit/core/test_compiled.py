from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from munmaek.core.compiled import compiled

CODE = """
import numba, sys
sys.path.insert(0, {folder!r})
from munmaek.core import compiled
import numba.core.caching as caching
if {broken}:
    def nowhere(*_):
        raise RuntimeError("cannot cache: no locator available")
    caching.CacheImpl.__init__ = nowhere
import loop
print(loop.add(3))
"""
LOOP = """from munmaek.core.compiled import compiled


@compiled
def add(num):
    total = 0
    for step in range(num):
        total += step
    return total


@compiled(fastmath=True, error_model="numpy")
def share(one, other):
    return one / other
"""


def test_options_reach_the_compiler() -> None:
    @compiled(error_model="numpy")
    def share(one, other):
        return one / other

    assert np.isinf(share(1.0, 0.0))


def test_a_function_is_compiled_whether_or_not_it_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(LOOP, "utf-8")
    for broken in (True, False):
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}
        code = CODE.format(folder=str(tmp_path), broken=broken)
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        assert done.stdout == "3\n", done.stderr
        assert bool(list(tmp_path.rglob("kept/**/*.nbi"))) is not broken
