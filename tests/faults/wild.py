"""Random projects, edits, servers and faults, all drawn from one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from reconciler.kinds import REGISTRY
from reconciler.kinds.surfaces import Corrections
from reconciler.model import Address, Identity, JsonValue, Resource, SecretRef, Surface
from reconciler.sandbox import Fault, Switches
from tests.engine.account import resource
from tests.faults.matrix import FAULTS

DEVICE = "/partner/v1/dealers/{dealer_id}/sites/{site_id}/devices/{device_id}"
ONE_BY_ONE: Corrections = {"device": {"update": f"PATCH {DEVICE}", "delete": f"DELETE {DEVICE}"}}
"""Devices changed and deleted without bulk calls."""

KEPT = "site:acme/a"
"""A site that stays, since others keep things in it."""

RENAMED = ("site", "device", "contact", "app", "schedule")
"""Kinds that get other names; nothing refers to them but their children."""

Fields = dict[str, "JsonValue | SecretRef"]


@dataclass
class Draft:
    """One resource of the project. ``version``: a new one has another external id, so it is made anew.

    ``before``: the addresses it had, the last one first.
    """

    fields: Fields
    version: int = 1
    references: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


@dataclass
class Wild:
    """A project that changes at random. ``drafts``: by address. ``retired``: names nobody uses again.

    On the dealer surface it is one site, which is there already and stays as it is, and its contacts.
    """

    chance: random.Random
    surface: Surface = "partner"
    drafts: dict[str, Draft] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.drafts[KEPT] = self._draft(KEPT)

    def resources(self) -> tuple[Resource, ...]:
        """The project as desired resources, in the order a project has them."""
        found = [resource("dealer:acme", remote_id="12345")]
        for address, draft in self.drafts.items():
            kind = address.partition(":")[0]
            tail = _tail((address, *draft.before)[-1])
            name = tail if draft.version == 1 else f"{tail}-{draft.version}"
            fields, external_id = dict(draft.fields), name
            if kind == "webhook":
                fields["url"] = external_id = f"https://hooks.example.com/{name}"
            made = resource(address, external_id=external_id, references=draft.references, **fields)
            before = tuple(Address.parse(each) for each in draft.before)
            found.append(replace(made, identity=Identity(moved_from=before)))
        order = {kind: number for number, kind in enumerate(REGISTRY)}
        return tuple(sorted(found, key=lambda each: (order[each.address.kind], each.address)))

    def edit(self) -> None:
        """A few changes: something new, gone, different, renamed, or made anew."""
        for _ in range(self.chance.choice((1, 2, 3, 5))):
            changes = (self._add, self._add, self._change, self._remove, self._renew, self._rename)
            self.chance.choice(changes)()

    def _add(self) -> None:
        address = self.chance.choice(list(self._places()))
        if address not in self.drafts and address not in self.retired and not self._is_named(address):
            self.drafts[address] = self._draft(address)

    def _is_named(self, address: str) -> bool:
        """Whether something beside ``address`` keeps its name as external id since it was renamed."""
        above = address.removesuffix(_tail(address))
        beside = (each for each in self.drafts if each.removesuffix(_tail(each)) == above)
        return any(_tail((each, *self.drafts[each].before)[-1]) == _tail(address) for each in beside)

    def _rename(self) -> None:
        """Another address for the same object; what stands below a renamed site follows."""
        old = self.chance.choice(list(self.drafts))
        if old == KEPT or old.partition(":")[0] not in RENAMED:
            return
        new, path = f"{old}-x", old.partition(":")[2]
        self.retired.add(old)
        for address in list(self.drafts):
            kind, _, below = address.partition(":")
            if address == old:
                draft = self.drafts.pop(address)
                self.drafts[new] = replace(draft, before=(old, *draft.before))
            elif old.startswith("site:") and below.startswith(f"{path}/"):
                self.drafts[f"{kind}:{path}-x{below.removeprefix(path)}"] = self.drafts.pop(address)

    def _change(self) -> None:
        address = self.chance.choice(list(self.drafts))
        self.drafts[address] = self._redrawn(address)

    def _renew(self) -> None:
        address = self.chance.choice(list(self.drafts))
        if address != KEPT:
            self.drafts[address] = replace(self._redrawn(address), version=self.drafts[address].version + 1)

    def _remove(self) -> None:
        gone = self.chance.choice(list(self.drafts))
        if gone == KEPT:
            return
        path = gone.partition(":")[2]
        for address in list(self.drafts):
            if address == gone or (
                gone.startswith("site:") and address.partition(":")[2].startswith(path + "/")
            ):
                del self.drafts[address]
            elif gone in self.drafts[address].references:
                self.drafts[address] = self._redrawn(address)
        for address, draft in self.drafts.items():
            if gone in draft.references:
                self.drafts[address] = self._redrawn(address, alone=True)

    def _places(self) -> Iterator[str]:
        path = KEPT.partition(":")[2]
        if self.surface == "dealer":
            yield from (f"contact:{path}/{name}" for name in ("kim", "lou", "ann", "bob"))
            return
        for name in ("north", "south"):
            yield f"monitoring_station:acme/{name}"
        for name in ("b", "c"):
            yield f"site:acme/{name}"
        for address in self.drafts:
            if address.startswith("site:"):
                site = address.partition(":")[2]
                yield from (f"device:{site}/{name}" for name in ("door", "gate", "yard"))
                yield from (f"contact:{site}/{name}" for name in ("kim", "lou"))
        yield from ("app:acme/viewer", "webhook:feed", "webhook:audit", "calendar:closed", "schedule:nights")

    def _redrawn(self, address: str, *, alone: bool = False) -> Draft:
        """Other values for what stands at ``address``."""
        old = self.drafts[address]
        return replace(self._draft(address, alone=alone), version=old.version, before=old.before)

    def _draft(self, address: str, *, alone: bool = False) -> Draft:
        """Values for ``address``; ``alone``: without references."""
        chance, kind = self.chance, address.partition(":")[0]
        name = chance.choice(("One", "Two", "Three", "Four"))
        if kind == "site":
            return self._site(name, alone=alone)
        if kind == "schedule":
            calendars = () if alone else tuple(a for a in self.drafts if a == "calendar:closed")
            window = {"arm": "18:00", "disarm": "08:00", "days": [chance.choice(("mon", "tue"))]}
            return Draft({"windows": [window], "calendars": list(calendars)}, references=calendars)
        zone = {"door": "001", "gate": "002", "yard": "003"}.get(_tail(address).partition("-")[0], "")
        events = sorted(chance.sample(["site.armed", "site.disarmed"], chance.choice((1, 2))))
        plain: dict[str, Fields] = {
            "monitoring_station": {"name": name},
            "device": {"device_type": "camera", "zone_number": zone, "name": name},
            "contact": {"first_name": name, "last_name": _tail(address)},
            "app": {"permissions": sorted(chance.sample(["devices:read", "events:read", "sites:read"], 2))},
            "webhook": {"events": events, "secret": SecretRef("env", chance.choice(("HOOK", "OTHER_HOOK")))},
            "calendar": {"dates": [chance.choice(("2026-12-24", "2026-12-25"))], "closed": "away"},
        }
        optional: dict[str, Fields] = {
            "monitoring_station": {"prefix": chance.choice(("CH", "CK"))},
            "contact": {"email": chance.choice(("a@example.com", "b@example.com"))},
        }
        more = optional.get(kind, {}) if chance.random() < 0.5 else {}
        return Draft({**plain[kind], **more})

    def _site(self, name: str, *, alone: bool) -> Draft:
        if self.surface == "dealer":
            return Draft({"name": "Site A", "timezone": "UTC"})
        chance = self.chance
        fields: Fields = {"name": name, "timezone": chance.choice(("UTC", "Asia/Seoul"))}
        fields["monitoring_station"] = None  # what is not written would stay as it is
        if chance.random() < 0.5:
            fields["security_type"] = chance.choice(("video", "alarm_com"))
        stations = [] if alone else [a for a in self.drafts if a.startswith("monitoring_station:")]
        if not stations or chance.random() < 0.4:
            return Draft(fields)
        station = chance.choice(stations)
        return Draft({**fields, "monitoring_station": station}, references=(station,))


def _tail(address: str) -> str:
    return address.rpartition("/")[2].rpartition(":")[2]


def server(chance: random.Random) -> Switches:
    """A server among those the documents leave possible."""
    return Switches(
        rate_limits=False,
        idempotency=chance.random() < 0.5,
        idempotency_stores=chance.choice(("success", "client_errors", "all")),
        duplicate=chance.choice(("409", "400", "422", "accept", "accept")),
        list_page_limit=chance.choice((0, 0, 2)),
        list_delay=chance.choice((0.0, 0.0, 0.0, 2.0, 5.0)),
        delete_answer=chance.choice(("empty_object", "no_content")),
        delete_soft=chance.random() < 0.2,
        cleared=chance.choice(("absent", "null", "empty")),
        error_shape=chance.choice(("surface", "structured", "concepts", "live", "bare")),
        id_form=chance.choice(("integer", "string")),
        bulk_item=chance.choice(("flat", "nested")),
        bulk_flag=chance.choice(("boolean", "number")),
        bulk_partial_status=chance.choice((0, 207)),
        validation_status=chance.choice((400, 422)),
        unknown_station=chance.choice((400, 404)),
        single_device_writes=True,
    )


def faults(chance: random.Random, switches: Switches, *, hasty: bool = False) -> list[Fault]:
    """What goes wrong in one run: usually something, often several things.

    Left out is what nobody could see through: lies about a create (a proxy that makes two, a refusal of
    what was done) where duplicates are accepted or the next edit comes before the next look (``hasty``),
    another's answer without an id, lists older than the patience of a run.
    """
    trusting = hasty or switches.duplicate == "accept"
    found = []
    for _ in range(chance.choice((0, 1, 1, 2, 3, 5))):
        name = chance.choice(tuple(FAULTS))
        fault = replace(FAULTS[name], nth=chance.randint(1, 30), count=chance.choice((1, 1, 1, 2, 4)))
        if fault.action == "stale":
            fault = replace(fault, seconds=5.0)
        if fault.action == "replay":
            fault = replace(fault, method="POST|DELETE")
        lies = fault.action == "twice" or (
            fault.action == "status" and fault.when == "after" and fault.status < 500
        )
        if lies and trusting:
            fault = replace(fault, method="PATCH|DELETE")
        found.append(fault)
    return found
