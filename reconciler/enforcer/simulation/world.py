"""The simulated server: an ``ArmingPort`` whose requests take time, wait for a rate, and fail."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Literal

from reconciler.arming.fleet import NO_OVERRIDES, Overrides
from reconciler.arming.project import Target, TargetKey
from reconciler.chekt import DOCUMENTED_RATES
from reconciler.enforcer.memory import Memory
from reconciler.enforcer.port import Observation, Order, Reply
from reconciler.enforcer.simulation.causes import Cause
from reconciler.enforcer.simulation.faults import Faults
from reconciler.enforcer.simulation.instants import SECOND, Stretches, micros, moment
from reconciler.enforcer.simulation.panel import Hindrances, Panel
from reconciler.ledger import CommandRecord
from reconciler.model import Address

LATENCY = (40_000, 120_000)
"""A request and its answer take this long, in microseconds."""

PANEL_DELAY = (300_000, 3_000_000)
"""A panel carries out a command this long after it was accepted."""

REFUSED_CONNECTION = 30_000
TIME_OUT = 10 * SECOND
_SPENT = 0.96
"""The client keeps a little of what is allowed back (``chekt/budget.py``)."""

_BUSY_SHARE = 0.6
"""Share of requests that meet a 429 while others use up the rate."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What one dealer's key allows: requests a minute sustained, and at once."""

    per_minute: float
    burst: float


def documented_rate() -> Rate:
    """What a dealer's key allows (chekt-api/README.md section 3.6), as far as the client spends it."""
    rate = DOCUMENTED_RATES["dealer"]
    return Rate(rate.per_minute * _SPENT, rate.burst * _SPENT)


@dataclass(slots=True)
class Counts:
    """What the run asked of the server."""

    requests: int = 0
    commands: int = 0
    busy: int = 0
    failed: int = 0


class _Bucket:
    """The token bucket of one key, in order of asking.

    ``throttled``: the stretches in which the rate was all used up: from a wait to the next one, as long
    as the bucket is never full in between, since until then no faster way of asking would have helped.
    """

    def __init__(self, rate: Rate, start: int, throttled: Stretches) -> None:
        self._refill = max(1, round(60 * SECOND / rate.per_minute))
        self._capacity = max(1, int(rate.burst))
        self._full_at = start
        self._throttled = throttled
        self._waited_until: int | None = None

    def take(self, at: int) -> int:
        """Take one token at ``at``, not before the last time; the instant from which it may be used."""
        if at >= self._full_at:
            self._waited_until = None
        full = max(self._full_at, at)
        ready = max(at, full - (self._capacity - 1) * self._refill)
        self._full_at = full + self._refill
        if ready > at:
            self._throttled.add(at if self._waited_until is None else self._waited_until, ready)
            self._waited_until = ready
        return ready


Fate = Literal["answered", "busy", "refused_connection", "timed_out", "lost"]


