"""What goes wrong, and when: drawn once from the seed, whatever the enforcer does about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal, NamedTuple

from reconciler.arming.project import TargetKey
from reconciler.arming.states import State
from reconciler.enforcer.simulation.instants import DAY, HOUR, MINUTE, SECOND, Stretches


@dataclass(frozen=True, slots=True)
class Faults:
    """How often something happens. Shares are of 1; ``a_day`` figures are means.

    ``early``: a person disarms an armed target by hand; ``late``: arms an open one. ``fights``: a person who
    disarms again and again. ``open_doors``: share of armings that meet an open zone. ``outages_a_day``: the
    server cannot be reached; ``busy_a_day``: it answers 429 because others use up the key's rate.
    ``lost``: share of commands that are carried out though their answer gets lost.
    """

    early_a_day: float = 0.08
    late_a_day: float = 0.04
    fights_a_day: float = 0.002
    open_doors: float = 0.03
    outages_a_day: float = 0.5
    busy_a_day: float = 0.3
    lost: float = 0.001

    def times(self, factor: float) -> Faults:
        """All of it ``factor`` times as often; 0: nothing ever goes wrong."""
        return replace(
            self,
            early_a_day=self.early_a_day * factor,
            late_a_day=self.late_a_day * factor,
            fights_a_day=self.fights_a_day * factor,
            open_doors=min(1.0, self.open_doors * factor),
            outages_a_day=self.outages_a_day * factor,
            busy_a_day=self.busy_a_day * factor,
            lost=min(1.0, self.lost * factor),
        )


class Act(NamedTuple):
    """A person at the keypad. Arming what is armed, or disarming what is disarmed, does nothing."""

    at: int
    does: Literal["arm", "disarm"]


class OpenZone(NamedTuple):
    """A zone that stands open for ``[start, end)`` and keeps its target from arming."""

    start: int
    end: int
    name: str


class Wish(NamedTuple):
    """From ``at`` on the schedule wants ``state``."""

    at: int
    state: State


def of_target(seed: str, key: TargetKey) -> Random:
    """The source of chance of one target: what happens there does not depend on the other targets."""
    return Random(f"{seed}/{key.address}/{key.partition}")  # noqa: S311 - a simulation, no secret


def people(chance: Random, faults: Faults, wishes: Sequence[Wish], end: int) -> list[Act]:
    """What people do at one target, ascending. ``wishes``: its schedule, the first at the beginning."""
    acts: list[Act] = []
    for wish, until in _periods(wishes, end):
        days = (until - wish.at) / DAY
        if wish.state is State.DISARMED:
            acts += _now_and_then(chance, faults.late_a_day * days, wish.at, until, "arm", 0.5)
        else:
            acts += _now_and_then(chance, faults.early_a_day * days, wish.at, until, "disarm", 0.7)
            if chance.random() < faults.fights_a_day * days:
                at = chance.randrange(wish.at, until)
                acts += [Act(at + minutes * MINUTE, "disarm") for minutes in (0, 2, 4, 6)]
    acts.sort()
    return [act for act in acts if act.at < end]


def _periods(wishes: Sequence[Wish], end: int) -> Iterator[tuple[Wish, int]]:
    for index, wish in enumerate(wishes):
        until = wishes[index + 1].at if index + 1 < len(wishes) else end
        if wish.at < until:
            yield wish, until


def _now_and_then(
    chance: Random, expected: float, start: int, end: int, does: Literal["arm", "disarm"], undone: float
) -> Iterator[Act]:
    """``expected`` acts on average in ``[start, end)``, the share ``undone`` of them taken back later."""
    count = int(expected) + (chance.random() < expected % 1)
    for _ in range(count):
        at = chance.randrange(start, end)
        yield Act(at, does)
        later = at + chance.randrange(5 * MINUTE, 90 * MINUTE)
        if chance.random() < undone and later < end:
            yield Act(later, "disarm" if does == "arm" else "arm")


_ZONES = ("zone 001 Front Door", "zone 002 Dock", "zone 003 Window", "zone 004 Back Door")


def open_zones(chance: Random, faults: Faults, wishes: Sequence[Wish], end: int) -> list[OpenZone]:
    """Zones that stand open when one target is to be armed, ascending and disjoint."""
    found: list[OpenZone] = []
    for wish, _ in _periods(wishes[1:], end):
        if wish.state is State.DISARMED or chance.random() >= faults.open_doors:
            continue
        start = max(wish.at - chance.randrange(SECOND, 30 * MINUTE), found[-1].end if found else 0)
        found.append(OpenZone(start, wish.at + chance.randrange(SECOND, 45 * MINUTE), chance.choice(_ZONES)))
    return found


def troubles(chance: Random, a_day: float, start: int, end: int, longest: int) -> Stretches:
    """Stretches of trouble that everyone has, most of them short; on average ``a_day`` a day."""
    found = Stretches()
    at = start
    while a_day > 0:
        at += int(chance.expovariate(a_day) * DAY)
        if at >= end:
            break
        length = min(longest, int(chance.expovariate(1.0) * longest / 6) + 5 * SECOND)
        found.add(at, at + length)
        at += length
    return found


OUTAGE_LONGEST = HOUR
BUSY_LONGEST = 10 * MINUTE
