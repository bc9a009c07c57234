"""A plan for a pull request: what takes something away is always told, whatever else has to be left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from reconciler.escape import visible
from reconciler.model import Action, Change, FieldChange, Plan, ToldWeek
from reconciler.render import lines

LIMIT = 60_000
"""Characters; GitHub refuses a comment of more than 65,536."""

LEAST = 2_000
"""Characters that the title, the counts of every action and the last lines may take by themselves."""

ELSEWHERE = "the plan's text and JSON"
"""Where the whole plan is, for a page that is no comment with a link."""

_TITLES: dict[Action, str] = {
    Action.DELETE: "Delete",
    Action.REPLACE: "Replace",
    Action.MANUAL: "By hand",
    Action.CREATE: "Create",
    Action.UPDATE: "Update",
    Action.ADOPT: "Adopt",
}

_NOTE = 300
"""Characters kept free to tell what was left out."""

_MOST_INLINE = 120
"""Characters of a foreign text that stands in a sentence."""


def fitted(plan: Plan, limit: int = LIMIT, *, report: str = ELSEWHERE) -> str:
    """``plan`` as GitHub-flavoured Markdown of at most ``limit`` characters.

    ``report``: Markdown that says where the whole plan is, such as a link. What does not fit is told by its
    headlines, then by as many of them as fit, then by its number: unmanaged and adopted first, then updates,
    creates, what is left to a person, weeks, warnings. Deletes and replaces stay whole as long as any of
    these can give way; then all their headlines, then all their addresses, then their numbers by kind with
    ``report``.

    Whatever comes from manifests or the account stands inside fences longer than any in it, so it can
    neither format, link nor mention. Raises ValueError for a limit below LEAST and three times ``report``.
    """
    least = LEAST + 3 * len(report)
    if limit < least:
        raise ValueError(f"a plan takes {least} characters at least, not {limit}")
    sections = _sections(plan, report)
    frame = len(_title(plan)) + len(_end(plan)) + _NOTE + len(report)
    _fit(sections, limit - frame)
    body = "".join(section.text for section in sections)
    return _title(plan) + body + _left_out(sections, report) + _end(plan)


@dataclass(slots=True)
class _Section:
    """Entries under a title, told as ``text`` until that is shortened.

    ``shorter``: other tellings, longest first; each takes the room there is. ``missing``: how many
    entries are not told at all.
    """

    title: str
    text: str
    shorter: Sequence[Callable[[int], tuple[str, int]]]
    missing: int = 0

    def shorten(self, step: int, room: int) -> None:
        """Tell it the way ``step`` of ``shorter``, in ``room`` characters where that way can."""
        self.text, self.missing = self.shorter[step](max(0, room))


def _fit(sections: Sequence[_Section], budget: int) -> None:
    """Shorten ``sections``, given in the order of the page, from the last to the first.

    Each way of shortening is tried on all that may be shortened so before the next one.
    """
    total = sum(len(section.text) for section in sections)
    gentle = [section for section in reversed(sections) if not isinstance(section, _Grave)]
    grave = [section for section in sections if isinstance(section, _Grave)]
    ways = [(each, step) for step in (0, 1) for each in gentle]
    ways += [(each, step) for step in (0, 1, 2) for each in grave]
    for section, step in ways:
        if total <= budget:
            return
        others = total - len(section.text)
        section.shorten(step, budget - others)
        total = others + len(section.text)


class _Grave(_Section):
    """A section that gives way after all others."""


def _sections(plan: Plan, report: str) -> list[_Section]:
    """What the page shows, in its order."""
    sections: list[_Section] = []
    for action in lines.GRAVE:
        changes = [change for change in plan.changes if change.action is action]
        if changes:
            sections.append(_grave(_TITLES[action], changes, report))
    warnings = [visible(warning) for warning in plan.warnings]
    sections += _plain("Warnings", warnings, folded=False)
    if plan.weeks:
        heads = [_week_head(week) for week in plan.weeks]
        blocks = [_week(week) for week in plan.weeks]
        sections.append(_gentle("Arming weeks that change", blocks, heads, folded=False))
    for action in lines.REVIEW:
        changes = [change for change in plan.changes if change.action is action]
        if changes and action not in lines.GRAVE:
            heads = [_head(change) for change in changes]
            sections.append(
                _gentle(_TITLES[action], [_block(change) for change in changes], heads, folded=True)
            )
    unmanaged = [visible(str(address)) for address in plan.unmanaged]
    return sections + _plain("Unmanaged, left alone", unmanaged, folded=True)


def _plain(title: str, entries: list[str], *, folded: bool) -> list[_Section]:
    return [_gentle(title, entries, entries, folded=folded)] if entries else []


def _gentle(title: str, blocks: list[str], heads: list[str], *, folded: bool) -> _Section:
    named = f"{title} ({len(blocks)})"

    def all_heads(_: int) -> tuple[str, int]:
        return _framed(named, heads, folded=folded), 0

    def some_heads(room: int) -> tuple[str, int]:
        shown = _first(heads, room - len(_framed(named, [""], _more(len(heads)), folded=folded)))
        rest = len(heads) - len(shown)
        return (_framed(named, shown, _more(rest) if rest else "", folded=folded) if shown else ""), rest

    return _Section(title, _framed(named, blocks, folded=folded), (all_heads, some_heads))


def _grave(title: str, changes: list[Change], report: str) -> _Section:
    named = f"{title} ({len(changes)})"

    def told(entries: list[str]) -> Callable[[int], tuple[str, int]]:
        return lambda _: (_framed(named, entries, folded=False), 0)

    def counted(_: int) -> tuple[str, int]:
        kinds = Counter(change.kind for change in changes)
        numbers = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        return f"\n#### {named}\n\n**{numbers}**: too many to name here. All of them: {report}.\n", 0

    addresses = [f"- {visible(str(change.address))}" for change in changes]
    whole = _framed(named, [_block(change) for change in changes], folded=False)
    return _Grave(title, whole, (told([_head(change) for change in changes]), told(addresses), counted))


def _first(entries: list[str], room: int) -> list[str]:
    """As many of ``entries`` as go into ``room``, with what their backticks add to the fence."""
    longest = taken = 0
    for number, entry in enumerate(entries):
        longest = max(longest, _longest_run(entry))
        taken += len(entry) + 1
        if taken + 2 * longest > room:
            return entries[:number]
    return entries


def _framed(title: str, entries: list[str], note: str = "", *, folded: bool) -> str:
    fence = "`" * max(3, 1 + max((_longest_run(entry) for entry in entries), default=0))
    body = f"{fence}diff\n{chr(10).join(entries)}\n{fence}\n{note}"
    if folded:
        return f"\n<details><summary>{title}</summary>\n\n{body}\n</details>\n"
    return f"\n#### {title}\n\n{body}"


def _more(count: int) -> str:
    return f"\n{count} more are not shown here.\n"


def _title(plan: Plan) -> str:
    return f"### Plan for {_inline(plan.environment)} ({plan.surface} surface)\n\n{_counts(plan)}\n"


def _counts(plan: Plan) -> str:
    """The summary in one line, deletes and replaces first and bold."""
    if plan.empty:
        return lines.nothing(plan) if plan.changed_since is None else _inline(lines.nothing(plan))
    parts = []
    for action in lines.REVIEW:
        if count := plan.count(action):
            text = f"{count} {lines.VERBS[action]}"
            parts.append(f"**{text}**" if action in lines.GRAVE else text)
    return f"Plan: {', '.join(parts)}."


def _left_out(sections: Sequence[_Section], report: str) -> str:
    missing = [f"{section.missing} of {section.title}" for section in sections if section.missing]
    return f"\nNot shown here: {', '.join(missing)}. All of it: {report}.\n" if missing else ""


def _head(change: Change) -> str:
    return lines.headline(change).lstrip()


def _block(change: Change) -> str:
    """The change as lines of a diff: a minus takes away, a plus brings."""
    fields = chain.from_iterable(_field(field, change.action) for field in change.fields)
    return "\n".join([_head(change), *fields, *(f"    {line}" for line in lines.remarks(change))])


def _field(field: FieldChange, action: Action) -> list[str]:
    name = visible(field.path)
    if field.ignored:
        return [f"    {lines.field_line(field, action)}"]
    before, after = lines.sides(field)
    taken = [f"-   {name}: {before}"] if action is not Action.CREATE and field.before is not None else []
    return [*taken, *([f"+   {name}: {after}"] if field.after is not None else [])]


def _week_head(week: ToldWeek) -> str:
    return visible(f"{week.title}: {week.targets}")


def _week(week: ToldWeek) -> str:
    """The week in words and letters, a short one: without what does not differ."""
    told = [f"    {visible(sentence)}" for sentence in (week.remark, *week.hours) if sentence]
    return "\n".join([_week_head(week), *told, *map(visible, week.letters)])


def _end(plan: Plan) -> str:
    notes = [lines.cost(plan)] if plan.changes else []
    scope = lines.scope_line(plan)
    if scope is not None:
        notes.append(_inline(scope))
    weakest = lines.weakest(plan.changes)
    if weakest is not None:
        notes.append(f"Weakest endpoint: {_inline(lines.endpoint_text(weakest))}.")
    return "\n" + "  \n".join(notes) + "\n" if notes else ""


def _inline(text: str) -> str:
    """``text`` as inline code, which GitHub does not interpret; the beginning of it where it is long."""
    shown = visible(text)
    if len(shown) > _MOST_INLINE:
        shown = f"{shown[: _MOST_INLINE - 3]}..."
    shown = re.sub("`{9,}", "`" * 8 + "...", shown)
    fence = "`" * (_longest_run(shown) + 1)
    space = " " if shown[:1] in "` " or shown[-1:] in "` " else ""
    return f"{fence}{space}{shown}{space}{fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)
