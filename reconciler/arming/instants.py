"""From the local clock to instants, through gaps and overlaps (DESIGN section 8).

In a gap a change happens at the instant of the clock change. A local time shown twice fails secure: a
change to a stricter state happens at its first occurrence, to a looser one at its second. So an opening
that would end before it starts does not open, and where that makes windows overlap the stricter holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from reconciler.arming.days import LocalDays
from reconciler.arming.states import State
from reconciler.arming.zones import Zone

EPOCH_DAY = 719163
"""The ordinal of 1970-01-01."""

_SECONDS = 86400


class Moment(NamedTuple):
    """From the instant ``at`` (seconds since 1970 UTC) on: the state and its reason."""

    at: int
    state: State
    reason: str


def moments(days: LocalDays, zone: Zone, first: int, last: int) -> Iterator[Moment]:
    """The states of the local dates ``first`` to ``last`` (ordinals) and, around clock changes, some more.

    Ascending; the first moment says what holds at the beginning; neighbours differ in state or reason.
    """
    state: State | None = None
    reason = ""
    for moment in _all_moments(days, zone, first, last):
        if moment[1] is not state or moment[2] != reason:
            _, state, reason = moment
            yield moment


def _all_moments(days: LocalDays, zone: Zone, first: int, last: int) -> Iterator[Moment]:
    for low, high in _changing(zone):
        if high < first:
            continue
        if low > last:
            break
        if first < low:
            yield from _steady(days, zone, first, low - 1)
        yield from _around_changes(days, zone, low, high)
        first = high + 1
    if first <= last:
        yield from _steady(days, zone, first, last)


@lru_cache(maxsize=1024)
def _changing(zone: Zone) -> tuple[tuple[int, int], ...]:
    """Runs of dates, both ends included, that a clock change and the day before and after it touch."""
    runs: list[tuple[int, int]] = []
    for change in zone.changes:
        low = (change.at + min(change.before, change.after)) // _SECONDS + EPOCH_DAY - 1
        high = (change.at + max(change.before, change.after)) // _SECONDS + EPOCH_DAY + 1
        if runs and low <= runs[-1][1] + 1:
            low = runs.pop()[0]
        runs.append((low, high))
    return tuple(runs)


def _steady(days: LocalDays, zone: Zone, first: int, last: int) -> Iterator[Moment]:
    """Dates on which the clock is not moved."""
    local = (first - EPOCH_DAY) * _SECONDS
    midnight = zone.first(local)
    for pieces in days.days(first, last):
        for second, state, reason in pieces:
            yield Moment(midnight + second, state, reason)
        midnight += _SECONDS


def _around_changes(days: LocalDays, zone: Zone, low: int, high: int) -> Iterator[Moment]:
    """Dates on which it is moved; the first and the last are whole days on which it is not."""
    local = (low - EPOCH_DAY) * _SECONDS
    bounds: list[Moment] = []
    for pieces in days.days(low, high):
        bounds += [Moment(local + second, state, reason) for second, state, reason in pieces]
        local += _SECONDS
    bounds.append(Moment(local, bounds[-1].state, ""))

    began = zone.first(bounds[0].at)
    spans: list[tuple[int, int, State, str]] = []
    for (_, state, reason), after in pairwise(bounds):
        ends = zone.first(after.at) if after.state >= state else zone.last(after.at)
        if began < ends:
            spans.append((began, ends, state, reason))
        began = ends
    edges = sorted({edge for begin, end, _, _ in spans for edge in (begin, end)})
    for edge in edges[:-1]:
        holding = [span for span in spans if span[0] <= edge < span[1]]
        _, _, state, reason = max(holding, key=lambda span: span[2])
        yield Moment(edge, state, reason)
