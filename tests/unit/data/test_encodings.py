from __future__ import annotations

import numpy as np
import pytest

from munmaek.core.errors import RequestError
from munmaek.data.encodings import limit, padded


def test_rows_are_filled_up_to_the_longest() -> None:
    filled, real = padded([[5, 6, 7], [], [8]], 9)
    assert filled.tolist() == [[5, 6, 7], [9, 9, 9], [8, 9, 9]]
    assert real.tolist() == [[True] * 3, [False] * 3, [True, False, False]]
    assert filled.dtype == np.int64


def test_no_row_and_no_token_still_have_a_width() -> None:
    assert padded([], 0)[0].shape == (0, 1)
    assert padded([[]], 4)[0].tolist() == [[4]]


def test_a_limit_is_what_was_asked_within_what_the_model_reads() -> None:
    assert [limit(asked, 64) for asked in (None, 10, 64, 100)] == [64, 10, 64, 64]
    with pytest.raises(RequestError, match=r"max_length is 3.*4 tokens"):
        limit(3, 64)
    with pytest.raises(RequestError, match=r"max_length is -1.*1 token or"):
        limit(-1, 64, least=1)
