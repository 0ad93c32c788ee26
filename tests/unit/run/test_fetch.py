from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from munmaek.core.errors import DataError, JobError, RequestError
from munmaek.data import datasets
from munmaek.data.datasets import Dataset, RemoteFile
from munmaek.run.fetch import fetch

TABLE = "text\tlabel\n좋다\t1\n싫다\t0\n".encode()
NAMES = "## a\tx\n가\tB\n\n## b\ty\n#\tO\n".encode()
SHA = hashlib.sha256(TABLE).hexdigest()


@pytest.fixture
def served(monkeypatch) -> Iterator[dict[str, bytes]]:
    """A public home on this machine: path -> bytes; and a data set "toy" that lives there."""
    files = {"/a.tsv": TABLE, "/b.tsv": TABLE, "/names.tsv": NAMES}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home = f"http://127.0.0.1:{server.server_port}"
    toy = Dataset(
        "toy",
        "A toy",
        "CC0-1.0",
        home,
        (
            RemoteFile("a.tsv", f"{home}/a.tsv", SHA, 2),
            RemoteFile("deep/b.tsv", f"{home}/b.tsv", None, 2),
            RemoteFile("names.tsv", f"{home}/names.tsv", None, 2, "sentences"),
        ),
    )
    monkeypatch.setattr(datasets, "DATASETS", {"toy": toy})
    monkeypatch.delenv("MUNMAEK_DATA", raising=False)
    yield files
    server.shutdown()
    server.server_close()


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_it_downloads_and_checks_and_does_nothing_twice(served: dict[str, bytes], tmp_path: Path) -> None:
    said: list[str] = []
    result = fetch("toy", tmp_path, progress=said.append)
    assert files_in(tmp_path) == ["toy/a.tsv", "toy/deep/b.tsv", "toy/names.tsv"]
    assert (tmp_path / "toy" / "a.tsv").read_bytes() == TABLE
    assert result.files == {"a.tsv": len(TABLE), "deep/b.tsv": len(TABLE), "names.tsv": len(NAMES)}
    assert result.already == []
    assert len(said) == 3
    served.clear()
    assert fetch("toy", tmp_path).already == ["a.tsv", "deep/b.tsv", "names.tsv"]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/a.tsv", TABLE + b"x\t1\n", f"the SHA-256 is .* expected {SHA}"),
        ("/b.tsv", TABLE + b"x\t1\n", "3 rows, the published file has 2"),
        ("/b.tsv", b"", "the file is empty"),
        ("/names.tsv", NAMES[:8], "1 rows, the published file has 2"),
    ],
)
def test_a_wrong_download_is_not_kept(
    served: dict[str, bytes], tmp_path: Path, path: str, body: bytes, message: str
) -> None:
    served[path] = body
    with pytest.raises(JobError, match=message) as caught:
        fetch("toy", tmp_path)
    assert "nothing was kept" in str(caught.value)
    assert not any(name.endswith((path, ".tmp")) for name in files_in(tmp_path))
    served[path] = NAMES if path == "/names.tsv" else TABLE
    assert len(fetch("toy", tmp_path).files) == 3


def test_a_damaged_file_that_was_there_is_fetched_again(served: dict[str, bytes], tmp_path: Path) -> None:
    fetch("toy", tmp_path)
    (tmp_path / "toy" / "a.tsv").write_bytes(b"broken")
    assert fetch("toy", tmp_path).already == ["deep/b.tsv", "names.tsv"]
    assert (tmp_path / "toy" / "a.tsv").read_bytes() == TABLE


def test_without_a_network_it_says_what_to_do(served: dict[str, bytes], tmp_path: Path, monkeypatch) -> None:
    served.clear()
    with pytest.raises(JobError, match=r"404.*--from DIR or MUNMAEK_DATA"):
        fetch("toy", tmp_path)
    gone = Dataset("toy", "", "", "", (RemoteFile("a.tsv", "http://127.0.0.1:9/a.tsv"),))
    monkeypatch.setattr(datasets, "DATASETS", {"toy": gone})
    with pytest.raises(JobError, match=r"cannot be reached.*that holds toy/ with --from DIR or MUNMAEK_DATA") as caught:
        fetch("toy", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("inside", [True, False])
def test_it_copies_from_a_folder(served: dict[str, bytes], tmp_path: Path, inside: bool) -> None:
    served.clear()
    source = tmp_path / "usb" / "toy" if inside else tmp_path / "usb"
    source.mkdir(parents=True)
    (source / "a.tsv").write_bytes(TABLE)
    (source / "extra.txt").write_text("글")
    result = fetch("toy", tmp_path / "data", tmp_path / "usb")
    assert files_in(tmp_path / "data") == ["toy/a.tsv", "toy/extra.txt"]
    assert result.already == []
    assert fetch("toy", tmp_path / "data", tmp_path / "usb").already == ["a.tsv", "extra.txt"]


def test_the_environment_is_a_source_too(served: dict[str, bytes], tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "usb" / "toy").mkdir(parents=True)
    (tmp_path / "usb" / "toy" / "extra.txt").write_text("글")
    monkeypatch.setenv("MUNMAEK_DATA", str(tmp_path / "usb"))
    assert list(fetch("toy", tmp_path / "data").files) == ["extra.txt"]
    assert set(fetch("toy", tmp_path / "usb").files) == {"a.tsv", "deep/b.tsv", "names.tsv"}


def test_sources_that_cannot_be(served: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no data set 'nope'"):
        fetch("nope", tmp_path)
    with pytest.raises(RequestError, match="there is no such folder"):
        fetch("toy", tmp_path / "data", tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="holds no files of toy"):
        fetch("toy", tmp_path / "data", tmp_path / "empty")
    (tmp_path / "data" / "toy").mkdir(parents=True, exist_ok=True)
    with pytest.raises(RequestError, match="the same folder"):
        fetch("toy", tmp_path / "data", tmp_path / "data")
    (tmp_path / "short").mkdir()
    (tmp_path / "short" / "a.tsv").write_bytes(TABLE[:-9])
    with pytest.raises(DataError, match="1 rows, the published file has 2"):
        fetch("toy", tmp_path / "data", tmp_path / "short")
    assert files_in(tmp_path / "data") == []


def test_the_real_sets_copy(data_dir: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MUNMAEK_DATA", str(data_dir))
    for name in ("korsts", "klue-nli", "chatbot"):
        result = fetch(name, tmp_path)
        assert result.files
        assert all(
            (tmp_path / name / path).read_bytes() == (data_dir / name / path).read_bytes() for path in result.files
        )
