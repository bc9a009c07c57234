"""When sites are armed, day by day, as one self-contained HTML page: no script, no request to anywhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from reconciler.arming.fleet import Fleet, Overrides
from reconciler.arming.project import Target
from reconciler.arming.states import State
from reconciler.arming.timeline import Timeline
from reconciler.arming.zones import zone
from reconciler.escape import visible
from reconciler.render import grid
from reconciler.render.html_page import page
from reconciler.render.week_style import STYLE
from reconciler.render.week_words import date_text, words
from reconciler.times import utc_text

MOST_ROWS = 1500
"""Days drawn on one page, over all cards: about 2 MB, which a phone still opens."""

APART = 40
"""Up to so many targets each one has a card; above, those that are armed alike share one."""

MOST_NAMES = 200
"""Names listed on a shared card."""

_LABEL_GAP = 0.14
"""Least distance of two times below a bar, in shares of the day; nearer ones would cover each other."""


@dataclass(frozen=True, slots=True)
class Weeks:
    """What the page shows.

    ``names``: site names by address. ``first``: the date every grid begins with; None: the local date
    of ``start``. ``days``: how many follow. ``made``: the page's own time (UTC).
    """

    fleet: Fleet
    overrides: Overrides
    names: Mapping[str, str]
    start: dt.datetime
    first: dt.date | None
    days: int
    made: dt.datetime
    release: str
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Card:
    """The targets of one grid: one, or many that are armed alike."""

    targets: tuple[Target, ...]
    line: Timeline


def to_html(weeks: Weeks) -> str:
    """The page. Every value is escaped; the page allows itself nothing but its own style."""
    cards = _cards(weeks)
    drawn = cards[: max(1, MOST_ROWS // weeks.days)]
    body = [
        "<header><h1>When sites are armed</h1>",
        f"<p>Local time of each site. {_made(weeks)}</p>",
        _legend(),
        "</header>",
        _warnings(weeks.warnings),
        "<main>",
        *(_card(card, weeks) for card in drawn),
        "</main>",
        _left_out(len(drawn), cards),
    ]
    return page("When sites are armed", body, style=STYLE)


def _made(weeks: Weeks) -> str:
    sites = {target.address for target in weeks.fleet.targets}
    partitions = sum(target.partition is not None for target in weeks.fleet.targets)
    counted = f"{len(sites)} site{'' if len(sites) == 1 else 's'}"
    counted += f" with {partitions} partition{'' if partitions == 1 else 's'}" if partitions else ""
    overrides = "overrides included" if weeks.overrides else "overrides left out or none"
    return escape(f"{counted}, {overrides}. Made {utc_text(weeks.made)} with time-zone data {weeks.release}.")


def _legend() -> str:
    entries = [f'<li><i class="{state}"></i>{words(state)}</li>' for state in reversed(State)]
    entries.append('<li><i class="armed_away override"></i>override by a person</li>')
    entries.append('<li><i class="made"></i>when this page was made</li>')
    return f'<ul class="legend">{"".join(entries)}</ul>'


def _warnings(warnings: Sequence[str]) -> str:
    rows = "".join(f"<li>{escape(visible(warning))}</li>" for warning in warnings)
    return f'<section class="warnings"><h2>Warnings</h2><ul>{rows}</ul></section>' if rows else ""


def _cards(weeks: Weeks) -> list[_Card]:
    fleet = weeks.fleet
    together = len(fleet.targets) > APART
    groups: dict[object, tuple[Timeline, list[Target]]] = {}
    for target in fleet.targets:
        line = fleet.timeline_of(target.key)
        assert line is not None
        alone = not together or target.key in weeks.overrides
        groups.setdefault(target.key if alone else line, (line, []))[1].append(target)
    return [_Card(tuple(targets), line) for line, targets in groups.values()]


def _left_out(drawn: int, cards: Sequence[_Card]) -> str:
    if drawn == len(cards):
        return ""
    sites = sum(len(card.targets) for card in cards[drawn:])
    return (
        f'<p class="more">{sites} more sites and partitions in {len(cards) - drawn} groups are not drawn. '
        "Choose some with --target, or fewer days.</p>"
    )


def _card(card: _Card, weeks: Weeks) -> str:
    target = card.targets[0]
    overrides = weeks.overrides.get(target.key, ())
    first = weeks.first or zone(target.zone).local(weeks.start).date()
    dates = [first + dt.timedelta(days=number) for number in range(weeks.days)]
    days = list(grid.days(target, card.line, overrides, dates, weeks.made))
    sections = [_week(days[begin : begin + 7]) for begin in range(0, len(days), 7)]
    return (
        f"<article><h2>{escape(_title(card, weeks.names))}</h2>"
        f'<p class="about">{escape(visible(_about(card)))}</p>{_members(card, weeks.names)}'
        f"{''.join(sections)}{_changes(days, card.line)}</article>"
    )


def _name(target: Target, names: Mapping[str, str]) -> str:
    name = visible(names.get(target.address, target.address))
    return name if target.partition is None else f"{name}, partition {target.partition}"


def _title(card: _Card, names: Mapping[str, str]) -> str:
    if len(card.targets) == 1:
        return _name(card.targets[0], names)
    return f"{len(card.targets)} sites and partitions armed alike"


def _about(card: _Card) -> str:
    target = card.targets[0]
    where = f"{target.address} · " if len(card.targets) == 1 else ""
    return f"{where}schedule {target.schedule.id} · {target.zone}"


def _members(card: _Card, names: Mapping[str, str]) -> str:
    if len(card.targets) == 1:
        return ""
    rows = "".join(f"<li>{escape(_name(target, names))}</li>" for target in card.targets[:MOST_NAMES])
    rest = len(card.targets) - MOST_NAMES
    more = f"<li>and {rest} more</li>" if rest > 0 else ""
    return f"<details><summary>Which ones</summary><ul>{rows}{more}</ul></details>"


def _week(days: Sequence[grid.Day]) -> str:
    first, last = days[0].date, days[-1].date
    span = (
        f"{date_text(first)} to {date_text(last)} {last.year}"
        if len(days) > 1
        else f"{date_text(first)} {first.year}"
    )
    hours = "".join(f'<span style="left:{hour / 24:.4%}">{hour}</span>' for hour in range(0, 25, 6))
    rows = "".join(_day(day) for day in days)
    return (
        f'<section><h3>{span}</h3><div class="hours" aria-hidden="true"><span></span><div>{hours}</div></div>'
        f"<ol>{rows}</ol></section>"
    )


def _day(day: grid.Day) -> str:
    weekday, rest = date_text(day.date).split(" ", 1)
    kind = "weekend" if day.date.weekday() >= 5 else "weekday"
    inside = [
        *(f'<i class="tick" style="left:{tick.left:.4%}"></i>' for tick in day.ticks),
        *map(bar_html, day.bars),
        "" if day.now is None else f'<i class="made" style="left:{day.now:.4%}"></i>',
    ]
    times = "".join(f'<span style="left:{left:.4%}">{text}</span>' for left, text in _times(day))
    notes = f'<p class="note">{escape(visible("; ".join(day.notes)))}</p>' if day.notes else ""
    return (
        f'<li class="{kind}"><b>{weekday} <span>{rest}</span></b>'
        f'<div class="day"><div class="bars" role="img" aria-label="{escape(_sentence(day))}">'
        f'{"".join(inside)}</div><div class="times" aria-hidden="true">{times}</div>{notes}</div></li>'
    )


def bar_html(bar: grid.Bar) -> str:
    """One state held, labelled where there is room."""
    width = bar.right - bar.left
    held = bar.held
    label = "override: " + held.state.mode if held.override else words(held.state)
    if width < 0.3:
        label = held.state.mode if width > 0.13 else ""
    kinds = f"bar {held.state}" + (" override" if held.override else "")
    title = escape(f"{bar.begins} to {bar.ends} {words(held.state)}: {visible(held.reason)}")
    style = f"left:{bar.left:.4%};width:{width:.4%}"
    return f'<span class="{kinds}" style="{style}" title="{title}">{label}</span>'


def _times(day: grid.Day) -> Iterator[tuple[float, str]]:
    """The times of the changes inside the day, those that fit beside each other."""
    last = -1.0
    for bar in day.bars[1:]:
        if bar.left - last >= _LABEL_GAP:
            yield bar.left, bar.begins
            last = bar.left


def _sentence(day: grid.Day) -> str:
    """The day in words, for those who cannot see it."""
    parts = [
        f"{words(bar.held.state)} {bar.begins} to {bar.ends}" + (" by override" if bar.held.override else "")
        for bar in day.bars
    ]
    return f"{date_text(day.date)}: {', '.join(parts) or 'no such day'}"


def _changes(days: Iterable[grid.Day], line: Timeline) -> str:
    """Every change with its reason, folded away."""
    seen: set[int] = set()
    rows = []
    for day in days:
        for bar in day.bars:
            if bar.held.start in seen:
                continue
            seen.add(bar.held.start)
            date = date_text(grid.local_date(line.zone, bar.held.start))
            when = f"{date} {grid.clock(line.zone, bar.held.start)}"
            cells = (when, words(bar.held.state), visible(bar.held.reason))
            rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    head = '<tr><th scope="col">From</th><th scope="col">State</th><th scope="col">Why</th></tr>'
    return (
        f'<details><summary>Changes and reasons</summary><div class="scroll"><table><thead>{head}</thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></details>"
    )
