from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from munmaek.core.errors import CheckpointError, FormatError
from munmaek.formats import npy


@pytest.mark.parametrize(
    "array", [np.arange(12.0).reshape(3, 4), np.zeros(0, np.float32), np.asfortranarray(np.arange(6).reshape(2, 3))]
)
def test_what_numpy_writes_is_read(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    found = npy.read(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


def header(shape: str, dtype: str = "<f4") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\x93NUMPY", b"PK" * 40, header("(1000000000000,)") + b"0" * 8, header("(2,)") + b"0" * 9,
        header("(2,") + b"0" * 8, header("(-1,)"), header(f"(0, {10**30})"), header("(1,)", "|O") + pickle.dumps([1]),
        header("(1,)", "<U1") + b"0" * 4,
    ],
)  # fmt: skip
def test_files_that_lie_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.npy"):
        npy.read(tmp_path / "a.npy")


def test_any_cut_is_found(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(10, dtype=np.float32))
    whole = buffer.getvalue()
    for length in range(0, len(whole), 7):
        (tmp_path / "a.npy").write_bytes(whole[:length])
        with pytest.raises(FormatError):
            npy.read(tmp_path / "a.npy")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="missing"):
        npy.read(tmp_path / "none.npy")
