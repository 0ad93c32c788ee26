"""HDF5 files as arrays by name, and nothing else: no links out of the file, no virtual or compressed data.

Every size is checked against the bytes that are there before anything is allocated. Needs h5py (`munmaek[elmo]`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from munmaek.core.errors import CheckpointError, FormatError, RequestError
from munmaek.core.files import no_room, sync

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MOST_OBJECTS, MOST_DEPTH, MOST_DIMENSIONS = 10_000, 16, 16
_FIX = "Copy the file again, or write it anew as plain uncompressed arrays."


def _library() -> Any:
    try:
        import h5py
    except ImportError:
        raise RequestError("h5py is not installed", where="HDF5", fix="pip install 'munmaek[elmo]'") from None
    return h5py


def read(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file by their path in it ("CNN/W_cnn_0"); float64 and float16 become float32.

    Raises:
        FormatError: no HDF5 file, a damaged one, or one that holds links out of it, virtual, external or compressed
            data, other types than numbers, or arrays larger than the file.
        CheckpointError: the file is missing. RequestError: h5py is not installed.
    """
    path, library = Path(path), _library()
    try:
        with path.open("rb") as file:
            if file.read(8) != SIGNATURE:
                raise FormatError("not an HDF5 file", where=str(path), fix=_FIX, offset=0)
    except FileNotFoundError:
        raise CheckpointError("the file is missing", where=str(path), fix="Copy the whole folder again.") from None
    found: dict[str, NDArray[Any]] = {}
    try:
        with library.File(path, "r") as file:
            _collect(library, file, "", path, found, {"objects": 0, "left": path.stat().st_size})
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"cannot be read: {error}", where=str(path), fix=_FIX) from error
    return found


def _collect(
    library: Any, group: Any, prefix: str, path: Path, found: dict[str, NDArray[Any]], room: dict[str, int]
) -> None:
    if prefix.count("/") > MOST_DEPTH:
        raise FormatError(f"groups lie deeper than {MOST_DEPTH}", where=str(path), fix=_FIX)
    for name in group:
        room["objects"] += 1
        if room["objects"] > MOST_OBJECTS:
            raise FormatError(f"more than {MOST_OBJECTS:,} objects", where=str(path), fix=_FIX)
        full = prefix + name
        if not isinstance(group.get(name, getlink=True), library.HardLink):
            raise FormatError(f"{full!r} is a link to another place or file", where=str(path), fix=_FIX)
        item = group[name]
        if isinstance(item, library.Group):
            _collect(library, item, f"{full}/", path, found, room)
        elif isinstance(item, library.Dataset):
            found[full] = _array(item, full, path, room)
        else:
            raise FormatError(f"{full!r} is neither a group nor an array", where=str(path), fix=_FIX)


def _array(item: Any, name: str, path: Path, room: dict[str, int]) -> NDArray[Any]:
    shape, kind = item.shape, item.dtype
    reason = ""
    if item.is_virtual or item.external or item.id.get_create_plist().get_nfilters():
        reason = "is virtual, compressed or kept in another file"
    elif kind.kind not in "fiu" or kind.names is not None or kind.subdtype is not None:
        reason = f"has the type {kind}, not numbers"
    elif shape is None or len(shape) > MOST_DIMENSIONS:
        reason = f"has the shape {shape}"
    else:
        size = math.prod(int(side) for side in shape) * kind.itemsize
        room["left"] -= size
        if room["left"] < 0 or size > item.id.get_storage_size():
            reason = f"of shape {shape} is said to have {size:,} bytes, which the file has not"
    if reason:
        raise FormatError(f"{name!r} {reason}", where=str(path), fix=_FIX)
    values = np.asarray(item[()])
    return values.astype(np.float32) if kind.kind == "f" else values


def write(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays under their paths, uncompressed, whole or not at all; the same arrays give the same bytes.

    Raises:
        JobError: no room. RequestError: h5py is not installed.
    """
    library = _library()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with library.File(temporary, "w") as file:
            for name, value in arrays.items():
                file.create_dataset(name, data=value, track_times=False)
        sync(temporary)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise no_room(path, error) from error
