"""Functions compiled by numba: without the interpreter's lock, and kept on disk where any folder can be written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Any:
    """The function as machine code, compiled at its first call.

    The code is kept in NUMBA_CACHE_DIR, else beside the source, else in the user's cache folder; where none of these
    can be written, every process compiles anew.
    """
    with suppress(RuntimeError):  # numba's word for "no folder to keep it in"
        return njit(nogil=True, cache=True)(function)
    return njit(nogil=True)(function)
