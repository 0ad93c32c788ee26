"""The letters that a page carries are those it needs, and no others."""

from __future__ import annotations

import base64
import re
from io import BytesIO
from typing import Any

import pytest

from munmaek.report.lettering import font_face
from munmaek.report.markup import document

ttlib: Any = pytest.importorskip("fontTools.ttLib")


def letters(css: str) -> set[str]:
    found = re.search(r"base64,([^)]*)\)", css)
    assert found is not None
    return {chr(code) for code in ttlib.TTFont(BytesIO(base64.b64decode(found.group(1)))).getBestCmap()}


def test_the_letters_of_a_text() -> None:
    assert letters(font_face("Word2Vec: 눈이 왔다 ㅋㅋ")) == set("눈이왔다ㅋ")
    assert letters(font_face("뷁")) == {"뷁"}


def test_a_page_without_such_letters_carries_none() -> None:
    assert font_face("plain ASCII, and é") == ""
    assert "@font-face" not in document("en", "title", ["<p>text</p>"])


def test_a_page_carries_what_it_says_and_not_its_markup() -> None:
    page = document("ko", "제목", ['<p title="속성">본문</p>'])
    assert letters(page) == set("제목본문")
    assert "font-src data:" in page
