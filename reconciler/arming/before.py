"""Schedules, calendars and sites as they are before a plan is applied, as far as that is known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.model import Action, Address, Change, FieldValue, JsonValue, Resource

KINDS = frozenset({"site", "schedule", "calendar"})
"""What decides when a site is armed."""


@dataclass(frozen=True, slots=True)
class Before:
    """``resources``: what is there; ``unknown``: what is there too, but nobody has told how.

    ``texts``: the iCalendar files that ``resources`` name, by path, as far as they are at hand.
    """

    resources: tuple[Resource, ...]
    unknown: frozenset[Address]
    texts: Mapping[str, str]


def before(
    changes: Iterable[Change],
    desired: Iterable[Resource],
    seen: Mapping[Address, Mapping[str, JsonValue]],
    base: Iterable[Resource] | None,
    texts: Iterable[str],
) -> Before:
    """What ``changes`` start from.

    ``seen``: fields of live objects, and for what only the portal keeps those that a person attested.
    ``base``: the manifests before the change, where they are at hand: which schedule arms a site is never
    sent to CHeKT, so nothing else remembers it. They stand in for what nobody has seen, too. ``texts``:
    iCalendar files at hand, of any time. What no change is about is as ``desired``.
    """
    pending = {change.address: change for change in changes if change.kind in KINDS}
    declared = {resource.address: resource for resource in base or () if resource.address.kind in KINDS}
    found: list[Resource] = []
    unknown: set[Address] = set()
    for resource in desired:
        address = resource.address
        if address.kind not in KINDS:
            continue
        was = declared.pop(address, None)
        change = pending.get(address)
        if change is None:
            found.append(_assigned(resource, was))
        elif change.action is not Action.CREATE and address in seen:
            found.append(replace(resource, fields=_as_seen(_assigned(resource, was), seen[address])))
        elif change.action is not Action.CREATE and was is not None:
            found.append(was)
        elif change.action is not Action.CREATE:
            unknown.add(address)
    resources = (*found, *declared.values())
    return Before(resources, frozenset(unknown), dict(_texts(resources, texts)))


def _texts(resources: Iterable[Resource], texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The files that calendars name, found again by the digest of their content."""
    known = {hashlib.sha256(text.encode()).hexdigest(): text for text in texts}
    for resource in resources:
        file = resource.fields.get("ics") if resource.address.kind == "calendar" else None
        if isinstance(file, Mapping) and file.get("sha256") in known:
            yield str(file.get("file")), known[str(file["sha256"])]


def _assigned(resource: Resource, was: Resource | None) -> Resource:
    """``resource`` with the schedule that armed it."""
    if was is None or resource.address.kind != "site":
        return resource
    return replace(resource, fields={**resource.fields, "arming": was.fields.get("arming")})


def _as_seen(resource: Resource, seen: Mapping[str, JsonValue]) -> Mapping[str, FieldValue]:
    """The fields of ``resource`` as they were seen.

    Not every surface shows all of a site, and what it does not show is not compared; a schedule is shown
    whole, and a calendar may have had its days from elsewhere.
    """
    if resource.address.kind == "calendar":
        return seen
    if resource.address.kind == "schedule":
        return {name: seen.get(name) for name in resource.fields}
    return {name: seen.get(name, value) for name, value in resource.fields.items()}
