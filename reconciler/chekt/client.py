"""The client: ``model.Reader`` and ``model.Writer`` over the bindings of one environment."""

from __future__ import annotations

import builtins
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self, TypedDict

import httpx

from reconciler.chekt import bulk, objects, paging, wire
from reconciler.chekt.connection import Connection
from reconciler.chekt.transport import Answer, Call, RefusedError, Requests, Runtime, Transport
from reconciler.errors import AmbiguousError, ApiError, RemoteError
from reconciler.kinds import REGISTRY, Binding, Endpoint, Kind, Part
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import JsonValue, LiveObject
from reconciler.writes import Write, WriteResult


class _ListOptions(TypedDict, total=False):
    query: Mapping[str, str]
    limit: int


_UNCONFIRMED = ("inferred", "provisional")
_BATCH_REFUSED = (400, 413, 422)

_DEALER_SITES = "/ext/v1/sites"
_SITE_LIST: Mapping[str, _ListOptions] = {
    "live": {"limit": 500},
    "page": {"query": {"per_page": "100"}},
}
"""What the live client passes and the largest page the documents allow (chekt-api/README.md section 3.3)."""


class Client:
    """Reads and writes one account. Thread-safe; a context manager.

    ``trace_id`` goes along with every request, for CHeKT's support. ``requests`` counts what was sent.
    """

    def __init__(
        self,
        connection: Connection,
        surfaces: Surfaces,
        runtime: Runtime,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.trace_id = str(uuid.uuid4())
        self.connection = connection
        self.surfaces = surfaces
        self.transport = Transport(connection, runtime, self.trace_id, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.transport.close()

    @property
    def requests(self) -> Requests:
        return self.transport.requests

    def list(self, kind: str, parent_ids: tuple[str, ...]) -> Sequence[LiveObject]:
        """All objects of ``kind`` under the parents, pages followed, each once. Raises RemoteError."""
        model, binding = self._bound(kind)
        if not binding.lists:
            raise RemoteError(f"the {self.surfaces.surface} surface has no list of {model.collection}")
        found: dict[str, LiveObject] = {}
        for endpoint in binding.lists:
            for live in self._list(model, binding, endpoint, parent_ids):
                if found.setdefault(live.remote_id, live) != live:
                    raise RemoteError(
                        f"{endpoint} lists {binding.remote_id} {live.remote_id} twice and differently",
                        hint="The list changed while it was read; try again.",
                    )
        return tuple(found.values())

    def read(self, kind: str, ids: tuple[str, ...]) -> LiveObject | None:
        """The object with remote ids ``ids`` (ancestors first), None where there is none.

        A 404 from a path nobody has confirmed may only mean that the path is wrong: the list decides.
        """
        model, binding = self._bound(kind)
        if binding.read is None:
            return self._find(kind, ids)
        try:
            answer = self._send(binding.read, kind, ids)
        except ApiError as exc:
            unconfirmed = binding.read.grade in _UNCONFIRMED and bool(binding.lists)
            if exc.status in (404, 405) and unconfirmed:
                return self._find(kind, ids)
            if exc.status == 404:
                return None
            raise
        raw = wire.single(answer.body, _names(model))
        live = None if raw is None else objects.decode(model, binding, raw, {})
        if raw is None or live is None:
            raise self._unexpected(answer, f"expected an object with {binding.remote_id}")
        if live.remote_id != ids[-1]:
            raise self._unexpected(
                answer, f"expected {binding.remote_id} {ids[-1]}, received {live.remote_id}"
            )
        return None if objects.is_gone(raw) else live

    def read_part(self, kind: str, part: str, ids: tuple[str, ...]) -> Mapping[str, JsonValue]:
        """The fields of singleton ``part`` of the object ``ids``, in normal form. Raises RemoteError."""
        model, binding = self._bound(kind)
        single = _part(binding, part)
        answer = self._send(single.read, kind, ids)
        raw = wire.single(answer.body, (part,))
        if raw is None:
            raise self._unexpected(answer, f"expected an object with {', '.join(sorted(single.fields))}")
        return objects.decode_fields(model, binding, raw, single.fields)

    def write(self, writes: Sequence[Write]) -> Sequence[WriteResult]:
        """Send writes of one kind, operation, part and parent; one result each, in order.

        Never raises for a refused or an ambiguous write.
        """
        if not writes:
            return ()
        first = writes[0]
        try:
            kind, binding = self._bound(first.address.kind)
            endpoint = _endpoint(binding, first)
        except RemoteError as exc:
            return [WriteResult(write, error=_sentence(exc)) for write in writes]
        if endpoint.bulk:
            return self._write_bulk(kind, binding, endpoint, writes)
        return [self._write_one(kind, binding, endpoint, write) for write in writes]

    def _write_one(self, kind: Kind, binding: Binding, endpoint: Endpoint, write: Write) -> WriteResult:
        try:
            body = None if write.operation == "delete" else self._body(kind, binding, endpoint, write)
            ids = write.parent_ids + ((write.remote_id,) if write.remote_id is not None else ())
            answer = self._send(endpoint, kind.name, ids, body=body, key=write.idempotency_key)
        except AmbiguousError as exc:
            return WriteResult(write, error=_sentence(exc), ambiguous=True)
        except RemoteError as exc:
            return WriteResult(write, error=_sentence(exc))
        if write.operation == "delete":
            return WriteResult(write)
        raw = wire.single(answer.body, (*_names(kind), write.part or kind.name))
        return self._written(kind, binding, write, raw or {}, endpoint)

    def _written(
        self, kind: Kind, binding: Binding, write: Write, raw: Mapping[str, JsonValue], endpoint: Endpoint
    ) -> WriteResult:
        """The result of a create or update that succeeded and returned ``raw``."""
        live = objects.decode(kind, binding, raw, {})
        if live is None and write.operation == "create":
            reason = f"{endpoint} succeeded without returning {binding.remote_id}"
            return WriteResult(write, error=f"{reason}; the object has to be looked up", ambiguous=True)
        if live is not None and not _same_object(live, write):
            reason = f"{endpoint} answered about another object, {live.external_id or live.remote_id}"
            return WriteResult(write, error=reason, ambiguous=True)
        if live is None and write.remote_id is not None:
            fields = objects.decode_fields(kind, binding, raw, frozenset(binding.fields))
            if fields:
                live = LiveObject(kind.name, write.remote_id, write.external_id or None, fields)
        return WriteResult(write, live)

    def _write_bulk(
        self, kind: Kind, binding: Binding, endpoint: Endpoint, writes: Sequence[Write]
    ) -> builtins.list[WriteResult]:
        try:
            bodies = [self._body(kind, binding, endpoint, write) for write in writes]
            key = _batch_key(writes)
            answer = self._send(endpoint, kind.name, writes[0].parent_ids, body=bodies, key=key)
            body = answer.body
        except AmbiguousError as exc:
            return [WriteResult(write, error=_sentence(exc), ambiguous=True) for write in writes]
        except RefusedError as exc:
            if bulk.entries(exc.body, _names(kind)) is None:
                return self._refused_batch(kind, binding, endpoint, writes, exc)
            body = exc.body
        except RemoteError as exc:
            return [WriteResult(write, error=_sentence(exc)) for write in writes]
        found = bulk.entries(body, _names(kind))
        matched = bulk.match(found or (), writes, binding)
        return [
            self._entry_result(kind, binding, endpoint, write, entry)
            for write, entry in zip(writes, matched, strict=True)
        ]

    def _refused_batch(
        self, kind: Kind, binding: Binding, endpoint: Endpoint, writes: Sequence[Write], exc: RefusedError
    ) -> builtins.list[WriteResult]:
        """A batch refused as a whole was not executed: too long, or one entry spoils it. Halves tell which.

        The limit on a batch is unknown (chekt-api/README.md section 12.8).
        """
        if len(writes) == 1 or exc.status not in _BATCH_REFUSED:
            return [WriteResult(write, error=_sentence(exc)) for write in writes]
        middle = len(writes) // 2
        return [
            *self._write_bulk(kind, binding, endpoint, writes[:middle]),
            *self._write_bulk(kind, binding, endpoint, writes[middle:]),
        ]

    def _entry_result(
        self, kind: Kind, binding: Binding, endpoint: Endpoint, write: Write, entry: bulk.Entry | None
    ) -> WriteResult:
        if entry is None or entry.successful is None:
            reason = f"{endpoint}: the bulk result does not say what became of {write.external_id}"
            return WriteResult(write, error=reason, ambiguous=True)
        if not entry.successful:
            said = self.transport.shown(entry.message)
            return WriteResult(write, error=f"{endpoint} refused {write.external_id}: {said}")
        if write.operation == "delete":
            return WriteResult(write)
        return self._written(kind, binding, write, entry.object, endpoint)

    def _body(self, kind: Kind, binding: Binding, endpoint: Endpoint, write: Write) -> JsonValue:
        try:
            return objects.body(kind, binding, endpoint, write, self.connection.clear)
        except ValueError as exc:
            raise RemoteError(f"{write.address}: {exc}", address=write.address) from exc

    def _list(
        self, kind: Kind, binding: Binding, endpoint: Endpoint, parent_ids: tuple[str, ...]
    ) -> builtins.list[LiveObject]:
        last = endpoint.path.rstrip("/").rpartition("/")[2].replace("-", "_")
        listing = paging.Listing(
            tuple(dict.fromkeys((kind.collection, last))),
            self.connection.dialect,
            self.connection.page_sizes,
            self.transport.unexpected,
            **_SITE_LIST[self.connection.dialect] if endpoint.path == _DEALER_SITES else {},
        )
        found = []
        for raw in paging.read_all(
            listing, lambda query: self._send(endpoint, kind.name, parent_ids, query=query)
        ):
            live = objects.decode(kind, binding, raw, endpoint.constants)
            if live is None:
                raise self.transport.unexpected(
                    str(endpoint), 200, f"expected {binding.remote_id} in every object of the list"
                )
            if not objects.is_gone(raw):
                found.append(live)
        return found

    def _find(self, kind: str, ids: tuple[str, ...]) -> LiveObject | None:
        """The object as its list shows it. A confirmed list that is not there had its parent deleted."""
        _, binding = self._bound(kind)
        try:
            listed = self.list(kind, ids[:-1])
        except ApiError as exc:
            if exc.status == 404 and all(e.grade not in _UNCONFIRMED for e in binding.lists):
                return None
            raise
        return next((live for live in listed if live.remote_id == ids[-1]), None)

    def _send(
        self,
        endpoint: Endpoint,
        kind: str,
        ids: tuple[str, ...],
        *,
        query: Mapping[str, str] | None = None,
        body: JsonValue = None,
        key: str | None = None,
    ) -> Answer:
        names = objects.id_names(kind)
        known = dict(zip(names, ids, strict=False))
        path = wire.path(endpoint.path, known)
        return self.transport.send(
            Call(endpoint.method, path, known.get("dealer_id"), query or {}, body, key)
        )

    def _bound(self, kind: str) -> tuple[Kind, Binding]:
        binding = self.surfaces.binding(kind)
        if binding is None:
            raise RemoteError(
                f"{kind} has no endpoint on the {self.surfaces.surface} surface",
                hint="It is changed in CHeKT's portal; record that with `reconciler attest`.",
            )
        return REGISTRY[kind], binding

    def _unexpected(self, answer: Answer, what: str) -> ApiError:
        return self.transport.unexpected(answer.endpoint, answer.status, what)


def _names(kind: Kind) -> tuple[str, ...]:
    """Keys under which an envelope may hold one object of ``kind``."""
    return (kind.name,)


def _part(binding: Binding, name: str) -> Part:
    part = next((part for part in binding.parts if part.name == name), None)
    if part is None:
        raise RemoteError(f"no part {name!r} on this surface")
    return part


def _endpoint(binding: Binding, write: Write) -> Endpoint:
    """The endpoint that carries out ``write``. Raises RemoteError where the surface has none."""
    if write.part is not None:
        return _part(binding, write.part).update
    endpoints = {"create": binding.create, "update": binding.update, "delete": binding.delete}
    endpoint = endpoints[write.operation]
    if endpoint is None:
        raise RemoteError(f"this surface cannot {write.operation} a {write.address.kind}")
    return endpoint


def _same_object(live: LiveObject, write: Write) -> bool:
    """Whether an answer can be about what was written: an old answer repeated is not."""
    if write.remote_id is not None:
        return live.remote_id == write.remote_id
    return live.external_id in (None, write.external_id)


def _batch_key(writes: Sequence[Write]) -> str:
    """The idempotency key of a batch: the write's own, or a digest of all of them in their order."""
    if len(writes) == 1:
        return writes[0].idempotency_key
    joined = "\n".join(write.idempotency_key for write in writes)
    return hashlib.sha256(joined.encode()).hexdigest()


def _sentence(error: RemoteError) -> str:
    return f"{error.message}. {error.hint}" if error.hint else error.message
