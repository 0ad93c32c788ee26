"""NumPy's .npy files: one array of numbers, its size checked against the file before any memory is taken."""

from __future__ import annotations

import math
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from munmaek.core.errors import CheckpointError, FormatError


def read(path: Path) -> NDArray[Any]:
    """The array of a file.

    Raises:
        CheckpointError: the file is missing.
        FormatError: not a .npy file, one of Python objects, or one whose bytes are not as many as its shape needs.
    """
    try:
        with path.open("rb") as file:
            try:
                version = npy.read_magic(file)
                reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, fortran, dtype = reader(file)
            except (ValueError, SyntaxError, TokenError, RecursionError, MemoryError) as error:
                first = str(error).split("\n")[0]
                raise FormatError(f"not a .npy file: {first}", where=str(path), offset=0) from error
            begin, size = file.tell(), path.stat().st_size
            if dtype.hasobject or dtype.kind not in "biuf":
                raise FormatError(f"holds {dtype}, expected numbers", where=str(path), offset=begin)
            if max(shape, default=0) > size or math.prod(shape) * dtype.itemsize != size - begin:
                raise FormatError(
                    f"an array of shape {shape} and type {dtype} does not fill {size - begin:,} bytes",
                    where=str(path), fix="The file was cut short or appended to; copy it again.", offset=size,
                )  # fmt: skip
            flat = np.fromfile(file, dtype, math.prod(shape))
    except FileNotFoundError:
        raise CheckpointError("the file is missing", where=str(path), fix="Copy the whole folder again.") from None
    return flat.reshape(shape, order="F" if fortran else "C")
