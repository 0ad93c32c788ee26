"""HTML of a report: everything a caller gives is text and is escaped; nothing is loaded from anywhere."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from munmaek.report.lettering import font_face

STYLE = """
:root{color-scheme:light dark;--ink:#1d2327;--paper:#fff;--line:#d4d9dd;--soft:#f3f5f6;--mark:#1f6f8b}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9eb;--paper:#14181b;--line:#3a4247;--soft:#1f2529;--mark:#7cc4dd}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:68rem;color:var(--ink);background:var(--paper);line-height:1.55;
font-family:"munmaek-carried",
system-ui,"Apple SD Gothic Neo","Malgun Gothic","Noto Sans KR","Noto Sans CJK KR",NanumGothic,sans-serif;
overflow-wrap:anywhere;word-break:keep-all}
h1{font-size:1.5rem;line-height:1.25}h2{font-size:1.15rem;margin-top:2.2rem}
.notice{border-left:4px solid var(--mark);background:var(--soft);padding:.6rem .9rem}
.said li{margin:.35rem 0}
.scroll{overflow-x:auto;max-width:100%;border:1px solid var(--line);border-radius:6px}
.scroll:focus-visible{outline:2px solid var(--mark)}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums;overflow-wrap:normal}
caption{text-align:left;padding:.5rem .6rem;font-weight:600}
caption span{position:sticky;left:.6rem;display:inline-block;max-width:calc(100vw - 4rem);word-break:keep-all}
th,td{padding:.4rem .6rem;border-top:1px solid var(--line);text-align:left;vertical-align:top;white-space:nowrap}
td.wide{white-space:normal;min-width:16rem}
thead th{background:var(--soft)}
th[scope=row]{position:sticky;left:0;background:var(--paper)}
small{opacity:.75}td small{display:block}
figure{margin:1rem 0}figcaption{font-size:.9rem;padding:.4rem 0}
figure .scroll{background:#fff}img{display:block;margin:0 auto;width:100%;min-width:36rem;height:auto}
pre{white-space:pre-wrap;background:var(--soft);padding:.6rem .9rem;border-radius:6px}
dt{font-weight:600}dd{margin:0 0 .5rem}
"""
WIDEST = 0.7
"""Of a picture's own pixels, 150 an inch, so many of the page's at most: its letters stay near the text's in size."""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"


def document(language: str, title: str, body: Sequence[str]) -> str:
    """A whole page; the parts of the body are HTML already. Letters that a system may lack travel with it."""
    style = font_face(title + "".join(re.sub(r"<[^>]*>", "", part) for part in body)) + STYLE
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def section(title: str, parts: Sequence[str]) -> list[str]:
    """A section, or nothing where it would be empty."""
    parts = [part for part in parts if part]
    return [f"<section>\n<h2>{escape(title)}</h2>", *parts, "</section>"] if parts else []


def cell(text: str, small: str = "", *, bold: bool = False, wide: bool = False) -> str:
    """A cell of a table: a text, a small text beside it."""
    inner = f"<b>{escape(text)}</b>" if bold else escape(text)
    return (f'<td class="wide">{inner}' if wide else f"<td>{inner}") + (
        f" <small>{escape(small)}</small></td>" if small else "</td>"
    )


def table(caption: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A table in a box that scrolls by itself; a row is its heading and its cells (see `cell`)."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    lines = "\n".join(f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>' for name, cells in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">\n<table>'
        f"<caption><span>{escape(caption)}</span></caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{lines}\n</tbody></table></div>"
    )


def picture(path: Path | None, alt: str, caption: str = "") -> str:
    """A PNG, held in the page itself; nothing for None."""
    if path is None:
        return ""
    png = path.read_bytes()
    widest = round(WIDEST * int.from_bytes(png[16:20], "big"))  # IHDR begins with the width
    data = base64.b64encode(png).decode("ascii")
    under = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return (
        f'<figure><div class="scroll" tabindex="0" role="region" aria-label="{escape(alt)}">'
        f'<img style="max-width:{widest}px" src="data:image/png;base64,{data}" alt="{escape(alt)}"></div>'
        f"{under}</figure>"
    )
