"""Files and folders exist whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from munmaek.core import files
from munmaek.core.errors import CheckpointError, JobError


def test_a_folder_is_sealed_and_verifies(tmp_path: Path) -> None:
    with files.atomic_folder(tmp_path / "a", step=3) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "x.bin").write_bytes(b"123")
    manifest = files.verify_folder(tmp_path / "a")
    assert manifest["step"] == 3
    assert manifest["files"]["sub/x.bin"]["size"] == 3


def test_an_error_inside_leaves_the_old_folder(tmp_path: Path) -> None:
    with files.atomic_folder(tmp_path / "a") as folder:
        (folder / "x").write_text("old")

    def fail() -> None:
        with files.atomic_folder(tmp_path / "a") as folder:
            (folder / "x").write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "a" / "x").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("damage", ["flip", "shorten", "remove", "manifest"])
def test_damage_is_found(tmp_path: Path, damage: str) -> None:
    with files.atomic_folder(tmp_path / "a") as folder:
        (folder / "x").write_bytes(b"0123456789")
    target = tmp_path / "a" / "x"
    if damage == "flip":
        target.write_bytes(b"0123456780")
    elif damage == "shorten":
        target.write_bytes(b"012345678")
    elif damage == "remove":
        target.unlink()
    else:
        (tmp_path / "a" / files.MANIFEST).write_text('{"format_version": 1, "fil')
    with pytest.raises(CheckpointError):
        files.verify_folder(tmp_path / "a")


def test_write_json_is_atomic_and_readable(tmp_path: Path) -> None:
    files.write_json(tmp_path / "deep" / "a.json", {"문맥": 1})
    assert json.loads((tmp_path / "deep" / "a.json").read_text("utf-8")) == {"문맥": 1}
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_atomic(tmp_path / "a", "old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(JobError, match="No space left"):
        files.write_atomic(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_leavings_of_dead_processes_are_swept(tmp_path: Path) -> None:
    (tmp_path / ".x.999999999.tmp").mkdir()
    (tmp_path / "kept").mkdir()
    assert files.sweep(tmp_path) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_room_is_checked(tmp_path: Path) -> None:
    files.require_room(tmp_path, 1)
    with pytest.raises(JobError, match="MiB free"):
        files.require_room(tmp_path / "not" / "there", 1 << 62)
