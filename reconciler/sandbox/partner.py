"""Create, read, update and delete of every kind in REGISTRY, through its binding.

Serves the partner surface (chekt-api/README.md section 4) and, under ``/sim/v0``, the kinds that CHeKT
keeps to its portal. A new kind appears here without a change.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from reconciler.kinds import REGISTRY, Binding, Endpoint, Kind
from reconciler.kinds.kind import Verb, scope_for
from reconciler.model import JsonObject, JsonValue
from reconciler.sandbox.call import Call
from reconciler.sandbox.errors import Refusal, not_found
from reconciler.sandbox.messages import Response, reply
from reconciler.sandbox.routing import Access, Route
from reconciler.sandbox.store import Row
from reconciler.sandbox.timekeeping import iso, spaced
from reconciler.sandbox.validation import Mode, Shape, duplicate, read_body, wire_fields

_ID_PREFIXES = {"webhook": "webhook_"}
_PER_PAGE = 100


class Collection:
    """The objects of one kind, as one binding serves them."""

    def __init__(self, kind: Kind, binding: Binding, *, provisional: bool) -> None:
        self.kind = kind
        self.binding = binding
        self.shape = Shape(kind, binding, wire_fields(kind, binding), provisional)
        self.access: Access = "any" if provisional else "partner"
        self.prefix = _ID_PREFIXES.get(kind.name, "")
        self.ancestors = tuple(_ancestors(kind))

    def routes(self) -> Iterator[Route]:
        """The operations on single objects and on the list."""
        binding = self.binding
        for endpoint in binding.lists:
            yield self._route(endpoint, "read", self.list)
        if binding.read is not None:
            yield self._route(binding.read, "read", self.read)
        if binding.create is not None and not binding.create.bulk:
            yield self._route(binding.create, "create", self.create)
        if binding.update is not None and not binding.update.bulk:
            yield self._route(binding.update, "update", self.update)
            other = "PUT" if binding.update.method == "PATCH" else "PATCH"
            yield self._route(Endpoint(other, binding.update.path, "inferred"), "update", self.update)
        if binding.delete is not None and not binding.delete.bulk:
            yield self._route(binding.delete, "delete", self.remove)

    def _route(self, endpoint: Endpoint, verb: Verb, answer: object) -> Route:
        assert callable(answer)
        return Route(endpoint.method, endpoint.path, answer, self.access, scope_for(self.binding, verb))

    def scope_of(self, call: Call) -> str:
        """The scope that the path names. Raises Refusal 404 where an ancestor does not exist."""
        scope = ""
        for ancestor, remote_id in self.ancestors:
            number = call.number_of(remote_id, ancestor)
            row = call.dealer(number) if ancestor == "dealer" else call.store.get(ancestor, number)
            if row is None or row.scope != scope:
                raise not_found(ancestor.replace("_", " "))
            scope = f"{scope}/{number}" if scope else str(number)
        return scope

    def row_of(self, call: Call) -> Row:
        """The object that the path names. Raises Refusal 404."""
        title = self.kind.title.lower()
        if self.prefix and not call.ids[self.binding.remote_id].startswith(self.prefix):
            raise not_found(title)
        number = call.number_of(self.binding.remote_id, title, self.prefix)
        if self.kind.name == "dealer":
            return call.dealer(number)
        row = call.store.get(self.kind.name, number, deleted=call.switches.delete_soft)
        if row is None or row.scope != self.scope_of(call):
            raise not_found(title)
        return row

    def list(self, call: Call) -> Response:
        scope = self.scope_of(call)
        limit, offset = _page(call)
        rows = call.store.within(
            self.kind.name,
            scope,
            as_of=as_of(call),
            deleted=call.switches.delete_soft,
            limit=limit,
            offset=offset,
        )
        objects = [self.render(call, row, listed=True) for row in rows]
        return reply(_columns(call, objects))

    def read(self, call: Call) -> Response:
        return reply(self.render(call, self.row_of(call)))

    def create(self, call: Call) -> Response:
        scope = self.scope_of(call)
        row = self.insert(call, scope, call.request.json_object())
        return reply(self.render(call, row), 201)

    def update(self, call: Call) -> Response:
        row = self.change(call, self.row_of(call), call.request.json_object(), self.mode(call))
        return reply(self.render(call, row))

    def remove(self, call: Call) -> Response:
        self.drop(call, self.row_of(call))
        return deleted(call)

    def mode(self, call: Call) -> Mode:
        """How an update treats what its body leaves out."""
        semantics = call.switches.update_semantics
        if semantics == "by_method":
            return "replace" if call.request.method == "PUT" else "merge"
        return semantics

    def insert(self, call: Call, scope: str, body: JsonObject) -> Row:
        """Create one object of ``scope`` from a wire body. Raises Refusal."""
        fields, external_id = read_body(call, self.shape, body, "create", None)
        self._check_unique(call, scope, external_id)
        self._check_references(call, scope, fields)
        self._check_zone(call, scope, fields, None)
        fields |= _initial(call, self.kind.name)
        return call.store.insert(self.kind.name, scope, external_id, fields, call.now)

    def change(self, call: Call, row: Row, body: JsonObject, mode: Mode) -> Row:
        """Write a wire body to ``row``. Raises Refusal."""
        if row.deleted_at is not None:
            raise not_found(self.kind.title.lower())
        fields, external_id = read_body(call, self.shape, body, mode, row)
        if external_id != row.external_id:
            self._check_unique(call, row.scope, external_id)
        self._check_references(call, row.scope, fields)
        self._check_zone(call, row.scope, fields, row)
        if self.kind.name == "dealer" and call.switches.company_name == "registered":
            fields["company_name"] = row.body.get("company_name")
        return call.store.update(row, fields, call.now, external_id=external_id)

    def drop(self, call: Call, row: Row) -> None:
        """Delete ``row``, with or in spite of what depends on it (switch ``dependents``)."""
        if row.deleted_at is not None:
            raise not_found(self.kind.title.lower())
        path = f"{row.scope}/{row.id}" if row.scope else str(row.id)
        # Ids of different kinds may be equal, so the path alone does not tell whose children these are.
        under = {kind.name for kind in REGISTRY.values() if kind.parent == self.kind.name}
        children = [each for each in call.store.below(path) if each.kind in under]
        referring = list(self._referring(call, row))
        if (children or referring) and call.switches.dependents == "refuse":
            first = (children or [each for each, _ in referring])[0]
            message = f"{self.kind.name} {row.id} is in use by {first.kind} {first.id}"
            raise Refusal(409, message, code="in_use")
        for child in children:
            call.store.delete(child, call.now)
        for each, name in referring:
            body = {key: value for key, value in each.body.items() if key != name}
            call.store.update(each, body, call.now)
        call.store.delete(row, call.now)

    def _referring(self, call: Call, row: Row) -> Iterator[tuple[Row, str]]:
        for kind in REGISTRY.values():
            for ref in kind.references:
                if ref.kind == self.kind.name and ref.by_remote_id:
                    for each in call.store.within(kind.name, row.scope):
                        if each.body.get(ref.path) == row.id:
                            yield each, ref.path

    def _check_unique(self, call: Call, scope: str, external_id: str | None) -> None:
        wire = self.binding.external_id
        if wire is None or external_id is None or call.switches.duplicate == "accept":
            return
        if call.store.find(self.kind.name, scope, external_id) is not None:
            raise duplicate(call, wire, external_id)

    def _check_references(self, call: Call, scope: str, fields: JsonObject) -> None:
        for field in self.shape.fields:
            target = fields.get(field.name)
            if field.reference is None or not isinstance(target, int):
                continue
            row = call.store.get(field.reference, target)
            if row is None or not f"{scope}/".startswith(f"{row.scope}/"):
                raise Refusal(
                    call.switches.unknown_station,
                    f"there is no {field.reference.replace('_', ' ')} {target}",
                    code=f"{field.reference}_not_found",
                    field=field.wire,
                )

    def _check_zone(self, call: Call, scope: str, fields: JsonObject, row: Row | None) -> None:
        zone = fields.get("zone_number")
        if self.kind.name != "device" or not call.switches.zone_unique:
            return
        for each in call.store.within("device", scope):
            if each.body.get("zone_number") == zone and (row is None or each.id != row.id):
                raise call.invalid("zone_number", f"zone {zone} is taken by device {each.id}")

    def render(self, call: Call, row: Row, *, listed: bool = False) -> JsonObject:
        """``row`` as this surface answers it: unset fields as the switches say, secrets left out."""
        wire: JsonObject = {self.binding.remote_id: identifier(call, row.id, self.prefix)}
        if self.shape.identifies:
            assert self.binding.external_id is not None
            wire[self.binding.external_id] = row.external_id or ""
        for field in self.shape.fields:
            if field.name in self.kind.secret:
                continue
            value = row.body.get(field.name)
            if value is not None:
                number = field.reference is not None and isinstance(value, int)
                wire[field.wire] = identifier(call, value) if number else value  # type: ignore[arg-type]
            elif call.switches.cleared != "absent":
                wire[field.wire] = None if call.switches.cleared == "null" else ""
        if self.kind.name == "site":
            wire |= _site_extras(call, row)
        if row.deleted_at is not None:
            wire["is_deleted"] = 1
        wire["created_at"] = spaced(row.created_at) if listed else iso(row.created_at)
        return wire


def _ancestors(kind: Kind) -> Iterator[tuple[str, str]]:
    """(kind, path placeholder) of every ancestor, outermost first."""
    if kind.parent is not None:
        parent = REGISTRY[kind.parent]
        yield from _ancestors(parent)
        binding = parent.partner or parent.simulated
        assert binding is not None, f"{parent.name} has neither a partner nor a simulated binding"
        yield parent.name, binding.remote_id


@cache
def collections() -> tuple[Collection, ...]:
    """One collection for every kind and binding that the sandbox serves by kind. They keep no state."""
    served = []
    for kind in REGISTRY.values():
        if kind.partner is not None:
            served.append(Collection(kind, kind.partner, provisional=False))
        if kind.simulated is not None:
            served.append(Collection(kind, kind.simulated, provisional=True))
    return tuple(served)


def identifier(call: Call, number: int, prefix: str = "") -> JsonValue:
    """An id as the switches want it."""
    return f"{prefix}{number}" if prefix or call.switches.id_form == "string" else number


def deleted(call: Call) -> Response:
    """The answer to a delete (section 11.8)."""
    return Response(204) if call.switches.delete_answer == "no_content" else reply({})


def as_of(call: Call) -> float | None:
    """The instant whose state a list shows: None for now, earlier under a lag or a stale read."""
    fault = call.struck_by("stale")
    lag = fault.seconds if fault is not None else call.switches.list_delay
    return call.now - lag if lag > 0 else None


def _page(call: Call) -> tuple[int | None, int]:
    """``limit`` and ``offset`` of a list: what was asked for, within the switch's limit."""
    asked = _count(call, "per_page") or _count(call, "limit")
    most = call.switches.list_page_limit
    limit = min(asked, most) if asked and most else asked or most or None
    page, offset = _count(call, "page"), _count(call, "offset")
    if page and page > 1:
        limit = limit or _PER_PAGE
        offset = (page - 1) * limit
    return limit, offset or 0


