"""A plan for a pull request: a table, the changes folded by action, never longer than GitHub takes."""

from __future__ import annotations

import re

from reconciler.escape import visible
from reconciler.model import Action, Change, Plan
from reconciler.render import lines

LIMIT = 60_000
"""Characters; GitHub refuses a comment of more than 65,536."""

_RESERVED = 2_000
"""Kept free for the closing fences, the notes of what was left out and the last lines."""

_FRAME = 250
"""What a section takes besides its entries and the backticks of its fences, at most."""

_TITLES: dict[Action, str] = {
    Action.DELETE: "Delete",
    Action.REPLACE: "Replace",
    Action.MANUAL: "By hand",
    Action.CREATE: "Create",
    Action.UPDATE: "Update",
    Action.ADOPT: "Adopt",
}
"""The most dangerous first: a reviewer may stop reading."""


def to_markdown(plan: Plan, limit: int = LIMIT) -> str:
    """``plan`` as GitHub-flavoured Markdown of at most ``limit`` characters (not below 4,000).

    Whatever comes from manifests or the account stands inside fences longer than any in it, so it can
    neither format, link nor mention.
    """
    page = _Page(limit - _RESERVED)
    page.add(f"### Plan for {_inline(plan.environment)} ({plan.surface} surface)\n\n")
    page.add(_table(plan) if plan.changes else f"{lines.NO_CHANGES}\n")
    for action, title in _TITLES.items():
        changes = [change for change in plan.changes if change.action is action]
        folded = action not in (Action.DELETE, Action.REPLACE)
        page.section(f"{title} ({len(changes)})", [_block(change) for change in changes], folded=folded)
    page.section(f"Warnings ({len(plan.warnings)})", [visible(each) for each in plan.warnings], folded=False)
    unmanaged = [visible(str(each)) for each in plan.unmanaged]
    page.section(f"Unmanaged, left alone ({len(unmanaged)})", unmanaged, folded=True)
    return page.text() + _end(plan)


class _Page:
    """Text that grows up to a budget; what does not fit is counted, not shown."""

    def __init__(self, budget: int) -> None:
        self._parts: list[str] = []
        self._left = budget

    def add(self, text: str) -> None:
        self._parts.append(text)
        self._left -= len(text)

    def section(self, title: str, entries: list[str], *, folded: bool) -> None:
        """One block of ``entries`` under ``title``; nothing when there are none."""
        if not entries:
            return
        shown: list[str] = []
        left, longest = self._left - _FRAME, 0
        for entry in entries:
            longest = max(longest, _longest_run(entry))
            if left - 2 * longest < len(entry) + 1:
                break
            shown.append(entry)
            left -= len(entry) + 1
        rest = len(entries) - len(shown)
        note = f"\n{rest} more are not shown here; the plan's text and JSON have them all.\n" if rest else ""
        fence = _fence(shown)
        body = f"{fence}diff\n{chr(10).join(shown)}\n{fence}\n" if shown else ""
        opened = "" if folded else " open"
        self.add(f"\n<details{opened}><summary>{title}</summary>\n\n{body}{note}\n</details>\n")

    def text(self) -> str:
        return "".join(self._parts)


def _table(plan: Plan) -> str:
    actions = [action for action in _TITLES if plan.count(action)]
    head = " | ".join(_TITLES[action] for action in actions)
    counts = " | ".join(str(plan.count(action)) for action in actions)
    return f"| {head} |\n|{' ---: |' * len(actions)}\n| {counts} |\n"


def _block(change: Change) -> str:
    return "\n".join([lines.headline(change).lstrip(), *(f"    {line}" for line in lines.details(change))])


def _end(plan: Plan) -> str:
    notes = [lines.cost(plan)] if plan.changes else []
    scope = lines.scope_line(plan)
    if scope is not None:
        notes.append(_inline(scope[:500]))
    weakest = lines.weakest(plan.changes)
    if weakest is not None:
        notes.append(f"Weakest endpoint: {_inline(lines.endpoint_text(weakest)[:300])}.")
    return "\n" + "  \n".join(notes) + "\n" if notes else ""


def _inline(text: str) -> str:
    """``text`` as inline code, which GitHub does not interpret."""
    fence = "`" * (_longest_run(text) + 1)
    space = " " if text[:1] in "` " or text[-1:] in "` " else ""
    return f"{fence}{space}{visible(text)}{space}{fence}"


def _fence(entries: list[str]) -> str:
    return "`" * max(3, *(_longest_run(entry) + 1 for entry in entries), 3)


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)
