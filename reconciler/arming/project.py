"""Which targets a project arms: its sites and partitions, each with schedule, calendars and zone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

from reconciler.arming.calendars import calendar
from reconciler.arming.spec import Calendar, Fields, Schedule, fields_of, reference_id, schedule
from reconciler.arming.zones import zone
from reconciler.errors import ManifestError
from reconciler.model import JsonValue, Resource


class TargetKey(NamedTuple):
    """What identifies a target: the site's address as text, and CHeKT's partition id or None."""

    address: str
    partition: int | None

    @property
    def order(self) -> tuple[str, int]:
        """Sorts by address, the whole site before its partitions."""
        return self.address, -1 if self.partition is None else self.partition


@dataclass(frozen=True, slots=True)
class Target:
    """One site or partition that a schedule arms.

    ``zone``: the schedule's own time zone, else the site's. ``calendars``: those the schedule lists.
    ``revision``: digest of the schedule with its calendars, for attribution.
    """

    key: TargetKey
    schedule: Schedule
    calendars: tuple[Calendar, ...]
    zone: str
    revision: str

    @property
    def address(self) -> str:
        return self.key.address

    @property
    def partition(self) -> int | None:
        return self.key.partition


@dataclass(frozen=True, slots=True)
class _Scheduled:
    schedule: Schedule
    calendars: tuple[Calendar, ...]
    revision: str


def targets(resources: Iterable[Resource], texts: Mapping[str, str]) -> list[Target]:
    """The targets of a project, by address, then partition. A site without ``arming`` is none.

    ``resources``: any kinds, schedules, calendars and sites among them; ``texts``: the content of the
    calendars' iCalendar files by the path that their ``ics`` field names. Raises ManifestError for a
    reference that leads nowhere, and for calendars and zones that cannot be told.
    """
    kinds: dict[str, dict[str, Resource]] = {"schedule": {}, "calendar": {}}
    sites = []
    for resource in resources:
        if resource.address.kind in kinds:
            kinds[resource.address.kind][resource.address.id] = resource
        elif resource.address.kind == "site":
            sites.append(resource)
    calendars = {name: calendar(name, _fields(found), texts) for name, found in kinds["calendar"].items()}
    schedules = {
        name: _scheduled(found, calendars, kinds["calendar"]) for name, found in kinds["schedule"].items()
    }
    found = [target for site in sites for target in _targets(site, schedules)]
    return sorted(found, key=lambda target: target.key.order)


def _fields(resource: Resource) -> Fields:
    """The fields as JSON: none of the kinds read here has secrets."""
    return cast(Fields, resource.fields)


def _scheduled(
    resource: Resource, calendars: Mapping[str, Calendar], sources: Mapping[str, Resource]
) -> _Scheduled:
    found = schedule(resource.address.id, _fields(resource))
    missing = [name for name in found.calendars if name not in calendars]
    if missing:
        raise ManifestError(
            f"there is no calendar {missing[0]}",
            hint="declare the calendar, or take it out of the schedule",
            source=resource.positions.get("calendars", resource.source),
            address=resource.address,
        )
    content = [_fields(resource), *(_fields(sources[name]) for name in found.calendars)]
    text = json.dumps(content, sort_keys=True, default=dict)
    revision = hashlib.sha256(text.encode()).hexdigest()[:12]
    return _Scheduled(found, tuple(calendars[name] for name in found.calendars), revision)


def _targets(site: Resource, schedules: Mapping[str, _Scheduled]) -> Iterable[Target]:
    arming = fields_of(cast(JsonValue, site.fields.get("arming")))
    wanted: list[tuple[int | None, JsonValue]] = []
    if arming.get("schedule") is not None:
        wanted.append((None, arming["schedule"]))
    for partition, reference in fields_of(arming.get("partitions")).items():
        wanted.append((int(partition), reference))
    for number, reference in wanted:
        name = reference_id(reference)
        if name not in schedules:
            raise ManifestError(
                f"there is no schedule {name}",
                hint="declare the schedule, or correct arming",
                source=site.positions.get("arming", site.source),
                address=site.address,
            )
        found = schedules[name]
        zone_name = found.schedule.timezone or str(site.fields.get("timezone"))
        zone(zone_name)
        key = TargetKey(str(site.address), number)
        yield Target(key, found.schedule, found.calendars, zone_name, found.revision)
