"""Hangul wherever a page is opened: the letters it needs, cut from a font and carried along."""

from __future__ import annotations

import base64
import importlib
from io import BytesIO
from typing import Any

from munmaek.report.figures import hangul_font

FAMILY = "munmaek-carried"
LATIN = 0x250
"""Below this every system has the letters."""
_EDITORS = ("TSI0", "TSI1", "TSI2", "TSI3", "TSI5")
"""Tables that only a font editor reads."""


def font_face(text: str) -> str:
    """A CSS font holding just those letters of a text that not every system has; "" where there are none.

    Raises RequestError where matplotlib or a font with Hangul is missing.
    """
    letters = {letter for letter in text if ord(letter) >= LATIN}
    if not letters:
        return ""
    subset: Any = importlib.import_module("fontTools.subset")
    options = subset.Options(flavor="woff", hinting=False, layout_features=[])
    options.drop_tables += _EDITORS
    stream = BytesIO()
    with subset.load_font(str(hangul_font()), options) as font:
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=[ord(letter) for letter in letters])
        cutter.subset(font)
        subset.save_font(font, stream, options)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    source = f'url(data:font/woff;base64,{data}) format("woff")'
    return f'@font-face{{font-family:"{FAMILY}";unicode-range:U+250-10FFFF;src:{source}}}\n'
