"""The characters of a YAML file: which ones it may hold, and where a tab may stand.

What is not seen must not decide: a character that a reader of the file does not see, or sees in another
place than it stands, has to be written as an escape in double quotes.
"""

from __future__ import annotations

import re

from reconciler.errors import Problem
from reconciler.manifests.nodes import Page

_FORBIDDEN = re.compile(
    "[^\\t\\n\\r\\x20-\\x7e\\xa0-\\u2027\\u202a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff]"
)
"""All but the characters YAML 1.2 allows in a file."""

_UNSEEN = re.compile(
    "[\\xad\\u180e\\u200b\\u202a-\\u202e\\u2060-\\u2064\\u2066-\\u206f\\ufff9-\\ufffb\\U000e0001\\U000e0020-\\U000e007f]"
)
"""What turns the line round or shows nothing; but not joiners and direction marks, which scripts need."""

_CONTROL = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f]")
_LONE_RETURN = re.compile("\\r(?!\\n)")
_LINE_SEPARATORS = ("\x85", "\u2028", "\u2029")


def refused_character(page: Page) -> Problem | None:
    """The first character that may not stand in a file: its problem, or None."""
    text = page.text
    if text.isascii() and text.isprintable():
        return None
    if "\r" in text and (lone := _LONE_RETURN.search(text)) is not None:
        return Problem(
            "a carriage return without a line feed ends this line for some YAML readers only",
            page.place(lone.start()),
            "Save the file with Unix or Windows line ends.",
        )
    for separator in _LINE_SEPARATORS:
        if separator in text:
            return Problem(
                f"the character U+{ord(separator):04X} is a line break for some YAML readers only",
                page.place(text.index(separator)),
                f'In double quotes, write it as "\\u{ord(separator):04x}".',
            )
    found = _FORBIDDEN.search(text)
    if found is not None:
        return Problem(
            f"the control character U+{ord(found[0]):04X} is not allowed in YAML",
            page.place(found.start()),
            "Remove it.",
        )
    unseen = None if text.isascii() else _UNSEEN.search(text)
    if unseen is None:
        return None
    code = ord(unseen[0])
    return Problem(
        f"the character U+{code:04X} is not seen, or shows the text in another order than it is read",
        page.place(unseen.start()),
        f'Remove it; where it is meant, write it in double quotes as "{escaped(code)}".',
    )


def escaped(code: int) -> str:
    """A character as an escape of YAML."""
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def control_character(value: str) -> str | None:
    """The first control character of a value, as U+XXXX: escapes can write what no text needs."""
    found = _CONTROL.search(value)
    return None if found is None else f"U+{ord(found[0]):04X}"


def misplaced_tabs(page: Page, spans: list[tuple[int, int]]) -> list[Problem]:
    """A problem for each line that has a tab outside values and comments (the first of the line).

    ``spans``: where the values lie, in order. Every line is looked at once.
    """
    problems: list[Problem] = []
    text = page.text
    ends = position = 0
    at = text.find("\t")
    while at >= 0:
        while position < len(spans) and spans[position][1] <= at:
            ends = spans[position][1]
            position += 1
        if position < len(spans) and spans[position][0] <= at:
            at = text.find("\t", spans[position][1])
            continue
        begin = text.rfind("\n", 0, at) + 1
        end = (text.find("\n", at) + 1 or len(text) + 1) - 1
        comment = re.search(r"(?:^|\s)#", text[max(begin, ends) : at]) is not None
        if not comment and text[begin:end].strip():
            problems.append(Problem("a tab cannot be used here", page.place(at), "Write spaces."))
        at = text.find("\t", end)
    return problems
