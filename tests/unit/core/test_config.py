"""Configurations are strict: names, types, and where it went wrong."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from munmaek.core.config import from_dict, to_dict
from munmaek.core.errors import CheckpointError


@dataclass
class Sample:
    width: int
    rate: float = 0.5
    name: str = "a"


def test_round_trip() -> None:
    assert from_dict(Sample, to_dict(Sample(3, 1.0, "나"))) == Sample(3, 1.0, "나")
    assert from_dict(Sample, {"width": 3, "rate": 1}).rate == 1


@pytest.mark.parametrize(
    "values", [{"width": 3, "hight": 1}, {"width": "3"}, {"width": True}, {"rate": 1.0}, {"width": 1.5}]
)
def test_mistakes_are_named(values: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match=r"^config"):
        from_dict(Sample, values, where="config.json")
