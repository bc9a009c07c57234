"""A small account, ledger and set of manifests to plan over, and a model of what an apply does to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.kinds import REGISTRY
from reconciler.kinds.surfaces import Surfaces, surfaces
from reconciler.model import (
    Action,
    Address,
    Change,
    Collection,
    JsonValue,
    Lifecycle,
    LiveObject,
    Owned,
    Plan,
    Resource,
    Snapshot,
    Source,
)
from reconciler.planning.plan import plan
from reconciler.planning.reads import child_kinds
from reconciler.planning.safety import Policy
from reconciler.planning.scope import Scope, chain, parent_of
from reconciler.planning.steps import steps

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SANDBOX = surfaces("partner", sandbox=True)
PARTNER = surfaces("partner", sandbox=False)
DEALER_SURFACE = surfaces("dealer", sandbox=False)
ANYTHING = Policy(
    max_delete_percent=100.0, max_delete_count=10_000, max_update_percent=100.0, accept="provisional"
)
EVERYTHING = Scope()

_REQUIRED: Mapping[str, Mapping[str, JsonValue]] = {
    "dealer": {"dealer_id": 1},
    "monitoring_station": {"name": "Central"},
    "site": {"name": "Headquarters", "timezone": "Asia/Seoul"},
    "device": {"device_type": "camera", "zone_number": "001"},
    "contact": {"first_name": "John", "last_name": "Doe"},
    "app": {"permissions": ["devices:read"]},
    "schedule": {"windows": []},
    "calendar": {"holidays": "KR", "closed": "away"},
}


def at(text: str) -> Address:
    """An address from its text."""
    return Address.parse(text)


def resource(
    text: str,
    *,
    external_id: str | None = None,
    protect: bool = False,
    ignore: Iterable[str] = (),
    declares: Iterable[str] = (),
    references: Iterable[str] = (),
    **fields: Any,
) -> Resource:
    """A declared resource with the fields its kind requires, and ``fields``."""
    address = at(text)
    kind = REGISTRY[address.kind]
    written = {**_REQUIRED.get(kind.name, {}), **fields}
    named = written.get("url") if kind.identity == "url" else None
    return Resource(
        address,
        written,
        external_id or str(named or address.id),
        Source("sites.yaml", 1 + sum(map(ord, text)) % 90, 3),
        parent=parent_of(address),
        remote_id=remote_id(address) if kind.adopted else None,
        lifecycle=Lifecycle(protect=protect, ignore=frozenset(ignore)),
        declares=frozenset(declares),
        references=tuple(map(at, references)),
    )


def remote_id(address: Address) -> str:
    """The id the account of these tests gives an object."""
    return f"{address.kind}-{'-'.join(address.path)}"


def live_of(declared: Resource, **fields: Any) -> LiveObject:
    """The live object that ``declared`` asks for, with ``fields`` differing."""
    kind = REGISTRY[declared.address.kind]
    shown = {
        name: value
        for name, value in {**declared.fields, **fields}.items()
        if name in kind.managed and name not in kind.secret
    }
    return LiveObject(kind.name, remote_id(declared.address), declared.external_id, shown)


@dataclass
class World:
    """Manifests, account and ledger; ``surfaces`` and ``policy`` as the environment has them."""

    surfaces: Surfaces = SANDBOX
    policy: Policy = ANYTHING
    desired: dict[Address, Resource] = field(default_factory=dict)
    objects: dict[Address, LiveObject] = field(default_factory=dict)
    owned: dict[Address, Owned] = field(default_factory=dict)
    secrets: dict[Address, dict[str, str]] = field(default_factory=dict)

    def declare(self, *resources: Resource) -> World:
        self.desired |= {each.address: each for each in resources}
        return self

    def exists(self, declared: Resource, *, owned: bool = True, **fields: Any) -> World:
        """The object of ``declared`` is in the account, with ``fields`` differing, and ours unless said."""
        live = live_of(declared, **fields)
        self.objects[declared.address] = live
        if owned:
            self.owned[declared.address] = Owned(declared.address, live.remote_id, live.external_id)
        return self

    def converged(self, *resources: Resource) -> World:
        """``resources`` are declared, exist as declared, and are ours."""
        self.declare(*resources)
        for each in resources:
            self.exists(each)
        return self

    @property
    def snapshot(self) -> Snapshot:
        """The whole account, every collection of it read."""
        listed = {name for name, binding in self.surfaces.bindings.items() if binding.lists}
        collections = {Collection(name, None) for name in listed if REGISTRY[name].parent is None}
        for name in REGISTRY:
            parents = [each for each in (*self.objects, *self.desired) if each.kind == name]
            for parent in parents:
                below = child_kinds(name, self.surfaces)
                if parent in self.objects or self.surfaces.binding(name) is None:
                    collections |= {Collection(kind, parent) for kind in below}
        return Snapshot(dict(self.objects), frozenset(collections), requests=3)

    def plan(self, scope: Scope = EVERYTHING, **overrides: Any) -> Plan:
        arguments: dict[str, Any] = {
            "surfaces": self.surfaces,
            "policy": self.policy,
            "scope": scope,
            "secret_digests": self.secrets,
            "environment": "staging",
            "config_digest": "sha256:" + "0" * 64,
            "now": NOW,
            "lifetime": timedelta(hours=1),
            "project": "examples",
            "rate_per_minute": 60.0,
            **overrides,
        }
        return plan(list(self.desired.values()), self.snapshot, self.owned, **arguments)

    def changes(self, scope: Scope = EVERYTHING) -> dict[str, Change]:
        """The plan's changes by address."""
        return {str(change.address): change for change in self.plan(scope).changes}

    def actions(self, scope: Scope = EVERYTHING) -> dict[str, str]:
        """What the plan does, by address."""
        return {address: change.action.value for address, change in self.changes(scope).items()}

    def apply(self, made: Plan) -> None:
        """Do to the account and the ledger what an apply of ``made`` does. Every step must be possible."""
        for step in steps(made, list(self.desired.values()), self.surfaces):
            if step.operation == "delete":
                assert not [each for each in self.objects if parent_of(each) == step.address], step
                del self.objects[step.address], self.owned[step.address]
                continue
            declared = self.desired[step.address]
            if step.operation == "create":
                assert step.address not in self.objects, step
                assert all(above in self.objects for above in chain(step.address) if above != step.address)
                self.objects[step.address] = LiveObject(
                    step.address.kind, f"{remote_id(step.address)}-new", declared.external_id, {}
                )
            live = self.objects[step.address]
            sent = {name: declared.fields[name] for name in step.fields}
            shown = {k: v for k, v in sent.items() if k not in REGISTRY[live.kind].secret}
            self.objects[step.address] = replace(live, fields={**live.fields, **shown})
        for change in made.changes:
            if change.action in (Action.DELETE, Action.MANUAL):
                continue
            live = self.objects[change.address]
            self.owned[change.address] = Owned(
                change.address,
                live.remote_id,
                live.external_id,
                protect=self.desired[change.address].lifecycle.protect,
                secrets=self.secrets.get(change.address, {}),
            )
