"""What must never reach a screen as it is."""

from __future__ import annotations

import re
import unicodedata

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""The only sequences the product itself prints, and only where it was asked for colours."""


def raw_characters(text: str, *, colours: bool = False) -> list[str]:
    """Every character in ``text`` that drives a terminal, turns a line round or shows nothing."""
    if colours:
        text = _COLOURS.sub("", text)
    return sorted(
        {
            ascii(each)
            for each in text
            if each != "\n" and unicodedata.category(each) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        }
    )