def _count(call: Call, name: str) -> int | None:
    text = call.request.query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Refusal(400, f"{name} must be a number", field=name)
    return int(text)


def _columns(call: Call, objects: list[JsonObject]) -> list[JsonObject]:
    """The columns of ``fields=table.column,...``; ``filter`` is refused, for its syntax is unknown."""
    if call.request.query.get("filter"):
        raise Refusal(400, "this filter is not understood", code="invalid_filter", field="filter")
    asked = call.request.query.get("fields")
    if not asked:
        return objects
    names = [column.strip().rpartition(".")[2] for column in asked.split(",")]
    for name in names:
        if objects and name not in objects[0]:
            raise Refusal(400, f"there is no column {name}", code="invalid_fields", field="fields")
    return [{name: each[name] for name in names if name in each} for each in objects]


def _initial(call: Call, kind: str) -> JsonObject:
    """Fields that CHeKT sets on a new object (sections 4.2 and 11.5)."""
    if kind != "site":
        return {}
    numbers = range(1, call.switches.new_site_partitions + 1)
    first = call.store.next_id("partition")
    partitions: list[JsonObject] = []
    for number in numbers:
        name = f"Partition {number}"
        call.store.insert("partition", "", None, {}, call.now)
        partitions.append(
            {"partition_id": first + number - 1, "partition_name": name, "partition_number": number}
        )
    return {
        "is_activated": 0,
        "security_type": call.switches.new_site_security_type,
        "partitions": partitions,
    }


def _site_extras(call: Call, row: Row) -> JsonObject:
    """The fields of a site that CHeKT derives."""
    extras: JsonObject = {"is_activated": row.body.get("is_activated", 0)}
    station_id = row.body.get("monitoring_station")
    if isinstance(station_id, int):
        station = call.known("monitoring_station", station_id)
        if station is not None:
            extras["external_monitoring_station_id"] = station.external_id
    return extras
