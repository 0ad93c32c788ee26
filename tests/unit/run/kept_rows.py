"""What a comparison keeps of its runs, to be set beside what another keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from munmaek.run.comparison import Comparison, Row


def kept(found: Comparison) -> list[dict[str, Any]]:
    """Rows without what the clock says."""
    return without_clock(found.rows)


def without_clock(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The same of any rows."""
    return [{k: v for k, v in asdict(row).items() if k not in ("seconds", "joules", "peak_memory")} for row in rows]
