"""Makes foreign text harmless: no value can forge a line, a terminal command or a text direction."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # building the model takes longer than printing an error
    from reconciler.model import JsonValue

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that move the cursor, reorder the line or show nothing."""


_DRIVING = re.compile(
    "\\r(?!\\n)|[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\xad\\u180e\\u200b\\u2028-\\u202e\\u2060-\\u206f"
    "\\ud800-\\udfff\\ufeff\\ufff9-\\ufffb\\U000e0000-\\U000e0fff]"
)
"""What no output of the product holds: all that drives a terminal, turns a line round or hides."""

_DRIVING_BUT_COLOURS = re.compile(rf"(?!\x1b\[[0-9;]*m)(?:{_DRIVING.pattern})")


def visible(text: str) -> str:
    """``text`` in one line, with control, format and bidirectional characters as escapes (``u202e``)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spelled(each) if unicodedata.category(each) in _INVISIBLE else each for each in text)


def value_text(value: JsonValue) -> str:
    """``value`` as JSON in one line, readable in any script and safe to print."""
    return visible(json.dumps(value, ensure_ascii=False, sort_keys=True))


def harmless(text: str, *, colours: bool) -> str:
    """Finished output of any format without what could drive a terminal; line breaks stay.

    The renderers escape foreign text where they place it; this is the last gate, for all that is printed.
    The escapes are JSON's, so that JSON stays JSON with the same content. ``colours``: the output was made
    with them.
    """
    return (_DRIVING_BUT_COLOURS if colours else _DRIVING).sub(
        lambda found: json.dumps(found[0])[1:-1].replace("\x7f", "\\u007f"), text
    )


def _spelled(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
