"""Makes foreign text harmless: no value can forge a line, a terminal command or a text direction."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # building the model takes longer than printing an error
    from reconciler.model import JsonValue

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that move the cursor, reorder the line or show nothing."""


def visible(text: str) -> str:
    """``text`` in one line, with control, format and bidirectional characters as escapes (``u202e``)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spelled(each) if unicodedata.category(each) in _INVISIBLE else each for each in text)


def value_text(value: JsonValue) -> str:
    """``value`` as JSON in one line, readable in any script and safe to print."""
    return visible(json.dumps(value, ensure_ascii=False, sort_keys=True))


def _spelled(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
