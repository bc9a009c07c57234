"""The sandbox's clock, and the ways CHeKT writes a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from reconciler.model import JsonObject


def real_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


class Clock:
    """A clock that can be frozen and moved.

    ``base`` drives rate limits, which concern the client's real pace; everything else follows the
    moved time.
    """

    def __init__(self, base: Callable[[], datetime] = real_clock) -> None:
        self.base = base
        self._offset = timedelta()
        self._frozen: datetime | None = None

    def now(self) -> datetime:
        """The sandbox's time, aware, in UTC."""
        return self._frozen if self._frozen is not None else self.base().astimezone(UTC) + self._offset

    def set(self, instant: datetime, *, frozen: bool) -> None:
        """Make it ``instant`` now, and let time stand still or run on."""
        self._offset = instant - self.base().astimezone(UTC)
        self._frozen = instant if frozen else None

    def advance(self, seconds: float) -> None:
        """Move forward (or back, when negative)."""
        if self._frozen is not None:
            self._frozen += timedelta(seconds=seconds)
        else:
            self._offset += timedelta(seconds=seconds)

    def release(self) -> None:
        """Follow the base clock again."""
        self._offset, self._frozen = timedelta(), None

    def to_json(self) -> JsonObject:
        """Now, the offset in seconds and the frozen instant or None."""
        return {
            "now": iso(self.now()),
            "offset": self._offset.total_seconds(),
            "frozen": iso(self._frozen) if self._frozen is not None else None,
        }

    def restore(self, saved: JsonObject) -> None:
        """Take up ``offset`` and ``frozen`` as ``to_json`` gave them."""
        offset, frozen = saved["offset"], saved["frozen"]
        assert isinstance(offset, (int, float)), offset
        self._offset = timedelta(seconds=offset)
        self._frozen = instant(str(frozen)) if frozen is not None else None


def iso(moment: datetime | float) -> str:
    """``2025-01-01T00:00:00.000Z``: how a create answers (section 3.7)."""
    when = datetime.fromtimestamp(moment, UTC) if isinstance(moment, (int, float)) else moment
    when = when.astimezone(UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"


def spaced(stamp: float) -> str:
    """``2025-01-01 00:00:00``, no zone: how a list answers (section 3.7)."""
    return datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%d %H:%M:%S")


def instant(text: str) -> datetime:
    """An ISO 8601 time with its zone, in UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write one such as 2026-01-01T00:00:00Z")
    return moment.astimezone(UTC)
