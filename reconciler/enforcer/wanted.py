"""What each target should be at an instant, since when and until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reconciler.arming.overrides import active
from reconciler.arming.project import Target
from reconciler.arming.spec import Override
from reconciler.arming.states import State
from reconciler.arming.timeline import Timeline, timeline

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""The beginning of a state that has held for longer than anybody looks back."""

_LOOKS_BACK = (timedelta(days=8), timedelta(days=400))
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The state wanted in ``[due, until)``, and why. ``ordered``: by a person's override.

    ``until``: None where it does not end within ten years. ``before``: when the state before this one
    began, None where that is longer ago than anybody looks back.
    """

    state: State
    reason: str
    due: datetime
    until: datetime | None
    ordered: bool = False
    before: datetime | None = None


class Timelines:
    """The periods of many targets. Those that share schedule, calendars and zone share the work."""

    def __init__(self) -> None:
        self._of: dict[tuple[int, int, str], Timeline] = {}
        self._kept: list[Target] = []
        self._periods: dict[Timeline, Wanted] = {}

    def wanted(self, target: Target, now: datetime, overrides: Sequence[Override] = ()) -> Wanted:
        """What ``target`` should be at ``now`` (aware), under ``overrides``."""
        line = self._timeline(target)
        if overrides:
            return period(line, now, overrides)
        known = self._periods.get(line)
        if known is None or now < known.due or (known.until is not None and now >= known.until):
            known = self._periods[line] = period(line, now)
        return known

    def _timeline(self, target: Target) -> Timeline:
        shared = (id(target.schedule), id(target.calendars), target.zone)
        found = self._of.get(shared)
        if found is None:
            found = self._of[shared] = timeline(target.schedule, target.calendars, target.zone)
            self._kept.append(target)  # keeps the objects alive whose ids are the key
        return found


def period(line: Timeline, now: datetime, overrides: Sequence[Override] = ()) -> Wanted:
    """The period of ``line`` that holds at ``now`` (aware)."""
    decision = line.decide(now, overrides)
    changes = _changes(line, now, overrides)
    changed = changes[-1] if changes else LONG_AGO
    order = active(overrides, now)
    # An override that asks for the same again is an order of its own: above what people did before it.
    due = changed if order is None or order.start is None else max(changed, order.start)
    return Wanted(
        decision.state,
        decision.reason,
        due,
        decision.valid_until,
        ordered=order is not None,
        before=changes[-2] if len(changes) > 1 else None,
    )


def _changes(line: Timeline, now: datetime, overrides: Sequence[Override]) -> Sequence[datetime]:
    """The last changes of state up to ``now``, ascending."""
    for span in _LOOKS_BACK:
        start = max(now - span, LONG_AGO)
        changes = [
            change.at for change in line.transitions(start, now + _SECOND, overrides) if change.at <= now
        ]
        if changes:
            return changes
    return ()
