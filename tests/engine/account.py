"""An account in memory: a Reader and a Writer whose failures a test writes down."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from reconciler.errors import ApiError
from reconciler.kinds import REGISTRY
from reconciler.kinds.surfaces import surfaces
from reconciler.model import Address, JsonValue, Lifecycle, LiveObject, Resource, SecretRef, Source
from reconciler.writes import Write, WriteResult

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
PARTNER = surfaces("partner", sandbox=True)
DEALER = surfaces("dealer", sandbox=True)
HERE = Source("acme.yaml", 1, 1)

Fault = str
"""``fail``, ``lost`` (done, no answer), ``lost before`` (not done, no answer), ``raise`` (done, then an
exception), ``raise before``, ``no id`` (done, and the answer does not say which object), ``kill``
(done, and the process dies), ``kill before``."""


class Killed(BaseException):
    """The process ends here, as far as the code under test can tell."""


@dataclass
class Stored:
    """One object of the account. ``parents``: remote ids, outermost first."""

    kind: str
    remote_id: str
    parents: tuple[str, ...]
    external_id: str | None
    fields: dict[str, JsonValue]


@dataclass
class Account:
    """What CHeKT would hold. ``faults``: for the n-th sending of a write (by address and operation), how
    it goes wrong. ``replaces``: values the server stores in the place of those sent.
    """

    faults: dict[tuple[Address, str], list[Fault | None]] = field(default_factory=dict)
    replaces: Mapping[tuple[str, str], Callable[[JsonValue], JsonValue]] = field(default_factory=dict)
    unreadable: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)
    objects: list[Stored] = field(default_factory=list)
    sent: list[Write] = field(default_factory=list)
    calls: list[list[Write]] = field(default_factory=list)
    reads: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    on_write: Callable[[Sequence[Write]], None] | None = None
    remembers_keys: bool = True
    refuses_duplicates: bool = True

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._numbers: dict[str, itertools.count[int]] = defaultdict(lambda: itertools.count(1))
        self._answered: dict[str, WriteResult] = {}
        self.in_flight = self.most_in_flight = 0

    # -- a test's own hands in the portal ---------------------------------------------------------

    def put(
        self, kind: str, parents: tuple[str, ...], external_id: str | None, **fields: JsonValue
    ) -> Stored:
        """Something that is simply there."""
        with self._lock:
            stored = Stored(kind, str(next(self._numbers[kind])), parents, external_id, dict(fields))
            self.objects.append(stored)
            return stored

    def connect(self, dealer_id: str = "12345", **fields: JsonValue) -> None:
        """A dealer, connected by a person in a browser."""
        self.objects.append(Stored("dealer", dealer_id, (), f"adc-{dealer_id}", dict(fields)))

    def find(self, kind: str, external_id: str | None) -> list[Stored]:
        return [o for o in self.objects if o.kind == kind and o.external_id == external_id]

    # -- Reader ------------------------------------------------------------------------------------

    def list(self, kind: str, parent_ids: tuple[str, ...]) -> Sequence[LiveObject]:
        with self._lock:
            self.reads.append((kind, parent_ids))
            if (kind, parent_ids) in self.unreadable:
                raise ApiError("the server answered 503", status=503, endpoint=f"GET {kind}")
            if parent_ids and not self._exists(parent_ids):
                raise ApiError("not found", status=404, endpoint=f"GET {kind}")
            return [
                self._live(o, part=False)
                for o in self.objects
                if o.kind == kind and o.parents[-len(parent_ids) :] == parent_ids
            ]

    def _exists(self, ids: tuple[str, ...]) -> bool:
        return any((*o.parents, o.remote_id)[-len(ids) :] == ids for o in self.objects)

    def read(self, kind: str, ids: tuple[str, ...]) -> LiveObject | None:
        with self._lock:
            self.reads.append((kind, ids))
            found = self._stored(kind, ids)
            return None if found is None else self._live(found, part=False)

    def read_part(self, kind: str, part: str, ids: tuple[str, ...]) -> Mapping[str, JsonValue]:
        with self._lock:
            self.reads.append((f"{kind}.{part}", ids))
            found = self._stored(kind, ids)
            if found is None:
                raise ApiError("not found", status=404, endpoint=f"GET {kind}.{part}")
            names = _part_fields(kind, part)
            return {name: found.fields.get(name) for name in names}

    def _stored(self, kind: str, ids: tuple[str, ...]) -> Stored | None:
        return next((o for o in self.objects if o.kind == kind and (*o.parents, o.remote_id) == ids), None)

    def _live(self, stored: Stored, *, part: bool) -> LiveObject:
        hidden = REGISTRY[stored.kind].secret if part else REGISTRY[stored.kind].secret | _parts(stored.kind)
        shown = {name: value for name, value in stored.fields.items() if name not in hidden}
        return LiveObject(stored.kind, stored.remote_id, stored.external_id, shown)

    # -- Writer ------------------------------------------------------------------------------------

    def write(self, writes: Sequence[Write]) -> Sequence[WriteResult]:
        with self._lock:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self.calls.append(list(writes))
        if self.on_write is not None:
            self.on_write(writes)
        with self._lock:
            self.in_flight -= 1
            return [self._one(write) for write in writes]

    def _one(self, write: Write) -> WriteResult:
        self.sent.append(write)
        script = self.faults.get((write.address, write.operation), [])
        fault = script.pop(0) if script else None
        if fault == "fail":
            return WriteResult(write, error="422 the server refused it")
        if fault == "raise before":
            raise ConnectionResetError("reset")
        if fault == "kill before":
            raise Killed
        if fault == "lost before":
            return WriteResult(write, error="time-out", ambiguous=True)
        result = self._answered.get(write.idempotency_key) or self._change(write)
        if result.error is None and self.remembers_keys:
            self._answered[write.idempotency_key] = result
        if fault == "lost":
            return WriteResult(write, error="time-out", ambiguous=True)
        if fault == "kill":
            raise Killed
        if fault == "raise":
            raise ConnectionResetError("reset")
        if fault == "no id":
            return WriteResult(write)
        return WriteResult(write, result.live, result.error)

    def _change(self, write: Write) -> WriteResult:
        kind = write.address.kind
        values = {
            name: self.replaces.get((kind, name), lambda same: same)(value)
            for name, value in write.payload.items()
        }
        if write.operation == "create":
            return self._create(write, values)
        found = self._stored(kind, (*write.parent_ids, write.remote_id or ""))
        if found is None:
            return WriteResult(write, error="404 not found")
        if write.operation == "update":
            found.fields.update(values)
            return WriteResult(write, self._live(found, part=write.part is not None))
        below = (*found.parents, found.remote_id)
        if any(REGISTRY[o.kind].parent == kind and o.parents == below for o in self.objects):
            return WriteResult(write, error="409 it has children")
        self.objects.remove(found)
        return WriteResult(write)

    def _create(self, write: Write, values: dict[str, JsonValue]) -> WriteResult:
        kind = write.address.kind
        if write.parent_ids and not self._exists(write.parent_ids):
            return WriteResult(write, error="404 no such parent")
        twins = [o for o in self.find(kind, write.external_id) if o.parents == write.parent_ids]
        if twins and self.refuses_duplicates:
            return WriteResult(write, error="409 the external id is taken")
        stored = self.put(kind, write.parent_ids, write.external_id, **values)
        return WriteResult(write, self._live(stored, part=False))


def _parts(kind: str) -> frozenset[str]:
    binding = PARTNER.binding(kind)
    assert binding is not None
    return frozenset(name for part in binding.parts for name in part.fields)


def _part_fields(kind: str, name: str) -> Iterable[str]:
    binding = PARTNER.binding(kind)
    assert binding is not None
    return next(part.fields for part in binding.parts if part.name == name)


# -- what the manifests want ------------------------------------------------------------------------


def resource(
    address: str,
    *,
    external_id: str | None = None,
    remote_id: str | None = None,
    references: tuple[str, ...] = (),
    protect: bool = False,
    **fields: JsonValue | SecretRef,
) -> Resource:
    where = Address.parse(address) if "://" not in address else Address("webhook", (address,))
    parent = REGISTRY[where.kind].parent
    return Resource(
        address=where,
        fields=fields,
        external_id=external_id or where.id,
        source=HERE,
        parent=Address(parent, where.path[:-1]) if parent and len(where.path) > 1 else None,
        remote_id=remote_id,
        lifecycle=Lifecycle(protect=protect),
        references=tuple(Address.parse(text) for text in references),
    )


def dealer(remote_id: str = "12345", **fields: JsonValue) -> Resource:
    return resource("dealer:acme", remote_id=remote_id, **fields)


def station(name: str = "central", /, **fields: JsonValue) -> Resource:
    return resource(f"monitoring_station:acme/{name}", **{"name": name.title(), **fields})


def site(
    name: str = "hq", /, *, at: str | None = None, protect: bool = False, **fields: JsonValue
) -> Resource:
    values: dict[str, JsonValue] = {"name": name.title(), "timezone": "Asia/Seoul", **fields}
    target = f"monitoring_station:acme/{at}" if at else None
    if target:
        values["monitoring_station"] = target
    return resource(f"site:acme/{name}", references=(target,) if target else (), protect=protect, **values)


def device(name: str = "door", /, *, under: str = "hq", zone: str = "001", **fields: JsonValue) -> Resource:
    values = {"device_type": "camera", "zone_number": zone, "name": name.title(), **fields}
    return resource(f"device:acme/{under}/{name}", **values)


def webhook(name: str = "feed", /, secret: str = "HOOK_SECRET", **fields: JsonValue) -> Resource:
    url = f"https://hooks.example.com/{name}"
    return resource(
        f"webhook:{name}",
        external_id=url,
        **{"url": url, "events": ["site.armed"], "secret": SecretRef("env", secret), **fields},
    )
