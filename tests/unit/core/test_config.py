"""Configurations are strict: names, types, and where it went wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from munmaek.core.config import Range, check_values, from_dict, to_dict
from munmaek.core.errors import CheckpointError, RequestError


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


@dataclass
class Asked:
    share: float = 0.5
    count: int = 1
    whole: bool = False
    kind: str = "mean"
    own: Mapping[str, Any] = field(default_factory=dict[str, Any])


RANGES = {"share": Range(0, 1), "count": Range(0, above=True)}


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("share", "0.5", "It is a number."),
        ("share", True, "It is a number."),
        ("share", 1, "It is at least 0 and below 1."),
        ("share", math.nan, "It is at least 0 and below 1."),
        ("count", 2.0, "It is a whole number."),
        ("count", 0, "It is above 0."),
        ("whole", "no", "It is true or false."),
        ("whole", 0, "It is true or false."),
        ("kind", "most", "It is one of mean, max."),
        ("own", "lstm", "It is names and their values."),
    ],
)
def test_a_value_that_cannot_be_is_named_with_what_it_is(name: str, value: object, fix: str) -> None:
    with pytest.raises(RequestError, match=rf"--set: {name} is ") as found:
        check_values(Asked, {name: value}, "--set", RANGES, {"kind": ("mean", "max")})
    assert found.value.fix == fix


def test_values_that_can_be() -> None:
    check_values(Asked, {"share": 0, "count": 3, "whole": True, "kind": "max", "own": {"a": 1}, "other": ""}, "--set",
                 RANGES, {"kind": ("mean", "max")})  # fmt: skip


def test_ranges_have_their_ends_or_not() -> None:
    assert 0 in Range(0)
    assert 0 not in Range(0, above=True)
    assert 1 not in Range(0, 1)
    assert math.inf not in Range(0)
    assert -math.inf not in Range()
    assert [str(each) for each in (Range(), Range(0), Range(below=1), Range(0, 1, above=True))] == [
        "finite", "at least 0", "below 1", "above 0 and below 1",
    ]  # fmt: skip
