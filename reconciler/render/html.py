"""A plan as one self-contained HTML page: no request to anywhere, and whole without its script."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

from reconciler.arming.weekly import WeekChange
from reconciler.model import Action, Address, Change, Plan
from reconciler.planning.scope import chain
from reconciler.render import html_change, lines, week_change
from reconciler.render.html_change import link, text
from reconciler.render.html_page import page
from reconciler.render.html_script import HASH, SCRIPT
from reconciler.render.html_style import STYLE

OPEN = 300
"""Up to so many changes all groups are open; above, only those that take something away."""

_MOST_NAMED = 100
"""Addresses in the list of what goes away; the groups below have them all."""


class _Group(NamedTuple):
    """The changes of one site, heaviest first; ``site`` is None for those of the account."""

    site: Address | None
    changes: tuple[Change, ...]

    @property
    def grave(self) -> bool:
        return any(change.action in lines.GRAVE for change in self.changes)


def to_html(plan: Plan, weeks: Sequence[WeekChange] = ()) -> str:
    """``plan`` as a page, with the arming ``weeks`` it changes. Every value is escaped.

    The page allows itself nothing but its own style and script.
    """
    title = f"Plan for {text(plan.environment)}"
    body = [
        f'<header class="page"><h1>{title}</h1>{_about(plan)}</header>',
        _warnings(plan.warnings),
        _facts(plan) if plan.changes else "",
        _bar(plan) if plan.changes else "",
        "<main>",
        "" if plan.changes else f'<p class="nothing">{escape(lines.nothing(plan))}</p>',
        _going(plan),
        week_change.to_html(weeks, plan.created_at),
        *(_section(group, opened=group.grave or len(plan.changes) <= OPEN) for group in _groups(plan)),
        _unmanaged(plan.unmanaged),
        "</main>",
        f"<script>{SCRIPT}</script>",
    ]
    return page(title, body, style=STYLE, script_source=HASH, mark=_mark(plan))


def _mark(plan: Plan) -> str:
    """A large page leaves out of the layout what is not in sight."""
    return "" if len(plan.changes) <= OPEN else "large"


def _about(plan: Plan) -> str:
    scope = lines.scope_line(plan)
    limited = f'<p class="limited">{escape(scope)}</p>' if scope is not None else ""
    made, expires = _time(plan.created_at), _time(plan.expires_at)
    return f"<p>{plan.surface} surface · made {made} · expires {expires}</p>{limited}"


def _time(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f'<time datetime="{utc:%Y-%m-%dT%H:%M:%SZ}">{utc:%Y-%m-%d %H:%M} UTC</time>'


def _warnings(warnings: Sequence[str]) -> str:
    rows = "".join(f"<li>{text(warning)}</li>" for warning in warnings)
    if not rows:
        return ""
    return (
        f'<section class="warnings" aria-labelledby="warnings"><h2 id="warnings">Warnings '
        f"({len(warnings)})</h2><ul>{rows}</ul></section>"
    )


def _facts(plan: Plan) -> str:
    requests = plan.requests
    facts = [
        ("Requests", f"{requests.read} to read, {requests.write} to write"),
        ("Time", f"{lines.duration(requests.seconds)} at the rate budget"),
    ]
    weakest = lines.weakest(plan.changes)
    if weakest is not None:
        facts.append(("Weakest endpoint", lines.endpoint_text(weakest)))
    rows = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return f'<dl class="facts" aria-label="What it takes">{rows}</dl>'


def _bar(plan: Plan) -> str:
    """The counts, which stay in sight; with the script they choose, and there is a filter."""
    chips = "".join(_chip(action, plan.count(action)) for action in lines.REVIEW if plan.count(action))
    return (
        '<form class="choose" role="search" aria-label="Choose changes">'
        f'<fieldset><legend class="unseen">Actions</legend>{chips}</fieldset>'
        '<label class="query"><span class="unseen">Filter changes by address, place, field or value</span>'
        '<input type="search" id="query" placeholder="Filter" autocomplete="off" spellcheck="false"></label>'
        f'<output id="shown" for="query" aria-live="polite">{len(plan.changes)} changes</output></form>'
    )


def _chip(action: Action, count: int) -> str:
    return (
        f'<label class="chip {action.value}"><input type="checkbox" value="{action.value}" checked>'
        f"<b>{count}</b> {lines.VERBS[action]}</label>"
    )


def _going(plan: Plan) -> str:
    """What an apply takes away, by name, before anything else."""
    going = [
        change for action in lines.REVIEW for change in plan.changes if change.action is action in lines.GRAVE
    ]
    if not going:
        return ""
    rows = "".join(
        f'<li><b class="verb {change.action.value}">{change.action.value}</b> {link(change.address)}</li>'
        for change in going[:_MOST_NAMED]
    )
    rest = len(going) - _MOST_NAMED
    more = f"<li>and {rest} more, in their groups below</li>" if rest > 0 else ""
    return (
        '<section class="going" aria-labelledby="going"><h2 id="going">Deleted or replaced '
        f"({len(going)})</h2><ul>{rows}{more}</ul></section>"
    )


def _groups(plan: Plan) -> list[_Group]:
    """The changes by site, in plan order, but what takes something away first; the account's own lead."""
    found: dict[Address | None, list[Change]] = {}
    for change in plan.changes:
        site = next((step for step in chain(change.address) if step.kind == "site"), None)
        found.setdefault(site, []).append(change)
    groups = [
        _Group(site, tuple(sorted(changes, key=lambda change: lines.REVIEW.index(change.action))))
        for site, changes in found.items()
    ]
    return sorted(groups, key=lambda group: (not group.grave, group.site is not None))


def _section(group: _Group, *, opened: bool) -> str:
    counts = ((action, sum(change.action is action for change in group.changes)) for action in lines.REVIEW)
    told = " · ".join(f"{count} {lines.VERBS[action]}" for action, count in counts if count)
    name = "The account" if group.site is None else text(str(group.site))
    changes = "".join(html_change.to_html(change) for change in group.changes)
    grave = " grave" if group.grave else ""
    return (
        f'<details class="group{grave}"{" open" if opened else ""}><summary><h2>{name}</h2>'
        f"<span>{told}</span></summary>{changes}</details>"
    )


def _unmanaged(addresses: Sequence[Address]) -> str:
    if not addresses:
        return ""
    rows = "".join(f"<li>{text(str(address))}</li>" for address in addresses)
    return (
        '<section class="unmanaged" aria-labelledby="unmanaged"><h2 id="unmanaged">Unmanaged, left alone '
        f"({len(addresses)})</h2><ul>{rows}</ul></section>"
    )
