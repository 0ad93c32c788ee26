"""Alternatives of a multiple choice: which columns of a table hold them, and how they travel as one second text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

SEPARATOR = "\x1f"
"""Between the alternatives of a row (U+001F, "unit separator"): what carries pairs of texts carries choices, too."""
CONTEXT_NAMES = ("premise", "context", "passage", "전제", "지문", "문맥")
"""Usual names of what the alternatives follow, before those of any text (`tables.TEXT_NAMES`)."""
QUESTION_NAMES = ("question", "asks-for", "질문")
ALTERNATIVE_NAMES = (
    "alternative_", "alternative", "choice", "choice_", "option", "option_", "answer", "answer_", "ending", "ending_",
    "hypothesis", "hypothesis_", "sol", "선택지", "선택지_", "보기", "보기_", "대안", "대안_", "",
)  # fmt: skip
"""What stands before the number of an alternative, 0 or 1 and on, the surest first; "" is a column named 1 (KoBEST)."""


def join(alternatives: Iterable[str]) -> str:
    """Alternatives as one string, which `split` takes apart again."""
    return SEPARATOR.join(text.replace(SEPARATOR, " ") for text in alternatives)


def split(joined: str) -> list[str]:
    """The alternatives of a row."""
    return joined.split(SEPARATOR)


def with_question(context: str, question: str) -> str:
    """A context and what is asked of it as one text: the question (COPA: 원인 or 결과) comes last, after a space."""
    return f"{context.rstrip()} {question.strip()}".strip()


def alternative_columns(names: Sequence[str]) -> tuple[str, ...]:
    """The columns of the alternatives, in the order of their numbers; () where no two have a usual name."""
    lowered = {name.strip().lower(): name for name in reversed(names)}
    for prefix in ALTERNATIVE_NAMES:
        numbers = sorted(
            int(name.removeprefix(prefix)) for name in lowered if re.fullmatch(re.escape(prefix) + r"[0-9]", name)
        )
        first = numbers[0] if numbers else 0
        if len(numbers) > 1 and first < 2 and numbers == list(range(first, first + len(numbers))):
            return tuple(lowered[f"{prefix}{number}"] for number in numbers)
    return ()
