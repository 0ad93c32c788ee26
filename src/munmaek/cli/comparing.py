"""The verb that shows what a comparison found: report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from munmaek.cli.declare import argument
from munmaek.cli.language import chosen
from munmaek.cli.output import show_lines

Folder = Annotated[
    Path,
    argument("DIR", "The folder of a comparison; the page goes there.", "비교한 폴더. 보고서도 여기에 씁니다."),
]


def report(folder: Folder) -> None:
    """Write the page of a comparison; report.page does the work."""
    from munmaek.report import page
    from munmaek.run import comparison

    show_lines([str(page.write(comparison.read(folder), folder, chosen() == "ko"))])