class World:
    """The server and its panels. ``at``: the clock, moved by requests and by whoever drives the run."""

    def __init__(
        self,
        panels: Mapping[TargetKey, Panel],
        chance: Random,
        faults: Faults,
        rate: Rate,
        hindrances: Hindrances,
        busy: Stretches,
        workers: int,
        start: int,
    ) -> None:
        self.at = start
        self.counts = Counts()
        self._panels = panels
        self._chance = chance
        self._faults = faults
        self._hindrances = hindrances
        self._busy = busy
        self._workers = workers
        dealers = {_dealer(key.address) for key in panels}
        throttled = hindrances.throttled
        self._buckets = {dealer: _Bucket(rate, start, throttled) for dealer in sorted(dealers)}

    def now(self) -> datetime:
        return moment(self.at)

    def observe(self, targets: Sequence[Target]) -> Sequence[Observation]:
        """One request a site, whatever the number of its partitions."""
        sites = list(dict.fromkeys(target.address for target in targets))
        rounds = dict(zip(sites, self._requests(sites), strict=True))
        found = []
        for target in targets:
            sent, answered, fate = rounds[target.address]
            found.append(self._seen(self._panels[target.key], (sent + answered) // 2, answered, fate))
        return found

    def open_zones(self, target: Target, since: datetime) -> Sequence[str]:  # noqa: ARG002  of the protocol
        """A panel here says nothing of its zones; the request that asks is not counted."""
        return ()

    def command(self, orders: Sequence[Order]) -> Sequence[Reply]:
        """One request an order."""
        self.counts.commands += len(orders)
        rounds = self._requests([order.target.address for order in orders], commands=True)
        return [self._reply(order, *one) for order, one in zip(orders, rounds, strict=True)]

    def _requests(self, addresses: Sequence[str], *, commands: bool = False) -> list[tuple[int, int, Fate]]:
        """When each request leaves and is answered, and its fate; the clock moves to the last answer."""
        free = [self.at] * min(self._workers, len(addresses))
        found: list[tuple[int, int, Fate]] = []
        for address in addresses:
            leaves = self._buckets[_dealer(address)].take(heapq.heappop(free))
            fate = self._fate(leaves, commands=commands)
            answered = leaves + self._takes(fate)
            if fate == "timed_out":
                self._hindrances.outages.add(leaves, answered)
            heapq.heappush(free, answered)
            found.append((leaves, answered, fate))
        self.counts.requests += len(found)
        self.at = max([self.at, *free])
        return found

    def _fate(self, at: int, *, commands: bool) -> Fate:
        if self._hindrances.outages.holds(at):
            return "timed_out" if self._chance.random() < 0.1 else "refused_connection"
        if self._busy.holds(at) and self._chance.random() < _BUSY_SHARE:
            return "busy"
        if commands and self._faults.lost and self._chance.random() < self._faults.lost:
            return "lost"
        return "answered"

    def _takes(self, fate: Fate) -> int:
        if fate == "refused_connection":
            return REFUSED_CONNECTION
        if fate == "timed_out":
            return TIME_OUT
        return self._chance.randrange(*LATENCY)

    def _seen(self, panel: Panel, read_at: int, answered: int, fate: Fate) -> Observation:
        at = moment(answered)
        panel.advance(read_at)
        if fate != "answered":
            self._failed(panel, read_at, fate)
            return Observation("unknown", at, problem=_PROBLEMS[fate])
        zone = panel.open_zone(read_at)
        shown = panel.shown()
        return Observation(
            shown,
            at,
            said=shown,
            changed_at=panel.changed,
            by=panel.by,
            open_zones=(zone.name,) if zone else (),
            server_time=moment(read_at).replace(microsecond=0),
        )

    def _failed(self, panel: Panel, at: int, fate: Fate) -> None:
        if fate == "busy":
            self.counts.busy += 1
        else:
            self.counts.failed += 1
        if panel.cause in (Cause.AVOIDABLE, Cause.OUTAGES, Cause.RATE_LIMITS):
            panel.blame(at, Cause.RATE_LIMITS if fate == "busy" else Cause.OUTAGES)

    def _reply(self, order: Order, leaves: int, answered: int, fate: Fate) -> Reply:
        panel = self._panels[order.target.key]
        sent_at = moment(leaves)
        if order.not_after is not None and leaves >= micros(order.not_after):
            return Reply("not_sent", sent_at, "its time has passed")
        arrives = (leaves + min(answered, leaves + LATENCY[1])) // 2
        if fate in ("answered", "lost"):
            outcome = panel.order(arrives, order.state, self._chance.randrange(*PANEL_DELAY))
            if fate == "lost":
                self._failed(panel, arrives, fate)
                return Reply("unknown", sent_at, _PROBLEMS[fate])
            zone = panel.open_zone(arrives)
            said = f"cannot arm: {zone.name} is open" if outcome == "refused" and zone else "command sent"
            return Reply(outcome, sent_at, said)
        panel.advance(arrives)
        self._failed(panel, arrives, fate)
        return Reply("unknown" if fate == "timed_out" else "not_sent", sent_at, _PROBLEMS[fate])


_PROBLEMS: Mapping[Fate, str] = {
    "busy": "429 Too Many Requests",
    "refused_connection": "the server cannot be reached",
    "timed_out": "no answer within 10 s",
    "lost": "the connection broke before the answer came",
}


def _dealer(address: str) -> str:
    """The dealer of a site's address: a key, and so a rate, is a dealer's."""
    return "/".join(Address.parse(address).path[:-1])


class MemoryJournal:
    """``port.Journal`` in memory: the enforcer of a simulation is never killed."""

    def recall(self) -> Mapping[TargetKey, Memory]:
        return {}

    def overrides(self, now: datetime) -> Overrides:  # noqa: ARG002 - nobody orders anything here
        return NO_OVERRIDES

    def save(self, memories: Mapping[TargetKey, Memory], records: Sequence[CommandRecord]) -> None:
        """Keep nothing: the watch remembers what the next round needs."""
