from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from munmaek.core.errors import CheckpointError, FormatError
from munmaek.formats import safetensors

TENSORS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3), "b.c": np.array(7, dtype=np.int64),
    "한글": np.array([[True], [False]]), "none": np.zeros((0, 4), np.float64), "half": np.array([1.5], np.float16),
}  # fmt: skip


def raw(path: Path, header: dict | bytes, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(start: int = 0, stop: int = 8, shape: object = (2,), kind: str = "F32") -> dict:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, stop]}


def test_what_is_written_is_read(tmp_path) -> None:
    safetensors.write(tmp_path / "x", TENSORS, {"format": "pt"})
    found = safetensors.read(tmp_path / "x")
    assert list(found) == list(TENSORS)
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(found[name], tensor)
    assert found["half"].dtype == np.float32
    assert found["b.c"].dtype == np.int64


def test_the_reference_library_reads_ours_and_we_read_its(tmp_path) -> None:
    reference = pytest.importorskip("safetensors.numpy")
    safetensors.write(tmp_path / "ours", TENSORS, {"format": "pt"})
    for name, tensor in reference.load_file(tmp_path / "ours").items():
        np.testing.assert_array_equal(tensor, TENSORS[name])
        assert tensor.dtype == TENSORS[name].dtype
    reference.save_file(TENSORS, tmp_path / "theirs", metadata={"a": "b"})
    for name, tensor in safetensors.read(tmp_path / "theirs").items():
        np.testing.assert_array_equal(tensor, TENSORS[name])


def test_bfloat16_becomes_float32(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    values = torch.tensor([1.0, -2.5, 3.140625, float("inf")], dtype=torch.bfloat16)
    data = values.view(torch.int16).numpy().tobytes()
    path = raw(tmp_path / "x", {"w": entry(0, 8, [2, 2], "BF16")}, data)
    np.testing.assert_array_equal(safetensors.read(path)["w"], values.float().numpy().reshape(2, 2))


@pytest.mark.parametrize(
    ("header", "data", "length", "says"),
    [
        (b"{}", b"", 10**15, "header is said to have"),
        (b"{}", b"", 3, "header is said to have"),
        (b"[1]", b"", None, "not a JSON object"),
        (b"{nope", b"", None, "not valid JSON"),
        (b"\xff\xfe\xfd", b"", None, "not valid JSON"),
        (b"[" * 100_000, b"", None, "not valid JSON"),
        (b'{"a": 1, "a": 2}', b"", None, "occurs twice"),
        ({"w": entry(0, 8, [3])}, b"12345678", None, "cannot lie at bytes"),
        ({"w": entry(0, 8, [2**40, 2**40])}, b"12345678", None, "cannot lie at bytes"),
        ({"w": entry(0, 8, [-2])}, b"12345678", None, "cannot lie at bytes"),
        ({"w": entry(0, 8, [2.0])}, b"12345678", None, "cannot lie at bytes"),
        ({"w": entry(8, 0, [2])}, b"12345678", None, "cannot lie at bytes"),
        ({"w": entry(0, 8, [2], "F128")}, b"12345678", None, "not understood"),
        ({"w": entry(0, 8, 2)}, b"12345678", None, "not understood"),
        ({"w": {"dtype": "F32"}}, b"12345678", None, "not understood"),
        ({"w": [1, 2]}, b"12345678", None, "not understood"),
        ({"w": entry(4, 12)}, b"123456789012", None, "expected 0"),
        ({"w": entry(), "v": entry(4, 12)}, b"123456789012", None, "expected 8"),
        ({"w": entry()}, b"123", None, "cannot lie|ends? at byte|end at byte"),
        ({"w": entry()}, b"12345678more", None, "end at byte"),
    ],
)  # fmt: skip
def test_a_lying_header_is_named_with_its_place(tmp_path, header, data, length, says) -> None:
    path = raw(tmp_path / "x.safetensors", header, data, length)
    began = time.monotonic()
    with pytest.raises(FormatError, match=says) as caught:
        safetensors.read(path)
    assert time.monotonic() - began < 5
    assert "x.safetensors" in str(caught.value)
    assert caught.value.offset is not None


@pytest.mark.parametrize("size", [0, 1, 7])
def test_a_file_too_short_for_a_header(tmp_path, size: int) -> None:
    (tmp_path / "x").write_bytes(b"\0" * size)
    with pytest.raises(FormatError, match="too few"):
        safetensors.read(tmp_path / "x")


def test_every_truncation_and_many_flipped_bits_give_our_error_or_a_sound_file(tmp_path) -> None:
    path = tmp_path / "x"
    safetensors.write(path, {"a": np.arange(4, dtype=np.float32), "b": np.ones((2, 2), np.float32)})
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError):
            safetensors.read(path)
    random = np.random.default_rng(0)
    begin = 8 + int.from_bytes(whole[:8], "little")
    refused = 0
    for _ in range(500):
        broken = bytearray(whole)
        broken[random.integers(begin)] ^= 1 << int(random.integers(8))
        path.write_bytes(broken)
        try:
            safetensors.read(path)
        except FormatError:
            refused += 1
    assert refused > 250


def test_a_missing_file_is_a_checkpoint_error(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="missing"):
        safetensors.read(tmp_path / "nothing.safetensors")


def test_a_type_that_the_format_lacks_is_refused(tmp_path) -> None:
    with pytest.raises(FormatError, match="complex64"):
        safetensors.write(tmp_path / "x", {"z": np.zeros(2, np.complex64)})


def shard(folder: Path, weight_map: dict[str, str]) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_a_sharded_folder_is_read_whole(tmp_path) -> None:
    assert safetensors.read_folder(tmp_path) is None
    safetensors.write(tmp_path / "one", {"a": np.ones(2, np.float32)})
    safetensors.write(tmp_path / "two", {"b": np.zeros(3, np.float32)})
    shard(tmp_path, {"a": "one", "b": "two"})
    found = safetensors.read_folder(tmp_path)
    assert found is not None
    assert {name: len(tensor) for name, tensor in found.items()} == {"a": 2, "b": 3}


@pytest.mark.parametrize("part", ["../one", "/etc/passwd", "..", "sub/one"])
def test_no_part_leaves_the_folder(tmp_path, part: str) -> None:
    (tmp_path / "inner").mkdir()
    safetensors.write(tmp_path / "one", {"a": np.ones(2, np.float32)})
    shard(tmp_path / "inner", {"a": part})
    with pytest.raises(FormatError, match="outside the folder"):
        safetensors.read_folder(tmp_path / "inner")


def test_a_part_or_a_tensor_that_is_missing(tmp_path) -> None:
    safetensors.write(tmp_path / "one", {"a": np.ones(2, np.float32)})
    shard(tmp_path, {"a": "one", "b": "one"})
    with pytest.raises(FormatError, match="no part holds 'b'"):
        safetensors.read_folder(tmp_path)
    shard(tmp_path, {"a": "one", "b": "gone"})
    with pytest.raises(CheckpointError, match="missing"):
        safetensors.read_folder(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(FormatError, match="weight_map"):
        safetensors.read_folder(tmp_path)
