from __future__ import annotations

import pytest

from munmaek.core.errors import RequestError
from munmaek.core.sizes import parse_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2GB", 2 * 10**9), ("2 gb", 2 * 10**9), ("1.5G", 1_500_000_000), ("500MB", 500_000_000), ("64k", 64_000),
     ("2GiB", 2 * 2**30), ("1TiB", 2**40), ("12345", 12_345), (12_345, 12_345), ("7B", 7)],
)  # fmt: skip
def test_amounts_are_read(text: str | int, expected: int) -> None:
    assert parse_bytes(text, "--memory") == expected


@pytest.mark.parametrize("text", ["", "much", "GB", "-2GB", "2GBs", "2 G B", "nan", "1e9", "0"])
def test_anything_else_is_told_with_its_place(text: str) -> None:
    with pytest.raises(RequestError, match="--memory"):
        parse_bytes(text, "--memory")


def test_too_little_says_how_much_is_needed() -> None:
    with pytest.raises(RequestError, match=r"1MB is too little.*32MB"):
        parse_bytes("1MB", "--memory", 32_000_000)
