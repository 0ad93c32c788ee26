"""embed: one vector a text, to a .npy or .parquet file, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from munmaek.core import files
from munmaek.core.errors import RequestError
from munmaek.run.model import Model, load

CHUNK = 4096
"""Texts embedded together; lengths are sorted within them."""


@dataclass(frozen=True)
class EmbedResult:
    """Where the vectors are: `num_texts` rows of `dim` float32 numbers."""

    path: Path
    num_texts: int
    dim: int


def embed(
    model: Model | str | Path,
    texts: Iterable[str],
    out: str | Path,
    *,
    pooling: str = "mean",
    normalise: bool = False,
    progress: Callable[[int], None] | None = None,
) -> EmbedResult:
    """Write one vector a text to `out` (.npy: the array; .parquet: columns text and vector), whole or not at all.

    Args:
        progress: called with the number of texts done.
    Raises:
        RequestError: another suffix, an unknown pooling, or no text.
    """
    model = model if isinstance(model, Model) else load(model, precision="auto")
    out = Path(out)
    writers = {".npy": _npy, ".parquet": _parquet}
    if out.suffix not in writers:
        raise RequestError("vectors are written as .npy or .parquet", where=f"--out {out}", fix="Change the suffix.")
    done = 0
    with writers[out.suffix](out, model.dim) as write:
        for chunk in _chunks(texts):
            write(chunk, model.embed(chunk, pooling, normalise=normalise))
            done += len(chunk)
            if progress:
                progress(done)
        if not done:
            raise RequestError("there is no text to embed", fix="Give texts as arguments, --file, or standard input.")
    return EmbedResult(out, done, model.dim)


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for text in texts:
        chunk.append(text)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@contextmanager
def _aside(out: Path) -> Iterator[Path]:
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        files.sync(temporary)
        os.replace(temporary, out)
    except OSError as error:
        raise files.no_room(out, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _npy(out: Path, dim: int) -> Iterator[Callable[[Sequence[str], NDArray[np.float32]], None]]:
    """The header is written twice: NumPy leaves room in it for the number of rows to grow."""
    rows = 0
    header: dict[str, Any] = {"descr": "<f4", "fortran_order": False}
    with _aside(out) as temporary, temporary.open("w+b") as file:

        def write(_: Sequence[str], vectors: NDArray[np.float32]) -> None:
            nonlocal rows
            file.write(np.ascontiguousarray(vectors, dtype="<f4").tobytes())
            rows += len(vectors)

        npy.write_array_header_1_0(file, {**header, "shape": (0, dim)})
        start = file.tell()
        yield write
        file.seek(0)
        npy.write_array_header_1_0(file, {**header, "shape": (rows, dim)})
        assert file.tell() == start, "the .npy header grew"


@contextmanager
def _parquet(out: Path, dim: int) -> Iterator[Callable[[Sequence[str], NDArray[np.float32]], None]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise RequestError("parquet needs pyarrow", where=str(out), fix="pip install 'munmaek[parquet]'") from None
    schema = pa.schema([("text", pa.string()), ("vector", pa.list_(pa.float32(), dim))])
    with _aside(out) as temporary, pq.ParquetWriter(temporary, schema) as file:

        def write(texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
            column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim)
            file.write_table(pa.table([pa.array(list(texts), pa.string()), column], schema=schema))

        yield write
