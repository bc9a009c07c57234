"""From the local clock to instants, through gaps and overlaps (DESIGN section 8).

In a gap a change happens at the instant of the clock change. A local time shown twice fails secure: a
change to a stricter state happens at its first occurrence, to a looser one at its second. So an opening
that would end before it starts does not open, and where that makes windows overlap the stricter holds.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from reconciler.arming.days import LocalDays
from reconciler.arming.states import State
from reconciler.arming.zones import Zone

EPOCH_DAY = 719163
"""The ordinal of 1970-01-01."""

_SECONDS = 86400


@dataclass(slots=True)
class Moments:
    """From each instant ``at`` (seconds since 1970 UTC, ascending) on: a state and its reason."""

    at: list[int] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def add(self, at: int, state: State, reason: str) -> None:
        """Note what holds from ``at`` on, unless it held already."""
        if not self.at or self.states[-1] is not state or self.reasons[-1] != reason:
            self.at.append(at)
            self.states.append(state)
            self.reasons.append(reason)


def moments(days: LocalDays, zone: Zone, first: int, last: int) -> Moments:
    """The states of the local dates ``first`` to ``last`` (ordinals) and, around clock changes, some more.

    The first moment says what holds at the beginning; neighbours differ in state or reason.
    """
    found = Moments()
    runs = _changing(zone)
    for low, high in runs[bisect_left(runs, first, key=lambda run: run[1]) :]:
        if low > last:
            break
        if first < low:
            _steady(found, days, zone, first, low - 1)
        _around_changes(found, days, zone, low, high)
        first = high + 1
    if first <= last:
        _steady(found, days, zone, first, last)
    return found


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


def _steady(found: Moments, days: LocalDays, zone: Zone, first: int, last: int) -> None:
    """Dates on which the clock is not moved."""
    midnight = zone.first((first - EPOCH_DAY) * _SECONDS)
    now: State | None = found.states[-1] if found.at else None
    why = found.reasons[-1] if found.at else ""
    # The loop that everything else waits for: Moments.add, written out.
    at, states, reasons = found.at.append, found.states.append, found.reasons.append
    for pieces in days.days(first, last):
        for second, state, reason in pieces:
            if state is not now or reason != why:
                at(midnight + second)
                states(state)
                reasons(reason)
                now, why = state, reason
        midnight += _SECONDS


def _around_changes(found: Moments, days: LocalDays, zone: Zone, low: int, high: int) -> None:
    """Dates on which it is moved; the first and the last are whole days on which it is not."""
    local = (low - EPOCH_DAY) * _SECONDS
    bounds: list[tuple[int, State, str]] = []
    for pieces in days.days(low, high):
        bounds += [(local + second, state, reason) for second, state, reason in pieces]
        local += _SECONDS
    bounds.append((local, bounds[-1][1], ""))

    began = zone.first(bounds[0][0])
    spans: list[tuple[int, int, State, str]] = []
    for (_, state, reason), (ending, after, _) in pairwise(bounds):
        ends = zone.first(ending) if after >= state else zone.last(ending)
        spans.append((began, ends, state, reason))  # one that ends before it starts holds nowhere
        began = ends
    edges = sorted({edge for begin, end, _, _ in spans for edge in (begin, end)})
    for edge in edges[:-1]:
        holding = [span for span in spans if span[0] <= edge < span[1]]
        _, _, state, reason = max(holding, key=lambda span: span[2])
        found.add(edge, state, reason)
