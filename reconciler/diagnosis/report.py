"""A diagnosis for people: what is wrong first read, 80 columns, no colour where none is wanted."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from reconciler.diagnosis.check import Check, Diagnosis, Result
from reconciler.escape import visible

WIDTH = 80
_INDENT = " " * 9
_COLOURS = {Result.OK: "32", Result.WARNING: "33", Result.FAILED: "31", Result.UNKNOWN: "2"}


def as_text(diagnosis: Diagnosis, *, colour: bool) -> str:
    """Every check: its result, what was seen, and what to do about it; a summary line at the end."""
    account = visible(diagnosis.account)
    lines = [f"{visible(diagnosis.environment)}, {diagnosis.surface} surface: {account}", ""]
    for check in diagnosis.checks:
        lines += _lines(check, colour=colour)
    counted = ", ".join(f"{count} {each}" for each in Result if (count := diagnosis.count(each)))
    lines += ["", f"{counted}; {diagnosis.requests} requests, none of which changed anything."]
    return "\n".join(lines)


def _lines(check: Check, *, colour: bool) -> Iterator[str]:
    result = f"{check.result.value:<9}"
    if colour:
        result = f"\x1b[{_COLOURS[check.result]}m{result}\x1b[0m"
    yield f"{result}{visible(check.name)}"
    yield from _wrapped(check.seen, _INDENT + "  ")
    if check.to_do:
        yield from _wrapped(f"-> {check.to_do}", _INDENT + "  ")
    yield from (f"{_INDENT}     {visible(line)}" for line in check.lines)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        visible(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
