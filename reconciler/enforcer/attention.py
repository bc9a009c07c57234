"""Where the daemon looks because of what it heard: soon, seldom enough, never in place of a planned look."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(slots=True)
class _Wish:
    """A notice, since when it is known, and what of its site has not been looked at after that."""

    notice: Notice
    since: datetime
    left: set[TargetKey]


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
        self._pending: dict[str, list[_Wish]] = {}
        self._recent: dict[str, deque[Notice]] = {}
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
        wanted, soon = {key for wish in self._pending[address] for key in wish.left}, now + pace.HEARD_SOON
        return [
            target
            for target in self._of_site[address]
            if target.key in wanted
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
            elif not [address for address in found if self._keep(address, notice, now)]:
                strange.append(notice)
        for site_id in dict.fromkeys(notice.site_id for notice in strange):
            self._tell(site_id)
        self._feed.done([notice.id for notice in strange], "unknown")

    def _keep(self, address: str, notice: Notice, now: datetime) -> bool:
        """Whether ``notice`` is about something of the site that is enforced here."""
        left = {target.key for target in self._of_site[address] if _about(notice, target.key)}
        if not left:
            return False
        self._recent.setdefault(address, deque(maxlen=_KEPT)).append(notice)
        waiting = self._pending.setdefault(address, [])
        waiting.append(_Wish(notice, now, left))
        if len(waiting) > _KEPT:  # the look to come is for this one too
            self._feed.done([waiting.pop(0).notice.id], "looked")
        return True

    def _tell(self, site_id: str) -> None:
        if site_id not in self._told and len(self._told) < _REMEMBERED:
            self._told.add(site_id)
            self._note(f"An arming event names site {site_id}, which is not enforced here; left alone.")

    def settle(self, seen: Mapping[TargetKey, Observation], now: datetime) -> None:
        """These targets were looked at: what was said of them before is dealt with. Raises LedgerError.

        ``now``: when the looks were planned; what was heard after that came before the clock was set back.
        """
        for address in {key.address for key in seen} & self._pending.keys():
            done = []
            for wish in self._pending[address]:
                since = min(wish.since, now)
                wish.left -= {
                    key
                    for key in wish.left & seen.keys()
                    if seen[key].problem is None and seen[key].at >= since
                }
                if not wish.left:
                    done.append(wish)
            self._pending[address] = [wish for wish in self._pending[address] if wish.left]
            if not self._pending[address]:
                del self._pending[address]
            self._feed.done([wish.notice.id for wish in done], "looked")


def _about(notice: Notice, key: TargetKey) -> bool:
    return notice.partition is None or key.partition is None or notice.partition == key.partition
