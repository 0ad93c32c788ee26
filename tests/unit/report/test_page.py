"""The page: whole, in both languages, loading nothing, escaping everything, leaving out what is empty."""

from __future__ import annotations

import base64
import dataclasses
import html
import re
from pathlib import Path

import pytest
from planted_comparison import is_drawn, maps, planted

from munmaek.cli import main
from munmaek.data.homographs import BORROWED, NOTICE
from munmaek.report.page import write

HEADINGS = {
    False: ["In short", "Results", "By the number of labels", "Cost and quality", "One word in its contexts",
            "Neighbours in context", "Models", "How this was made"],
    True: ["요약", "결과", "라벨 수에 따라", "비용과 품질", "문맥 속의 한 낱말", "문맥 속의 이웃", "모델", "만든 방법"],
}  # fmt: skip
HOSTILE = "<script>alert('&\"')</script><img src=x>"


def headings(text: str) -> list[str]:
    return re.findall("<h2>(.*?)</h2>", text)


@pytest.mark.parametrize("korean", [False, True])
def test_a_page_is_whole_and_loads_nothing(tmp_path: Path, korean: bool) -> None:
    text = write(planted(), tmp_path / "new", korean).read_text("utf-8")
    assert f'<html lang="{"ko" if korean else "en"}">' in text
    assert headings(text) == HEADINGS[korean]
    assert "http://" not in text
    assert "https://" not in text
    assert not re.search(r"url\((?!data:)|@import|<script|<iframe|<object", text)
    sources = re.findall(r'(?:src|href)="?([^">]*)', text)
    assert len(sources) == 5
    assert all(source.startswith("data:") for source in sources)
    assert text.count("<caption>") == text.count("<table>") == 4
    assert all(re.search('alt="[^"]+"', tag) for tag in re.findall("<img.*?>", text))
    assert "합성 말뭉치입니다." in text
    assert planted().command in text


def test_the_pictures_in_the_page_are_the_files_beside_it(tmp_path: Path) -> None:
    text = write(planted(), tmp_path, False).read_text("utf-8")
    held = {base64.b64decode(data) for data in re.findall('src="data:image/png;base64,([^"]+)', text)}
    paths = sorted(tmp_path.glob("*.png"))
    assert {path.name for path in paths} == {"labels.png", "cost.png", "senses-1.png", "layers-1.png"}
    assert held == {path.read_bytes() for path in paths}
    assert all(is_drawn(path) for path in paths)


def test_a_narrow_picture_is_not_stretched(tmp_path: Path) -> None:
    """One panel, where there is nothing from scratch, has letters of the size that two have."""
    networks = [arm for arm in planted().arms if not arm.scratch]
    pages = [
        write(comparison, tmp_path, False).read_text("utf-8") for comparison in (planted(), planted(arms=networks))
    ]
    two, one = (int(re.findall("max-width:([0-9]+)px", text)[0]) for text in pages)
    assert 500 < one < 0.7 * two < 1_000


def test_only_a_decided_winner_is_bold(tmp_path: Path) -> None:
    def bold(margin: float) -> list[str]:
        text = write(planted(margin), tmp_path, False).read_text("utf-8")
        return re.findall("<b>(.*?)</b>", text[text.index("<h2>Results") : text.index("<h2>By the number")])

    best = planted().standing("bert", None)
    assert best is not None
    assert bold(0.02)[-1:] == [f"{100 * best.mean:.1f}"]
    assert bold(0.9) == []


def test_empty_parts_are_left_out(tmp_path: Path) -> None:
    empty = planted(models=[], rows=[], standings=[], contrasts=[], separations=[], pairs=[], maps=[], neighbours=[])
    text = write(empty, tmp_path, False).read_text("utf-8")
    assert headings(text) == ["How this was made"]
    assert "<table" not in text
    assert "<img" not in text


@pytest.mark.parametrize("text", [NOTICE, BORROWED])
def test_a_notice_is_in_the_reader_s_language(text: str, tmp_path: Path) -> None:
    comparison = planted(notices=[text])
    english, korean = (write(comparison, tmp_path, way).read_text("utf-8") for way in (False, True))
    assert text in html.unescape(english)
    assert text not in html.unescape(korean)
    assert re.search('<p class="notice"[^>]*>[^a-z<]*내장 말뭉치', korean)


def test_hostile_text_is_escaped(tmp_path: Path) -> None:
    comparison = planted()
    hostile = planted(
        command=HOSTILE, made=HOSTILE, corpus=HOSTILE, train=HOSTILE, test=HOSTILE, metric=HOSTILE, notices=[HOSTILE],
        arms=[dataclasses.replace(arm, title=HOSTILE) for arm in comparison.arms],
        models=[dataclasses.replace(card, title=HOSTILE, paper=HOSTILE) for card in comparison.models],
        maps=[dataclasses.replace(maps()[-1], word=HOSTILE, senses=[HOSTILE] * 40)],
        pairs=[dataclasses.replace(pair, word=HOSTILE, first=HOSTILE) for pair in comparison.pairs],
        neighbours=[dataclasses.replace(each, word=HOSTILE, text=HOSTILE, found=[(HOSTILE, HOSTILE, 0.5)])
                    for each in comparison.neighbours],
        separations=[dataclasses.replace(each, source=HOSTILE) for each in comparison.separations],
    )  # fmt: skip
    text = write(hostile, tmp_path, True).read_text("utf-8")
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(&#x27;&amp;&quot;&#x27;)" in text


def test_the_verb_writes_the_page_beside_the_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planted().write(tmp_path)
    # the first call builds the help of the verbs, in English as other tests want it
    assert main(["report", str(tmp_path)]) == 0
    assert '<html lang="en">' in (tmp_path / "report.html").read_text("utf-8")
    capsys.readouterr()
    assert main(["report", str(tmp_path), "--lang", "ko"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    assert '<html lang="ko">' in (tmp_path / "report.html").read_text("utf-8")
    assert main(["report", str(tmp_path / "none")]) != 0
    assert "no comparison is there" in capsys.readouterr().err
