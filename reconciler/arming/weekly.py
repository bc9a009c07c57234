"""What a plan does to the hours in which sites are armed: a week before and after, and where they differ."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple, cast

from reconciler.arming.before import Before
from reconciler.arming.project import Target, TargetKey, targets
from reconciler.arming.spec import fields_of, list_of, reference_id
from reconciler.arming.states import State
from reconciler.arming.timeline import Timeline, timeline
from reconciler.arming.zones import Zone
from reconciler.errors import ManifestError
from reconciler.model import Address, JsonValue, Resource

DAYS = 7
HORIZON = dt.timedelta(days=366)
"""How far ahead a difference is looked for when the coming week has none: next year's holidays, say."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

Sides = Mapping[int | None, "Target | str"]
"""What arms the parts of one site, by partition; a sentence where it cannot be told."""


class Difference(NamedTuple):
    """``[start, end)``, seconds since 1970 UTC, in which the states differ; None: no schedule arms it."""

    start: int
    end: int
    before: State | None
    after: State | None


@dataclass(frozen=True, slots=True)
class Armed:
    """What arms a target on one side of a change."""

    target: Target
    line: Timeline


@dataclass(frozen=True, slots=True)
class WeekChange:
    """Targets that are armed alike before, and alike after.

    A side is None where no schedule arms them; ``unknown`` says why it is not known what did before.
    ``first``: the local date in ``zone`` on which the week of ``differences`` begins. ``also``: other zones
    in which some of them are, and the week is the same on the local clock.
    """

    targets: tuple[TargetKey, ...]
    before: Armed | None
    after: Armed | None
    unknown: str
    zone: Zone
    first: dt.date
    differences: tuple[Difference, ...]
    also: tuple[str, ...] = ()


def week_changes(
    old: Before, new: Iterable[Resource], texts: Mapping[str, str], now: dt.datetime
) -> tuple[WeekChange, ...]:
    """The weeks that differ between ``old`` and ``new``, by the first target each.

    ``texts``: the iCalendar files that ``new`` names, by path. ``now`` (aware) begins the week that is
    looked at; where that has no difference, the week of the next one within a year is.
    """
    before, after = _World(old.resources, old.unknown, old.texts), _World(new, frozenset(), texts)
    pairs: dict[tuple[str, str], list[Address]] = {}
    for address in sorted(before.sites.keys() | after.sites.keys()):
        pairs.setdefault((before.group(address), after.group(address)), []).append(address)
    merged: dict[tuple[object, object], tuple[Target | str | None, Target | None, list[TargetKey]]] = {}
    for addresses in pairs.values():
        left, right = before.sides(addresses[0]), after.sides(addresses[0])
        for partition in sorted(left.keys() | right.keys(), key=lambda number: number or -1):
            was, is_now = left.get(partition), right.get(partition)
            if isinstance(is_now, str) or _signature(was) == _signature(is_now):
                continue
            entry = merged.setdefault((_signature(was), _signature(is_now)), (was, is_now, []))
            entry[2].extend(TargetKey(str(address), partition) for address in addresses)
    changes = [_change(was, is_now, keys, now) for was, is_now, keys in merged.values()]
    return tuple(sorted(_alike(changes), key=lambda change: change.targets[0].order))


def _alike(changes: Iterable[WeekChange]) -> Iterator[WeekChange]:
    """``changes``, those that look the same on their local clocks as one."""
    found: dict[object, list[WeekChange]] = {}
    for change in changes:
        found.setdefault(_local_look(change), []).append(change)
    for same in found.values():
        keys = sorted((key for change in same for key in change.targets), key=lambda key: key.order)
        yield replace(same[0], targets=tuple(keys), also=tuple(change.zone.name for change in same[1:]))


def _local_look(change: WeekChange) -> object:
    """Equal for weeks of one picture; a clock that is moved, in the week or by the change, is of its own."""
    sides = (change.before, change.after)
    offsets = {change.zone.offset_at(_midnight(change.zone, change.first, day)) for day in range(DAYS + 1)}
    zones = {side.target.zone for side in sides if side is not None}
    if len(offsets) > 1 or len(zones) > 1:
        return change.targets[0]
    east = offsets.pop()
    drawn = tuple(one._replace(start=one.start + east, end=one.end + east) for one in change.differences)
    rules = [(side.target.schedule, side.target.calendars) if side is not None else None for side in sides]
    return (*rules, change.unknown, change.first, drawn)


