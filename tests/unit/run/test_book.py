from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from munmaek.run.book import Book, alone_in


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    book = Book(tmp_path / "deep" / "rows.jsonl")
    assert list(book.lines()) == []
    for number in range(3):
        book.add({"n": number, "name": "눈"})
    assert [line["n"] for line in book.lines("n")] == [0, 1, 2]
    assert list(book.lines("n", "absent")) == []


def test_a_torn_line_is_passed_over_and_spoils_nothing(tmp_path: Path) -> None:
    book = Book(tmp_path / "rows.jsonl")
    book.add({"n": 0})
    with book.path.open("ab") as file:
        file.write('{"n": 1, "name": "눈'.encode()[:-1])
    book.add({"n": 2})
    assert [line["n"] for line in book.lines("n")] == [0, 2]


def test_several_writers(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: Book(path).add({"n": n, "text": "x" * 5_000}), range(40)))
    assert sorted(json.loads(line)["n"] for line in path.read_text("utf-8").splitlines()) == list(range(40))


def test_nobody_else_is_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    count = folder / "count.txt"

    def add(_: int) -> None:
        with alone_in(folder):
            now = int(count.read_text()) if count.is_file() else 0
            time.sleep(0.002)  # without the lock another reads the same number meanwhile
            count.write_text(str(now + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(24)))
    assert count.read_text() == "24"
