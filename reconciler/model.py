"""The nouns every layer shares: addresses, desired resources, live objects, changes, plans.

Plain frozen data, no I/O. JSON values are ``JsonValue``; times are aware ``datetime`` in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol, TypeAlias

from reconciler.redaction import MASK

JsonValue: TypeAlias = "None | bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue]"
JsonObject: TypeAlias = dict[str, JsonValue]

Grade = Literal["observed", "documented", "named", "inferred", "provisional"]
GRADES: tuple[Grade, ...] = ("observed", "documented", "named", "inferred", "provisional")
"""Confidence in an endpoint, strongest first (chekt-api/README.md section 0.2; ``provisional``: ours)."""

MOST_IN_FLIGHT = 64
"""Requests at the same time, at most: threads of a pool, connections to a host, what a user may ask for."""

Surface = Literal["partner", "dealer"]
SecretStore = Literal["env", "file", "keyring"]
Operation = Literal["create", "update", "delete"]


class Source(NamedTuple):
    """A place in a manifest: file relative to the project directory, line and column from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def to_json(self) -> JsonObject:
        return {"file": self.file, "line": self.line, "column": self.column}


class Address(NamedTuple):
    """``kind:parents/id``: the stable name of a resource (DESIGN section 4). Sorts by kind, then path."""

    kind: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind}:{'/'.join(self.path)}"

    @property
    def id(self) -> str:
        """The user's own name of the resource, the last step of the path."""
        return self.path[-1]

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address written as ``kind:a/b``. Raises ValueError when it is not one."""
        kind, colon, path = text.partition(":")
        steps = tuple(path.split("/"))
        if not colon or not kind or not all(steps):
            raise ValueError(f"{text!r} is not an address; write kind:parents/id")
        return cls(kind, steps)


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is kept. The value itself never enters the model."""

    store: SecretStore
    name: str

    def __str__(self) -> str:
        return MASK

    def to_json(self) -> JsonObject:
        return {self.store: self.name}


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """How a plan may treat a resource: never delete it; show but do not apply some fields."""

    protect: bool = False
    ignore: frozenset[str] = frozenset()


AS_FOUND = "as found"
"""In place of a secret's digest: it was there when the object was taken over, and cannot be read."""

FieldValue: TypeAlias = "JsonValue | SecretRef"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which object of the account a resource is, where neither its name nor the ledger says so yet.

    ``adopt``: CHeKT's id of an object to take over; it says nothing once the ledger owns the resource.
    ``moved_from``: names the resource had before. ``named``: its external id is written in the manifest;
    otherwise an object it already is keeps the external id it has.
    """

    adopt: str | None = None
    moved_from: tuple[Address, ...] = ()
    named: bool = True


@dataclass(frozen=True, slots=True)
class Resource:
    """What the manifests want of one resource.

    ``fields`` holds the written fields only (unwritten is unmanaged, None clears), normalised, under
    the manifest's names; a reference is the target's address as text; a secret is a ``SecretRef``.
    ``remote_id`` is set where the manifest itself names CHeKT's id (adoption, dealer surface).
    ``declares`` names the child kinds whose collections the manifest writes, even as ``[]``.
    ``positions`` maps a field's dotted path to its place.
    """

    address: Address
    fields: Mapping[str, FieldValue]
    external_id: str
    source: Source
    parent: Address | None = None
    remote_id: str | None = None
    lifecycle: Lifecycle = Lifecycle()
    identity: Identity = Identity()
    declares: frozenset[str] = frozenset()
    references: tuple[Address, ...] = ()
    positions: Mapping[str, Source] = field(default_factory=dict)


class Collection(NamedTuple):
    """One list in the account: the objects of ``kind`` under ``parent`` (None: of the account)."""

    kind: str
    parent: Address | None


@dataclass(frozen=True, slots=True)
class LiveObject:
    """What the account holds, in the manifest's names and normal forms.

    ``fields`` lacks what the surface does not return. A reference field holds the target's remote id
    as text until the engine has resolved it to an address.
    """

    kind: str
    remote_id: str
    external_id: str | None
    fields: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The part of the account that was read.

    ``objects``: every live object seen, by address (the ledger's, the manifest's or one derived from
    its external id). ``collections``: what was listed in full; absence is proven only in these.
    ``requests``: how many requests the reading took.
    """

    objects: Mapping[Address, LiveObject]
    collections: frozenset[Collection]
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Replaced:
    """A value the server stored differently from what was sent; both sides are remembered."""

    sent: JsonValue
    returned: JsonValue


