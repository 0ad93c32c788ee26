from __future__ import annotations

import pytest

from munmaek.cli.training import read_settings
from munmaek.core.errors import RequestError


def test_settings_are_values() -> None:
    given = [
        "learning_rate=5e-4",
        "whole_word=true",
        "whole_word_2=True",
        "mask_rate=0.30-0.15",
        "a= b=c ",
        "n=3",
        "x=null",
    ]
    assert read_settings(given) == {
        "learning_rate": 5e-4, "whole_word": True, "whole_word_2": True, "mask_rate": "0.30-0.15", "a": "b=c", "n": 3,
        "x": None,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["learning_rate", "=3", " =3", ""])
def test_what_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="NAME=VALUE"):
        read_settings([text])
