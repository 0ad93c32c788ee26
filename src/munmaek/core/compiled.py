"""Functions compiled by numba: without the interpreter's lock, and kept on disk where any folder can be written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """The function as machine code, compiled at its first call; `options` are numba's (fastmath, error_model).

    The code is kept in NUMBA_CACHE_DIR, else beside the source, else in the user's cache folder; where none of these
    can be written, every process compiles anew.
    """
    if function is None:
        return partial(compiled, **options)
    with suppress(RuntimeError):  # numba's word for "no folder to keep it in"
        return njit(nogil=True, cache=True, **options)(function)
    return njit(nogil=True, **options)(function)
