"""Amounts of memory as people write them: "2GB", "512 MB", "1.5GiB"."""

from __future__ import annotations

import re

from munmaek.core.errors import RequestError

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_bytes(text: str | int, where: str, least: int = 1) -> int:
    """Bytes of "2GB" (a power of 1000), "2GiB" (of 1024) or a plain number.

    Raises:
        RequestError: something else, or fewer than `least`.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", str(text).strip().lower())
    if found is None:
        raise RequestError(f"cannot read {text!r} as an amount of memory", where=where, fix="Write 2GB or 512MB.")
    amount = int(float(found[1]) * (1024 if found[3] else 1000) ** _UNITS[found[2]])
    if amount < least:
        raise RequestError(f"{text} is too little", where=where, fix=f"Give {least / 1e6:,.0f}MB or more.")
    return amount
