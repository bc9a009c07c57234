"""The arming weeks that a plan changes, before and after, as a part of its page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from html import escape

from reconciler.arming.weekly import Armed, WeekChange
from reconciler.render import grid, week_words
from reconciler.render.week import bar_html

MOST = 40
"""Weeks drawn on a page; more are told of, and a target shows them."""


def to_html(changes: Sequence[WeekChange], made: dt.datetime) -> str:
    """The weeks as a section; empty when there are none. ``made``: the plan's own time."""
    if not changes:
        return ""
    rest = len(changes) - MOST
    more = f'<p class="later">{rest} more weeks are not drawn; --target shows them.</p>' if rest > 0 else ""
    cards = "".join(_card(change, made) for change in changes[:MOST])
    return (
        '<section class="weeks" aria-labelledby="weeks"><h2 id="weeks">Arming weeks that change '
        f"({len(changes)})</h2><div>{cards}</div>{more}</section>"
    )


def _card(change: WeekChange, made: dt.datetime) -> str:
    sentences = "".join(f"<li>{escape(each)}</li>" for each in week_words.sentences(change))
    told = f'<ul aria-label="Hours that differ">{sentences}</ul>' if sentences else ""
    remark = week_words.remark(change)
    noted = f"<p>{escape(remark)}</p>" if remark else ""
    return (
        f'<article class="week"><h3>{escape(week_words.title(change))}</h3>'
        f'<p class="sites">{escape(week_words.names(change))}</p>{noted}{told}{_grid(change, made)}</article>'
    )


def _grid(change: WeekChange, made: dt.datetime) -> str:
    dates = week_words.dates(change)
    rows = []
    before, after = _days(change.before, change, made), _days(change.after, change, made)
    for number, date in enumerate(dates):
        sides = "" if change.unknown else _side("before", before[number], change, date)
        sides += _side("after", after[number], change, date)
        weekday, rest = week_words.date_text(date).split(" ", 1)
        rows.append(f"<li><b>{weekday} <span>{rest}</span></b><div>{sides}</div></li>")
    hours = "".join(f'<span style="left:{hour / 24:.4%}">{hour}</span>' for hour in range(0, 25, 6))
    scale = f'<div class="hours" aria-hidden="true"><span></span><div>{hours}</div></div>'
    return f"<ol>{''.join(rows)}</ol>{scale}"


def _days(side: Armed | None, change: WeekChange, made: dt.datetime) -> list[grid.Day | None]:
    dates = week_words.dates(change)
    if side is None:
        return [None] * len(dates)
    return list(grid.days(side.target, side.line, (), dates, made, change.zone))


def _side(name: str, day: grid.Day | None, change: WeekChange, date: dt.date) -> str:
    bars = "" if day is None else "".join(map(bar_html, day.bars))
    ticks = (
        "" if day is None else "".join(f'<i class="tick" style="left:{t.left:.4%}"></i>' for t in day.ticks)
    )
    parts = (grid.part(change.zone, date, one.start, one.end) for one in change.differences)
    marks = "".join(
        f'<i class="moved" style="left:{part.left:.4%};width:{part.right - part.left:.4%}"></i>'
        for part in parts
        if part is not None
    )
    told = "no schedule" if day is None else _sentence(day)
    return (
        f'<div class="side"><span aria-hidden="true">{name}</span>'
        f'<div class="bars" role="img" aria-label="{name}: {escape(told)}">{ticks}{bars}{marks}</div></div>'
    )


def _sentence(day: grid.Day) -> str:
    parts = (f"{week_words.words(bar.held.state)} {bar.begins} to {bar.ends}" for bar in day.bars)
    return ", ".join(parts) or "no such day"
