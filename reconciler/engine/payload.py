"""From a step of a plan to the write that carries it out, filled in at the last moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.engine.evidence import form
from reconciler.engine.fetch import ids_of, remote_ids
from reconciler.engine.references import Names, rewritten
from reconciler.errors import PlanError
from reconciler.intents import IntentDraft, Moved
from reconciler.kinds import REGISTRY
from reconciler.kinds.kind import Reference
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import Address, FieldValue, JsonValue, LiveObject, Owned, Resource, SecretRef, Snapshot
from reconciler.planning.digest import digest
from reconciler.planning.ownership import outgoing
from reconciler.planning.scope import parent_of
from reconciler.planning.steps import Step
from reconciler.writes import Write

Secrets = Callable[[SecretRef], str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A write without its key, and the intent to journal for it. Never log one: it holds secrets."""

    write: Write
    draft: IntentDraft


class Payloads:
    """Knows what is needed to fill in a write: manifests, live objects, and the ids made so far."""

    def __init__(
        self,
        desired: Sequence[Resource],
        snapshot: Snapshot,
        owned: Mapping[Address, Owned],
        surfaces: Surfaces,
        secrets: Secrets,
        secret_digest: Callable[[str], str],
        seen_digest: Callable[[str], str],
    ) -> None:
        self._resources = {resource.address: resource for resource in desired}
        self._live = dict(snapshot.objects)
        self._owned = owned
        self._surfaces = surfaces
        self._secrets = secrets
        self._secret_digest = secret_digest
        self._seen_digest = seen_digest
        self._ids = remote_ids(desired, owned, snapshot.objects)
        self._ids_before = dict(self._ids)
        self._outgoing: dict[Address, Address] = {}

    def created(self, address: Address, remote_id: str) -> None:
        """From now on ``address`` is the object ``remote_id``. What had its place is the ``outgoing`` one."""
        live = self._live.pop(address, None)
        if live is not None:
            went = self._outgoing[address] = outgoing(address, live.remote_id)
            self._live[went], self._ids[went] = live, live.remote_id
        self._ids[address] = remote_id

    def deleted(self, address: Address) -> None:
        """From now on nothing has ``address``."""
        self._ids.pop(address, None)
        self._live.pop(address, None)

    def live(self, address: Address) -> LiveObject | None:
        """The object as it was read, None where there was none or it was made in this run."""
        return self._live.get(address)

    def resource(self, address: Address) -> Resource | None:
        """What the manifests want of ``address``."""
        return self._resources.get(address)

    def remote_id(self, address: Address) -> str | None:
        """CHeKT's id of ``address`` as known now."""
        return self._ids.get(address)

    def parent_ids(self, address: Address) -> tuple[str, ...]:
        """The remote ids of the ancestors of ``address``, outermost first."""
        return ids_of(parent_of(address), self._ids)

    def wanted(self, write: Write, name: str) -> JsonValue:
        """Field ``name`` of ``write`` as the manifest has it: a reference is an address."""
        resource = self._resources.get(write.address)
        value = resource.fields.get(name) if resource is not None else None
        return write.payload[name] if isinstance(value, SecretRef) else value

    def named(self, address: Address, live: LiveObject) -> LiveObject:
        """``live`` with its references as addresses, as a snapshot would show it."""
        return Names(dict(self._ids)).resolved(address, live)

    def prepare(self, step: Step) -> Prepared:
        """The write of ``step``. Raises PlanError where an id it needs is unknown, and SecretError."""
        address = step.address
        if step.operation == "delete":
            address = self._outgoing.get(address, address)
        live = self._live.get(address)
        payload, shown = self._payload(step)
        before: Mapping[str, JsonValue] = {}
        if live is not None and step.operation == "update":
            before = rewritten(address.kind, live.fields, self._known_id)
        remote_id = None if step.operation == "create" else ids_of(address, self._ids)[-1]
        write = Write(
            operation=step.operation,
            address=address,
            parent_ids=self.parent_ids(address),
            remote_id=remote_id,
            external_id=self._external_id(address, live),
            payload=payload,
            idempotency_key="",
            part=step.part,
            before=before,
        )
        return Prepared(write, self._draft(write, shown))

    def _draft(self, write: Write, shown: Mapping[str, JsonValue]) -> IntentDraft:
        """The digest covers all that decides the request, so that one key never has two bodies."""
        binding = self._surfaces.binding(write.address.kind)
        whole = binding is not None and binding.full_update
        content = digest(
            [
                write.part,
                list(write.parent_ids),
                write.remote_id,
                write.external_id,
                dict(shown),
                dict(write.before) if whole else None,
            ]
        )
        return IntentDraft(
            write.address,
            write.operation,
            write.part,
            content,
            write.remote_id,
            write.external_id,
            self._moves(write),
        )

    def _moves(self, write: Write) -> dict[str, Moved]:
        """By what a later look can tell whether an update arrived: its fields that can be seen.

        A reference counts by CHeKT's id: a target that is replaced keeps its address.
        """
        live = self._live.get(write.address)
        if write.operation != "update" or live is None:
            return {}
        kind = REGISTRY[write.address.kind]

        def keyed(name: str, value: JsonValue) -> str:
            return self._seen_digest(form(kind, name, value))

        names = [name for name in write.payload if name in live.fields and name not in kind.secret]
        wanted = {name: self.wanted(write, name) for name in names}
        seen = rewritten(kind.name, live.fields, self._known_id, by_remote_id=True)
        sent = rewritten(kind.name, wanted, self._id_of, by_remote_id=True)
        return {name: Moved(keyed(name, seen[name]), keyed(name, sent[name])) for name in names}

    def _external_id(self, address: Address, live: LiveObject | None) -> str:
        resource = self._resources.get(address)
        row = self._owned.get(address)
        known = (
            resource.external_id if resource is not None else None,
            live.external_id if live is not None else None,
            row.external_id if row is not None else None,
        )
        return next((text for text in known if text is not None), "")

    def _payload(self, step: Step) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
        """The fields to send, and the same with a keyed digest in the place of each secret."""
        resource = self._resources.get(step.address)
        payload: dict[str, JsonValue] = {}
        shown: dict[str, JsonValue] = {}
        for name in step.fields if resource is not None else ():
            assert resource is not None
            value: FieldValue = resource.fields.get(name)
            if isinstance(value, SecretRef):
                secret = self._secrets(value)
                payload[name], shown[name] = secret, self._secret_digest(secret)
            else:
                payload[name] = shown[name] = value
        kind = step.address.kind
        return rewritten(kind, payload, self._id_of), rewritten(kind, shown, self._id_of)

    def _id_of(self, text: str, reference: Reference) -> str:
        """What the API wants in the place of a reference: CHeKT's id, or the user's own."""
        if not text.startswith(f"{reference.kind}:"):
            return text
        target = Address.parse(text)
        if not reference.by_remote_id:
            return target.id
        if target not in self._ids:
            raise PlanError(f"CHeKT's id of {target} is not known", address=target)
        return self._ids[target]

    def _known_id(self, text: str, reference: Reference) -> str:
        """Like ``_id_of``, for fields as they were read: ids from then; what is not known stays."""
        if not text.startswith(f"{reference.kind}:"):
            return text
        target = Address.parse(text)
        return self._ids_before.get(target, text) if reference.by_remote_id else target.id