@dataclass(frozen=True, slots=True)
class Owned:
    """What the ledger knows of one resource in one environment.

    ``secrets``: keyed digest by secret field, as last sent, or AS_FOUND. ``attested``: the fields a person
    said they set in the portal, or None. ``remote_id`` is None for a resource that only the portal keeps.
    """

    address: Address
    remote_id: str | None
    external_id: str | None
    protect: bool = False
    replaced: Mapping[str, Replaced] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    attested: Mapping[str, JsonValue] | None = None


class Action(StrEnum):
    """What a change does."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    ADOPT = "adopt"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a change; ``path`` is dotted. Secret values are MASK, an absent side is None.

    ``ignored``: shown because ``lifecycle.ignore`` names it, never applied.
    """

    path: str
    before: JsonValue
    after: JsonValue
    secret: bool = False
    ignored: bool = False


@dataclass(frozen=True, slots=True)
class EndpointUse:
    """One API operation a change relies on, with the confidence in it."""

    method: str
    path: str
    grade: Grade


@dataclass(frozen=True, slots=True)
class Change:
    """What has to happen to one resource.

    ``endpoints`` lists every operation used, lowest grade first; empty for a manual change and for an
    adopt that writes nothing. ``precondition`` is the digest of the live object, None where it must
    not exist. ``steps`` are the portal steps of a manual change.
    """

    address: Address
    action: Action
    fields: tuple[FieldChange, ...] = ()
    precondition: str | None = None
    endpoints: tuple[EndpointUse, ...] = ()
    reason: str = ""
    source: Source | None = None
    steps: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return self.address.kind

    def applied_fields(self) -> tuple[FieldChange, ...]:
        """The field changes an apply sends: all but the ignored ones."""
        return tuple(change for change in self.fields if not change.ignored)


@dataclass(frozen=True, slots=True)
class RequestEstimate:
    """What a plan costs: requests already spent reading, requests to write, seconds at the budget."""

    read: int = 0
    write: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ChangedSince:
    """The git revision a plan was limited by: ``commit`` is where ``ref`` and this checkout parted.

    ``addresses``: what the manifests of that commit say differently, or not at all; with what stands
    below it nothing else is looked at. None where that could not be told, ``why`` saying so: then the
    plan is of everything.
    """

    ref: str
    commit: str
    addresses: tuple[Address, ...] | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class ToldWeek:
    """A week of arming that a plan changes, in words: how a page draws it is for the page to know.

    ``title``: schedule and clock. ``targets``: whom it arms. ``remark``: what no picture shows. ``hours``:
    those that differ, a sentence each. ``letters``: a line for each half of a day that differs.
    """

    title: str
    targets: str
    remark: str
    hours: tuple[str, ...]
    letters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes between manifests and account, in the order they will be made. Plain data.

    ``config_digest`` names the manifests it was made from; ``project`` is their directory as the user
    gave it; ``targets``, ``excludes`` and ``changed_since`` are what it was limited to. ``weeks`` are for
    people to read; nothing is decided by them.
    """

    environment: str
    surface: Surface
    created_at: datetime
    expires_at: datetime
    config_digest: str
    changes: tuple[Change, ...] = ()
    unmanaged: tuple[Address, ...] = ()
    warnings: tuple[str, ...] = ()
    requests: RequestEstimate = RequestEstimate()
    project: str = "."
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    changed_since: ChangedSince | None = None
    weeks: tuple[ToldWeek, ...] = ()

    def count(self, action: Action) -> int:
        """How many changes are of ``action``."""
        return sum(change.action is action for change in self.changes)

    @property
    def empty(self) -> bool:
        """True when nothing is pending: neither for the apply nor for a person."""
        return not self.changes


class Reader(Protocol):
    """Reads live objects. Raises RemoteError; never returns part of a list."""

    def list(self, kind: str, parent_ids: tuple[str, ...]) -> Sequence[LiveObject]:
        """All objects of ``kind`` under the parents (remote ids, outermost first), pages followed."""
        ...

    def read(self, kind: str, ids: tuple[str, ...]) -> LiveObject | None:
        """The one object with remote ids ``ids`` (ancestors first), None where there is none."""
        ...

    def read_part(self, kind: str, part: str, ids: tuple[str, ...]) -> Mapping[str, JsonValue]:
        """The fields of the singleton ``part`` of the object, normalised, in the manifest's names."""
        ...


class Shelf(Protocol):
    """Keeps small texts for machines that work on one account together."""

    def change(self, name: str, step: Callable[[str | None, float], str]) -> None:
        """Replace the text ``name`` (None: there is none) by what ``step`` makes of it.

        ``step`` is told the shelf's time too, in Unix seconds, which is the same for all machines. It may be
        called more than once; nobody changes the text meanwhile. Raises LedgerError where the shelf is out
        of reach.
        """
        ...
