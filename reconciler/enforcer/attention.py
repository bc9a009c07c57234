"""Where the daemon looks because of what it heard: soon, seldom enough, never in place of a planned look."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from reconciler.arming.project import Target, TargetKey
from reconciler.enforcer import pace
from reconciler.enforcer.feed import Feed, Notice
from reconciler.enforcer.port import Observation
from reconciler.enforcer.watch import Watch
from reconciler.places import Sites

_REMEMBERED = 1000
"""Sites not enforced here that are told of once; from then on they are counted only."""

_KEPT = 16
"""Notices of one site that are kept: who changed it last, and before."""


class Allowance:
    """Looks that may be taken for the sake of notices: ``per_minute``, and ``burst`` at once."""

    def __init__(self, per_minute: float, burst: float, now: datetime) -> None:
        self._each = timedelta(minutes=1) / per_minute
        self._burst = burst
        self._left = burst
        self._at = now

    def take(self, now: datetime) -> datetime | None:
        """None where a look may be taken now, else when."""
        self._at = min(self._at, now)  # the clock may have been set back
        self._left = min(self._burst, self._left + (now - self._at) / self._each)
        self._at = now
        if self._left < 1:
            return now + (1 - self._left) * self._each
        self._left -= 1
        return None


class Attention:
    """The notices not dealt with, by target, and the looks they cause. Not thread-safe: one loop drives it.

    ``per_minute``: the request budget, of which looks take a small share. ``note`` takes log lines.
    """

    def __init__(
        self,
        feed: Feed,
        watch: Watch,
        sites: Sites,
        per_minute: float,
        now: datetime,
        note: Callable[[str], None],
    ) -> None:
        self._feed = feed
        self._watch = watch
        self._sites = sites
        self._note = note
        share = per_minute * pace.HEARD_SHARE
        self._allowance = Allowance(share, max(1.0, min(share / 4, pace.HEARD_BURST)), now)
        self._of_site: dict[str, list[Target]] = {}
        for target in watch.targets:
            self._of_site.setdefault(target.address, []).append(target)
        self._unplaced: list[Notice] = []
        self._pending: dict[str, list[Notice]] = {}
        self._recent: dict[str, deque[Notice]] = {}
        self._since: dict[str, datetime] = {}
        self._looked: dict[str, datetime] = {}
        self._told: set[str] = set()
        self._again: datetime | None = None
        feed.rewind()

    def heard(self, target: Target) -> Sequence[Notice]:
        """What was said of ``target`` lately, in the order in which it came, looked into or not.

        An event may come before its change shows, or while an alarm hides it.
        """
        return [notice for notice in self._recent.get(target.address, ()) if _about(notice, target.key)]

    @property
    def next_at(self) -> datetime | None:
        """When a look may be taken that had to wait; None where there is none."""
        return self._again

    def plan(self, now: datetime) -> None:
        """Take in what came, and plan the looks that may be taken at ``now`` (aware), oldest first."""
        self._place([*self._unplaced, *self._feed.take()], now)
        waits = []
        for address in self._pending:
            self._since[address] = min(self._since[address], now)  # the clock may have been set back
            looked = self._looked.get(address)
            if looked is not None and looked <= now < looked + pace.HEARD_APART:
                waits.append(looked + pace.HEARD_APART)
                continue
            targets = self._to_look_at(address, now)
            again = self._allowance.take(now) if targets else None
            if again is not None:
                waits.append(again)
                break
            for target in targets:
                self._looked[address] = now
                self._watch.glance(target, now)
        self._again = min(waits, default=None)

    def _to_look_at(self, address: str, now: datetime) -> list[Target]:
        """What to look at of a site besides what is planned.

        Nothing where nobody answers (the next look that succeeds is soon enough), or where a look is near.
        """
        notices, soon = self._pending[address], now + pace.HEARD_SOON
        return [
            target
            for target in self._of_site[address]
            if any(_about(notice, target.key) for notice in notices)
            and self._watch.memory(target.key).outage_since is None
            and ((planned := self._watch.planned(target.key)) is None or planned > soon)
        ]

    def _place(self, notices: Iterable[Notice], now: datetime) -> None:
        self._unplaced = []
        strange = []
        for notice in notices:
            found = self._sites.find(notice.site_id, self._of_site)
            if found is None:
                self._unplaced.append(notice)
            elif not found:
                strange.append(notice)
            for address in found or ():
                self._keep(address, notice, now)
        for site_id in dict.fromkeys(notice.site_id for notice in strange):
            self._tell(site_id)
        self._feed.done([notice.id for notice in strange], "unknown")

    def _keep(self, address: str, notice: Notice, now: datetime) -> None:
        self._recent.setdefault(address, deque(maxlen=_KEPT)).append(notice)
        waiting = self._pending.setdefault(address, [])
        self._since[address] = now
        waiting.append(notice)
        if len(waiting) > _KEPT:  # the look to come is for this one too
            self._feed.done([waiting.pop(0).id], "looked")

    def _tell(self, site_id: str) -> None:
        if site_id not in self._told and len(self._told) < _REMEMBERED:
            self._told.add(site_id)
            self._note(f"An arming event names site {site_id}, which is not enforced here; left alone.")

    def settle(self, seen: Mapping[TargetKey, Observation]) -> None:
        """These targets were looked at: what was said of them before is dealt with. Raises LedgerError."""
        for address in {key.address for key in seen} & self._pending.keys():
            since = self._since[address]
            blind = [
                target.key
                for target in self._of_site[address]
                if (look := seen.get(target.key)) is None or look.problem is not None or look.at < since
            ]
            notices = self._pending[address]
            left = [notice for notice in notices if any(_about(notice, key) for key in blind)]
            done = [notice.id for notice in notices if notice not in left]
            if left:
                self._pending[address] = left
            else:
                del self._pending[address], self._since[address]
            self._feed.done(done, "looked")


def _about(notice: Notice, key: TargetKey) -> bool:
    return notice.partition is None or key.partition is None or notice.partition == key.partition
