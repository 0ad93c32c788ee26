"""The verb that shows what the tool is for: tour."""

from __future__ import annotations

from munmaek.cli import options
from munmaek.cli.language import chosen
from munmaek.cli.output import aligned, note, show_json, show_lines
from munmaek.cli.progress import TrainingProgress
from munmaek.core.files import read_json


def tour(
    out: options.OutFolder = options.DEMO,
    size: options.Size = "tiny",
    budget: options.Budget = "150s",
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Train on the built-in corpus, then a table and a picture; run.tour does the work, report.tour shows it."""
    from munmaek.report import tour as report
    from munmaek.run.tour import tour as run

    korean = chosen() == "ko"
    with TrainingProgress() as progress:
        result = run(out, size=size, budget=budget, seed=seed, progress=progress, say=note)
    if as_json:
        show_json(read_json(result.folder / "tour.json"))
        return
    show_lines(["", *aligned(report.columns(korean), report.rows(result, korean)), *report.lines(result, korean)])
    show_lines([str(report.draw(result, korean))])