class _World:
    """The sites of one side, and what arms them."""

    def __init__(
        self, resources: Iterable[Resource], unknown: frozenset[Address], texts: Mapping[str, str]
    ) -> None:
        self.sites: dict[Address, Resource] = {}
        self._rest: dict[Address, Resource] = {}
        self._unknown = unknown
        self._texts = texts
        for resource in resources:
            if resource.address.kind == "site":
                if resource.fields.get("arming") is not None:
                    self.sites[resource.address] = resource
            elif resource.address.kind in ("schedule", "calendar"):
                self._rest[resource.address] = resource

    def group(self, address: Address) -> str:
        """Equal for sites that are armed alike; empty for one that nothing arms."""
        site = self.sites.get(address)
        if site is None:
            return ""
        return json.dumps(
            [site.fields.get("arming"), site.fields.get("timezone")], sort_keys=True, default=str
        )

    def sides(self, address: Address) -> Sides:
        """What arms the site at ``address``; of what does not exist, nothing."""
        site = self.sites.get(address)
        if site is None:
            return {}
        found: dict[int | None, Target | str] = {}
        for partition, name in _assignments(site):
            side = self._side(site, partition, name)
            if side is not None:
                found[partition] = side
        return found

    def _side(self, site: Resource, partition: int | None, name: str) -> Target | str | None:
        where = Address("schedule", (name,))
        if where in self._unknown:
            return f"nobody has attested {where} yet"
        schedule = self._rest.get(where)
        if schedule is None:
            return None
        calendars = [
            Address("calendar", (reference_id(each),))
            for each in list_of(cast("JsonValue", schedule.fields.get("calendars")))
        ]
        for calendar in calendars:
            if calendar in self._unknown:
                return f"nobody has attested {calendar} yet"
        alone = {"schedule": name} if partition is None else {"partitions": {str(partition): name}}
        part = replace(site, fields={**site.fields, "arming": alone})
        needed = [part, schedule, *(self._rest[each] for each in calendars if each in self._rest)]
        try:
            return targets(needed, self._texts)[0]
        except (ManifestError, ValueError, KeyError, TypeError) as exc:
            # What the account holds was never checked as a manifest is.
            return f"what the account holds of {where} cannot be read ({exc})"


def _assignments(site: Resource) -> Iterator[tuple[int | None, str]]:
    arming = fields_of(cast("JsonValue", site.fields.get("arming")))
    if arming.get("schedule") is not None:
        yield None, reference_id(arming["schedule"])
    for partition, reference in fields_of(arming.get("partitions")).items():
        yield int(partition), reference_id(reference)


def _signature(side: Target | str | None) -> object:
    return (side.schedule, side.calendars, side.zone) if isinstance(side, Target) else side


def _change(
    was: Target | str | None, is_now: Target | None, keys: list[TargetKey], now: dt.datetime
) -> WeekChange:
    before, after = _armed(was), _armed(is_now)
    some = after or before
    assert some is not None
    zone = some.line.zone
    unknown = was if isinstance(was, str) else ""
    first = zone.local(now).date()
    found: tuple[Difference, ...] = ()
    if not unknown:
        first, found = _first_week(before, after, zone, first)
    return WeekChange(
        tuple(sorted(keys, key=lambda key: key.order)), before, after, unknown, zone, first, found
    )


def _armed(side: Target | str | None) -> Armed | None:
    if not isinstance(side, Target):
        return None
    return Armed(side, timeline(side.schedule, side.calendars, side.zone))


def _first_week(
    before: Armed | None, after: Armed | None, zone: Zone, first: dt.date
) -> tuple[dt.date, tuple[Difference, ...]]:
    """The week from ``first``, or else the one of the next difference, from its Monday."""
    found = tuple(_differences(before, after, _midnight(zone, first), _midnight(zone, first, DAYS)))
    if found:
        return first, found
    later = _differences(before, after, _midnight(zone, first), _midnight(zone, first, HORIZON.days))
    one = next(later, None)
    if one is None:
        return first, ()
    date = zone.local(_EPOCH + dt.timedelta(seconds=one.start)).date()
    monday = date - dt.timedelta(days=date.weekday())
    return monday, tuple(_differences(before, after, _midnight(zone, monday), _midnight(zone, monday, DAYS)))


def _midnight(zone: Zone, date: dt.date, days: int = 0) -> int:
    return zone.first((date - _EPOCH.date() + dt.timedelta(days=days)).days * 86400)


def _differences(before: Armed | None, after: Armed | None, start: int, end: int) -> Iterator[Difference]:
    """The stretches of ``[start, end)`` in which the sides differ, ascending."""
    left, right = _states(before, start, end), _states(after, start, end)
    edges = sorted({*left, *right, end})
    was, is_now = left[start], right[start]
    for begin, stop in pairwise(edges):
        was, is_now = left.get(begin, was), right.get(begin, is_now)
        if (was or State.DISARMED) is not (is_now or State.DISARMED):
            yield Difference(begin, stop, was, is_now)


def _states(side: Armed | None, start: int, end: int) -> dict[int, State | None]:
    """The state at ``start``, and each new one at its second."""
    if side is None:
        return {start: None}
    begin, stop = (_EPOCH + dt.timedelta(seconds=second) for second in (start, end))
    found: dict[int, State | None] = {start: side.line.at(begin)[0]}
    for change in side.line.transitions(begin, stop):
        found[int((change.at - _EPOCH).total_seconds())] = change.to_state
    return found
