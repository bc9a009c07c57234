"""What the daemon hears from outside: that somebody has armed or disarmed a site, and who.

Level-triggered stays the law (DESIGN section 8): a notice decides nothing. It makes the daemon look at that
site now, and says who brought about what the look finds. So a forged, repeated, late or lost one costs a
look at most.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

MOST_WAITING = 10_000
"""Notices kept until they are dealt with; what comes beyond is left to the reviews."""

End = Literal["looked", "unknown", "other", "repeated", "dropped"]


@dataclass(frozen=True, slots=True)
class Notice:
    """Somebody says that the arming of a site has changed. Times are aware, UTC.

    ``id``: the same for every delivery of one event. ``site_id``: CHeKT's. ``partition``: None where the
    whole site is meant, or it is not said. ``state``: what the site is said to be now, in CHeKT's word.
    ``at``: when it changed, else when that was heard. ``by`` and ``source``: who changed it, and through
    what, as far as it is said.
    """

    id: str
    site_id: str
    partition: int | None
    state: str
    at: datetime
    by: str = ""
    source: str = ""


class Feed:
    """The notices between those who receive them and the daemon. Thread-safe.

    ``wake``: ends the daemon's wait. ``consumed``: told the ids of notices that need not be heard again,
    not even after a restart.
    """

    def __init__(
        self,
        wake: Callable[[], object] = lambda: None,
        consumed: Callable[[Collection[str]], object] = lambda _ids: None,
    ) -> None:
        self._wake = wake
        self._consumed = consumed
        self._lock = threading.Lock()
        self._waiting: dict[str, Notice] = {}
        self._new: list[Notice] = []
        self._passed_over: list[str] = []
        self._counts: Counter[End] = Counter()

    def put(self, notice: Notice) -> None:
        """Take ``notice`` in, from any thread, unless it is known."""
        with self._lock:
            if notice.id in self._waiting:
                self._counts["repeated"] += 1
                return
            if len(self._waiting) >= MOST_WAITING:
                self._counts["dropped"] += 1
                return
            self._waiting[notice.id] = notice
            self._new.append(notice)
        self._wake()

    def pass_over(self, id_: str) -> None:
        """Take in, from any thread, that an event says nothing of arming."""
        with self._lock:
            self._passed_over.append(id_)

    def take(self) -> list[Notice]:
        """The notices that came since the last time, in the order in which they came."""
        with self._lock:
            taken, self._new = self._new, []
            other, self._passed_over = self._passed_over, []
        self.done(other, "other")
        return taken

    def rewind(self) -> None:
        """Let ``take`` give again what is not done with."""
        with self._lock:
            self._new = list(self._waiting.values())

    def done(self, ids: Collection[str], end: End) -> None:
        """These notices need not be heard again. Raises what ``consumed`` raises."""
        if not ids:
            return
        with self._lock:
            for each in ids:
                self._waiting.pop(each, None)
            self._counts[end] += len(ids)
        self._consumed(ids)

    def counts(self) -> dict[str, int]:
        """How many notices ended how, since the process began."""
        with self._lock:
            return {end: self._counts[end] for end in sorted(self._counts)}
