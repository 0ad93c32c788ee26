"""Figures have Hangul glyphs, and the plane shows what the vectors hold."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from munmaek.report.figures import flatten_to_plane, new_figure, save_png, sense_map


def test_hangul_is_drawn_without_a_missing_glyph(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(10, 8))
    figure, axes = new_figure(2, 8, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for place in axes:
            sense_map(
                place,
                vectors,
                ["눈(雪)"[0] + "·겨울", "눈·얼굴"] * 5,
                [(0, "눈이 와서 너무 좋다"), (1, "힣꿰쀍ㅋㅋㅠㅠ")],
            )
            place.legend(title="뜻")
        path = save_png(figure, tmp_path / "a" / "눈.png", Title="눈")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_plane_keeps_the_largest_differences() -> None:
    vectors = np.zeros((6, 5))
    vectors[:3, 2] = 10.0
    vectors[::2, 4] = 1.0
    plane = flatten_to_plane(vectors)
    assert np.ptp(plane[:, 0]) > 9.9
    assert 0.5 < np.ptp(plane[:, 1]) < 1.5
    assert flatten_to_plane(np.ones((4, 3))).shape == (4, 2)
    assert not flatten_to_plane(np.ones((4, 3))).any()
