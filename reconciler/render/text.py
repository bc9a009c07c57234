"""A plan for a terminal or a log, in the manner of Terraform."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.escape import visible
from reconciler.model import Change, Plan
from reconciler.render import lines

Style = Callable[[str, str], str]
"""Dresses text for its role: an action's name, ``heading``, ``warning`` or ``quiet``."""


def plain(role: str, text: str) -> str:  # noqa: ARG001  # the signature is Style's
    """No dress: for files, logs, ``NO_COLOR`` and anything that is no terminal."""
    return text


_ANSI = {
    "create": "32",
    "update": "33",
    "replace": "35",
    "delete": "31",
    "adopt": "36",
    "manual": "34",
    "heading": "1",
    "warning": "33",
    "quiet": "2",
}


def ansi(role: str, text: str) -> str:
    """Colours by escape sequences, for a terminal."""
    code = _ANSI.get(role)
    return f"\x1b[{code}m{text}\x1b[0m" if code else text


def to_text(plan: Plan, style: Style = plain) -> str:
    """The whole plan, ending with a newline. Lines are never wrapped."""
    blocks = [
        style("heading", f"{visible(plan.environment)} ({plan.surface} surface)"),
        lines.scope_line(plan),
        *(_change(change, style) for change in plan.changes),
        _listed("Unmanaged, left alone:", [str(address) for address in plan.unmanaged], style),
        _listed("Warnings:", list(plan.warnings), style, role="warning"),
        _end(plan, style),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _change(change: Change, style: Style) -> str:
    below = [f"      {line}" for line in lines.details(change)]
    return "\n".join([style(change.action.value, lines.headline(change)), *below])


def _listed(title: str, entries: list[str], style: Style, role: str = "quiet") -> str | None:
    if not entries:
        return None
    return "\n".join([style("heading", title), *(style(role, f"  {visible(entry)}") for entry in entries)])


def _end(plan: Plan, style: Style) -> str:
    if plan.empty:
        return style("heading", lines.nothing(plan))
    weakest = lines.weakest(plan.changes)
    return "\n".join(
        [
            style("heading", lines.summary(plan)),
            lines.cost(plan),
            *([f"Weakest endpoint: {lines.endpoint_text(weakest)}."] if weakest is not None else []),
        ]
    )
