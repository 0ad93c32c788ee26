"""HDF5 as arrays by name: what is written is read; links, virtual, compressed and lying files are refused."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from munmaek.core.errors import CheckpointError, FormatError
from munmaek.formats import hdf5

h5py = pytest.importorskip("h5py")


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"a": rng.normal(size=(3, 4)).astype(np.float32), "deep/er/b": np.arange(5), "none": np.zeros((0, 2))}


def test_what_is_written_is_read_and_the_bytes_are_the_same_each_time(tmp_path: Path, arrays) -> None:
    hdf5.write(tmp_path / "one.hdf5", arrays)
    hdf5.write(tmp_path / "two.hdf5", arrays)
    found = hdf5.read(tmp_path / "one.hdf5")
    assert set(found) == set(arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(found[name], value)
    assert (tmp_path / "one.hdf5").read_bytes() == (tmp_path / "two.hdf5").read_bytes()


def other(path: Path) -> Path:
    with h5py.File(path.with_name("other.hdf5"), "w") as file:
        file["secret"] = np.arange(4.0)
    return path.with_name("other.hdf5")


def external_link(file, path: Path) -> None:
    file["x"] = h5py.ExternalLink(str(other(path)), "/secret")


def soft_link(file, path: Path) -> None:
    file["a"] = np.zeros(3)
    file["x"] = h5py.SoftLink("/a")


def virtual(file, path: Path) -> None:
    layout = h5py.VirtualLayout(shape=(4,), dtype="f8")
    layout[:] = h5py.VirtualSource(str(other(path)), "secret", shape=(4,))
    file.create_virtual_dataset("x", layout)


def kept_elsewhere(file, path: Path) -> None:
    path.with_name("raw.bin").write_bytes(bytes(32))
    file.create_dataset("x", (4,), "f8", external=[(str(path.with_name("raw.bin")), 0, 32)])


def compressed(file, path: Path) -> None:
    file.create_dataset("x", data=np.zeros(1 << 20), compression="gzip")


def never_written(file, path: Path) -> None:
    file.create_dataset("x", (1 << 40,), "f4", chunks=(1024,))


def text(file, path: Path) -> None:
    file["x"] = ["one", "two"]


def records(file, path: Path) -> None:
    file["x"] = np.zeros(3, dtype=[("p", "f4"), ("q", "i4")])


def deep(file, path: Path) -> None:
    file["/".join("g" * 40)] = np.zeros(2)


def a_circle(file, path: Path) -> None:
    file.create_group("g")["back"] = file["/"]


def no_room_for_it(file, path: Path) -> None:
    for number in range(40):  # one array under many names is more than the file holds
        if number:
            file[f"x{number}"] = file["x0"]
        else:
            file["x0"] = np.zeros(1000)


BAD = (external_link, soft_link, virtual, kept_elsewhere, compressed, never_written, text, records, deep, a_circle,
       no_room_for_it)  # fmt: skip


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_what_is_not_plain_arrays_is_refused_at_once(tmp_path: Path, make) -> None:
    path = tmp_path / "bad.hdf5"
    with h5py.File(path, "w") as file:
        make(file, path)
    began = time.monotonic()
    with pytest.raises(FormatError, match=r"bad\.hdf5"):
        hdf5.read(path)
    assert time.monotonic() - began < 5


def test_damaged_missing_and_foreign_files_are_typed_errors(tmp_path: Path, arrays) -> None:
    path = tmp_path / "weights.hdf5"
    hdf5.write(path, arrays)
    whole = path.read_bytes()
    for size in (0, 4, 8, 100, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError):
            hdf5.read(path)
    path.write_bytes(b"PK\x03\x04" + whole)
    with pytest.raises(FormatError, match="not an HDF5 file"):
        hdf5.read(path)
    with pytest.raises(CheckpointError, match="missing"):
        hdf5.read(tmp_path / "nowhere.hdf5")
