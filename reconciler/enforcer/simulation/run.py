"""The run: from event to event over the simulated clock, and what came of it."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from reconciler.arming.fleet import Fleet
from reconciler.arming.project import Target, TargetKey
from reconciler.arming.timeline import Timeline
from reconciler.enforcer.pace import Pace
from reconciler.enforcer.simulation import faults as drawing
from reconciler.enforcer.simulation.causes import Cause
from reconciler.enforcer.simulation.faults import Faults, Wish
from reconciler.enforcer.simulation.instants import HOUR, Stretches, micros, moment
from reconciler.enforcer.simulation.panel import Account, Hindrances, Panel
from reconciler.enforcer.simulation.world import Counts, MemoryJournal, Rate, World
from reconciler.enforcer.surface import WORKERS
from reconciler.enforcer.tick import Sight, tick
from reconciler.enforcer.watch import Watch

_NEVER = timedelta(days=36_500)
_RESUMED_AFTER = 8 * HOUR
"""A person looks into a target whose enforcement stopped, and resumes it, this much later."""

_NO_REVIEWS = Pace(review=None, watched=_NEVER)
"""Reviews find nothing but what people did; the run knows of it, and looks when a review would have."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What to simulate: ``days`` from ``start`` (aware), with chance from ``seed``.

    ``sites``: how many; the project's are repeated as often as it takes. None: the project's own.
    ``reviews``: how often the enforcer looks at a target with nothing to do.
    """

    start: datetime
    days: int
    seed: int
    rate: Rate
    sites: int | None = None
    faults: Faults = field(default_factory=Faults)
    workers: int = WORKERS
    reviews: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class Simulation:
    """What came of it: the account of every target, by address and partition, and the requests made."""

    setting: Setting
    accounts: dict[TargetKey, Account]
    counts: Counts

    def seconds(self, cause: Cause) -> float:
        """Wrong-state seconds of all targets that are put down to ``cause``."""
        return sum(account.wrong[cause] for account in self.accounts.values()) / 1_000_000

    @property
    def transitions(self) -> int:
        return sum(account.transitions for account in self.accounts.values())


def simulate(fleet: Fleet, setting: Setting) -> Simulation:
    """Enforce ``fleet`` for ``setting.days``. Equal arguments give equal results, to the bit."""
    start, end = micros(setting.start), micros(setting.start + timedelta(days=setting.days))
    members = repeated(fleet.targets, setting.sites)
    hindrances, busy = _common_troubles(setting, start, end)
    panels: dict[TargetKey, Panel] = {}
    visits: list[tuple[int, int]] = []
    wishes: dict[Timeline, list[Wish]] = {}
    for number, (target, original) in enumerate(members):
        line = fleet.timeline_of(original)
        assert line is not None
        if line not in wishes:
            wishes[line] = _wishes(line, setting, start)
        chance = drawing.of_target(str(setting.seed), target.key)
        acts = drawing.people(chance, setting.faults, wishes[line], end)
        zones = drawing.open_zones(chance, setting.faults, wishes[line], end)
        visits += [(act.at, number) for act in acts]
        panels[target.key] = Panel(
            target, wishes[line], acts, zones, hindrances, refuses=chance.random() < 0.5
        )
    chance = Random(f"{setting.seed}/server")  # noqa: S311 - a simulation, no secret
    world = World(panels, chance, setting.faults, setting.rate, hindrances, busy, setting.workers, start)
    visits.sort()
    _drive([target for target, _ in members], panels, world, visits, setting, end)
    for panel in panels.values():
        panel.advance(end - 1)
        panel.settle(end)
    return Simulation(setting, {key: panel.account for key, panel in panels.items()}, world.counts)


def repeated(targets: Sequence[Target], sites: int | None) -> list[tuple[Target, TargetKey]]:
    """``targets`` of exactly ``sites`` sites, each with the key of the one it repeats.

    Repeated ones have a number in their address: ``site:acme/hq~2``. None: as they are.
    """
    of_site: dict[str, list[Target]] = {}
    for target in targets:
        of_site.setdefault(target.address, []).append(target)
    groups = list(of_site.items())
    found = []
    for number in range(len(groups) if sites is None or not groups else sites):
        time, index = divmod(number, len(groups))
        address, members = groups[index]
        name = f"{address}~{time + 1}" if time else address
        found += [(replace(one, key=TargetKey(name, one.partition)), one.key) for one in members]
    return found


def _wishes(line: Timeline, setting: Setting, start: int) -> list[Wish]:
    end = setting.start + timedelta(days=setting.days)
    found = [Wish(start, line.at(setting.start)[0])]
    later = setting.start + timedelta.resolution
    found += [Wish(micros(change.at), change.to_state) for change in line.transitions(later, end)]
    return found


def _common_troubles(setting: Setting, start: int, end: int) -> tuple[Hindrances, Stretches]:
    chance = Random(f"{setting.seed}/troubles")  # noqa: S311 - a simulation, no secret
    faults = setting.faults
    outages = drawing.troubles(chance, faults.outages_a_day, start, end, drawing.OUTAGE_LONGEST)
    busy = drawing.troubles(chance, faults.busy_a_day, start, end, drawing.BUSY_LONGEST)
    return Hindrances(outages, Stretches()), busy


def _drive(
    targets: Sequence[Target],
    panels: dict[TargetKey, Panel],
    world: World,
    visits: Sequence[tuple[int, int]],
    setting: Setting,
    end: int,
) -> None:
    """Rounds of the enforcer, each at the instant it asked for, among the visits of people."""
    watch = Watch(targets, {}, setting.start, _NO_REVIEWS)
    journal = MemoryJournal()
    looked: dict[TargetKey, int] = {}
    stopped: list[tuple[int, int]] = []
    number_of = {target.key: number for number, target in enumerate(targets)}
    visit = 0
    while True:
        asked = watch.next_at()
        at = min(
            end if asked is None else micros(asked),
            visits[visit][0] if visit < len(visits) else end,
            stopped[0][0] if stopped else end,
        )
        world.at = max(world.at, at)
        if world.at >= end:
            return
        while visit < len(visits) and visits[visit][0] <= world.at:
            _visited(watch, panels, targets[visits[visit][1]], visits[visit][0], looked, setting)
            visit += 1
        while stopped and stopped[0][0] <= world.at:
            watch.resume(targets[heapq.heappop(stopped)[1]], world.now())
        asked = watch.next_at()
        if asked is None or micros(asked) > world.at:
            continue
        for sight in tick(watch, world.now(), world, journal).sights:
            key = sight.target.key
            looked[key] = micros(sight.seen.at)
            _judge(panels[key], sight, world.at)
            if sight.memory.stopped and not any(entry[1] == number_of[key] for entry in stopped):
                heapq.heappush(stopped, (world.at + _RESUMED_AFTER, number_of[key]))


def _visited(
    watch: Watch,
    panels: dict[TargetKey, Panel],
    target: Target,
    at: int,
    looked: dict[TargetKey, int],
    setting: Setting,
) -> None:
    """A person was at the keypad: the next review will find what changed."""
    panel = panels[target.key]
    panel.advance(at)
    if panel.changed_at != at:
        return
    watched = target.schedule.manual_change.policy != "respect_until_next"
    wait = setting.reviews.watched if watched else setting.reviews.review
    if wait is not None:
        length = wait // timedelta(microseconds=1)
        last = looked.get(target.key, at)
        watch.look_by(target, moment(last + -((last - at) // length) * length))


def _judge(panel: Panel, sight: Sight, at: int) -> None:
    """Put down to people and to doubt what the enforcer left as it was for their sake."""
    verdict = sight.verdict
    if not panel.wrong:
        return
    if verdict.kind in ("respected", "stopped"):
        panel.blame(at, Cause.PEOPLE)
    elif verdict.kind == "doubt":
        panel.blame(at, Cause.DOUBT)
