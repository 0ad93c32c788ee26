"""English or Korean: MUNMAEK_LANG (which --lang sets), else the language of the user's locale."""

from __future__ import annotations

import os


def chosen() -> str:
    """The language to speak: "en" or "ko"."""
    for name in ("MUNMAEK_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")
        if value:
            return "ko" if value.lower().startswith("ko") else "en"
    return "en"


def say(english: str, korean: str) -> str:
    """One of the two, in the language to speak."""
    return korean if chosen() == "ko" else english
