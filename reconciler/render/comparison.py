"""What a change does to transitions, as text and JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reconciler.arming.compare import Beginning, Comparison, Moved, Single
from reconciler.arming.states import State
from reconciler.arming.zones import Zone
from reconciler.escape import visible
from reconciler.model import JsonObject
from reconciler.render.timeline import change_json, local_text, spoken, target_text
from reconciler.times import utc_text


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: the release of its time-zone data, and its zones."""

    release: str
    zone: Callable[[str], Zone]


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison of ``[start, end)`` with what made its sides."""

    comparison: Comparison
    start: dt.datetime
    end: dt.datetime
    before: Side
    after: Side


def to_json(compared: Compared) -> JsonObject:
    """The comparison; added and dropped rows are those of ``transitions``, moved ones have both times."""
    found = compared.comparison
    return {
        "from": utc_text(compared.start),
        "to": utc_text(compared.end),
        "tzdata": {"before": compared.before.release, "after": compared.after.release},
        "starts": [
            {
                "target": one.target.address,
                "partition": one.target.partition,
                "before": _state(one.before),
                "after": _state(one.after),
            }
            for one in found.begins
        ],
        "added": [_single(one, compared.after) for one in found.added],
        "dropped": [_single(one, compared.before) for one in found.dropped],
        "moved": [_moved(one, compared) for one in found.moved],
        "summary": _counts(found),
    }


def _counts(found: Comparison) -> JsonObject:
    return {
        "added": len(found.added),
        "dropped": len(found.dropped),
        "moved": len(found.moved),
        "kept": found.kept,
        "starts": len(found.begins),
    }


def _state(state: State | None) -> str | None:
    return None if state is None else str(state)


def _single(one: Single, side: Side) -> JsonObject:
    change = one.transition
    zone = side.zone(one.target.zone)
    return change_json(one.target, zone, change)


def _moved(one: Moved, compared: Compared) -> JsonObject:
    before, after = compared.before.zone(one.target.zone), compared.after.zone(one.target.zone)
    return {
        **change_json(one.target, after, one.after),
        "was": utc_text(one.before.at),
        "was_local": local_text(one.before.at, before),
        "seconds": round((one.after.at - one.before.at).total_seconds()),
    }


def to_text(compared: Compared) -> Iterator[str]:
    """One line a difference, ``+`` added, ``-`` dropped, ``~`` moved, then the sums."""
    found = compared.comparison
    for one in found.begins:
        yield _begin_line(one, compared.start)
    rows: list[tuple[dt.datetime, str]] = []
    rows += [(one.transition.at, _single_line("+", one, compared.after)) for one in found.added]
    rows += [(one.transition.at, _single_line("-", one, compared.before)) for one in found.dropped]
    rows += [(one.after.at, _moved_line(one, compared)) for one in found.moved]
    rows.sort(key=lambda row: row[0])
    yield from (line for _, line in rows)
    span = f"from {utc_text(compared.start)} to {utc_text(compared.end)}"
    if found.empty:
        yield f"No difference {span}: {found.kept} transitions on both sides."
        return
    yield (
        f"{len(found.added)} added, {len(found.dropped)} dropped, {len(found.moved)} moved, "
        f"{found.kept} as before, {span}."
    )


def _begin_line(one: Beginning, start: dt.datetime) -> str:
    before, after = (_state(state) or "not armed by a schedule" for state in (one.before, one.after))
    return f"~ {target_text(one.target)}  at {utc_text(start)}: {before} -> {after}"


def _single_line(sign: str, one: Single, side: Side) -> str:
    change, zone = one.transition, side.zone(one.target.zone)
    step = f"{change.from_state} -> {change.to_state}"
    where = f"{target_text(one.target)}  {spoken(change.at, zone)} ({utc_text(change.at)})"
    return f"{sign} {where}  {step}  {visible(change.reason)}"


def _moved_line(one: Moved, compared: Compared) -> str:
    before, after = compared.before.zone(one.target.zone), compared.after.zone(one.target.zone)
    step = f"{one.after.from_state} -> {one.after.to_state}"
    times = f"{spoken(one.before.at, before)} -> {spoken(one.after.at, after)}"
    return f"~ {target_text(one.target)}  {times}  {_shift(one)}  {step}  {visible(one.after.reason)}"


def _shift(one: Moved) -> str:
    seconds = round((one.after.at - one.before.at).total_seconds())
    minutes, rest = divmod(abs(seconds), 60)
    amount = f"{minutes // 60}:{minutes % 60:02d}" + (f":{rest:02d}" if rest else "")
    return f"{amount} {'later' if seconds > 0 else 'earlier'}"
