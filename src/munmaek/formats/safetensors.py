"""Safetensors files and sharded folders of them: tensors by name, nothing else, every number checked before use.

The format: 8 bytes with the header's length N (little-endian), N bytes of JSON (name -> dtype, shape, data_offsets),
then the data. Source: the format's specification in huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from munmaek.core.errors import CheckpointError, FormatError
from munmaek.core.files import no_room, read_json

MOST_HEADER = 100_000_000
MOST_DIMENSIONS = 16
_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items() if name != "BF16"}


def read(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a file; float16 and bfloat16 become float32.

    Raises:
        FormatError: the file is cut short, or its header lies about sizes, types or places; `offset` says where.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size < 8:
                raise FormatError(f"{size} bytes are too few for a safetensors file", where=str(path), offset=size)
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise CheckpointError("the file is missing", where=str(path), fix="Copy the whole folder again.") from None
    header, begin = _header(path, data, size)
    _check_places(path, header, begin, size)
    return {name: _tensor(data, begin, entry) for name, entry in header.items()}


def _header(path: Path, data: mmap.mmap, size: int) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(data[:8], "little")
    if length > min(MOST_HEADER, size - 8):
        raise FormatError(
            f"the header is said to have {length:,} bytes and the file has {size:,}",
            where=str(path), fix="The file is damaged or of another kind; copy it again.", offset=0,
        )  # fmt: skip
    try:
        header = json.loads(data[8 : 8 + length].decode("utf-8"), object_pairs_hook=_no_twins)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise FormatError(f"the header is not valid JSON: {error}", where=str(path), offset=8) from error
    if not isinstance(header, dict):
        raise FormatError("the header is not a JSON object", where=str(path), offset=8)
    entries = cast("dict[str, Any]", header)
    entries.pop("__metadata__", None)
    return entries, 8 + length


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name occurs twice")
    return dict(pairs)


def _check_places(path: Path, header: dict[str, Any], begin: int, size: int) -> None:
    """Every tensor's bytes must be as many as its shape needs, follow one another without a gap, and fill the file."""
    places: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        try:
            (start, stop), shape, kind = entry["data_offsets"], entry["shape"], entry["dtype"]
            numbers = [start, stop, *shape]
            sound = all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= size for n in numbers)
            expected = math.prod(shape) * np.dtype(_TYPES[kind]).itemsize if sound else -1
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(
                f"the entry of {name!r} is not understood: {error!r}", where=str(path), offset=8
            ) from error
        if not sound or len(shape) > MOST_DIMENSIONS or stop - start != expected:
            raise FormatError(
                f"{name!r} of shape {shape} and type {kind} cannot lie at bytes {start} to {stop}",
                where=str(path), offset=8,
            )  # fmt: skip
        places.append((start, stop, name))
    end = 0
    for start, stop, name in sorted(places):
        if start != end:
            raise FormatError(f"{name!r} begins at byte {start} of the data, expected {end}", where=str(path), offset=8)
        end = stop
    if begin + end != size:
        raise FormatError(
            f"the tensors end at byte {begin + end:,} and the file at {size:,}",
            where=str(path), fix="The file was cut short or appended to; copy it again.", offset=min(begin + end, size),
        )  # fmt: skip


def _tensor(data: mmap.mmap, begin: int, entry: dict[str, Any]) -> NDArray[Any]:
    start = entry["data_offsets"][0]
    kind = np.dtype(_TYPES[entry["dtype"]])
    values = np.frombuffer(data, kind, math.prod(entry["shape"]), begin + start).reshape(entry["shape"])
    if entry["dtype"] == "BF16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32) if entry["dtype"] == "F16" else values


def read_folder(folder: Path, name: str = "model") -> dict[str, NDArray[Any]] | None:
    """The tensors of `model.safetensors`, or of the parts that `model.safetensors.index.json` lists; None for neither.

    Raises:
        FormatError: a damaged file; a part outside the folder; a tensor that no part, or another part, holds.
        CheckpointError: a part is missing.
    """
    single, index = folder / f"{name}.safetensors", folder / f"{name}.safetensors.index.json"
    if single.is_file():
        return read(single)
    if not index.is_file():
        return None
    weight_map = read_json(index)
    weight_map = cast("dict[str, Any]", weight_map).get("weight_map") if isinstance(weight_map, dict) else None
    if not isinstance(weight_map, dict):
        raise FormatError("the index has no weight_map", where=str(index), fix="Copy the whole folder again.")
    tensors: dict[str, NDArray[Any]] = {}
    for part in sorted({str(value) for value in cast("dict[str, Any]", weight_map).values()}):
        if Path(part).name != part or part in (".", ".."):
            raise FormatError(f"the index names a file outside the folder: {part!r}", where=str(index))
        tensors |= read(folder / part)
    missing = sorted(set(cast("dict[str, Any]", weight_map)) - set(tensors))
    if missing:
        raise FormatError(f"no part holds {missing[0]!r} ({len(missing)} missing)", where=str(index))
    return tensors


def write(path: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors in the order given; the data begins at a multiple of 8 bytes.

    Raises:
        FormatError: a type that the format does not know. JobError: no room.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    place = 0
    for name, tensor in tensors.items():
        kind = _NAMES.get(tensor.dtype.newbyteorder("<"))
        if kind is None:
            raise FormatError(f"{name!r} has the type {tensor.dtype}, which safetensors does not hold", where=str(path))
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [place, place + tensor.nbytes]}
        place += tensor.nbytes
    encoded = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    encoded += b" " * (-len(encoded) % 8)
    try:
        with path.open("wb") as file:
            file.write(len(encoded).to_bytes(8, "little") + encoded)
            for tensor in tensors.values():
                file.write(np.ascontiguousarray(tensor, dtype=tensor.dtype.newbyteorder("<")).tobytes())
    except OSError as error:
        raise no_room(path, error) from error
