"""Bulk operations: an array in, one result an entry out (chekt-api/README.md section 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.kinds.kind import Verb, scope_for
from reconciler.model import JsonObject, JsonValue
from reconciler.sandbox.call import Call
from reconciler.sandbox.errors import Refusal, not_found
from reconciler.sandbox.messages import Response, reply
from reconciler.sandbox.partner import Collection
from reconciler.sandbox.routing import Route
from reconciler.sandbox.store import Row

_VERBS: tuple[Verb, ...] = ("create", "update", "delete")


def bulk_routes(collection: Collection) -> Iterator[Route]:
    """The bulk operations of ``collection``, and those on one object that a switch turns on."""
    bulk = BulkCollection(collection)
    binding = collection.binding
    scopes = {verb: scope_for(binding, verb) for verb in _VERBS}
    for verb, endpoint, answer in zip(
        _VERBS,
        (binding.create, binding.update, binding.delete),
        (bulk.create, bulk.update, bulk.delete),
        strict=True,
    ):
        if endpoint is not None and endpoint.bulk:
            yield Route(endpoint.method, endpoint.path, answer, "partner", scopes[verb])
    if binding.update is not None and binding.update.bulk and binding.read is not None:
        one = binding.read.path
        yield Route("PATCH", one, bulk.update_one, "partner", scopes["update"])
        yield Route("PUT", one, bulk.update_one, "partner", scopes["update"])
        yield Route("DELETE", one, bulk.delete_one, "partner", scopes["delete"])


class BulkCollection:
    """A collection whose writes take several objects at once."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection

    def create(self, call: Call) -> Response:
        scope = self.collection.scope_of(call)
        return self._each(call, 201, lambda entry: self.collection.insert(call, scope, entry))

    def update(self, call: Call) -> Response:
        scope = self.collection.scope_of(call)

        def change(entry: JsonObject) -> Row:
            row = self._named(call, scope, entry)
            remote_id = self.collection.binding.remote_id
            written = {name: value for name, value in entry.items() if name != remote_id}
            return self.collection.change(call, row, written, "merge")

        return self._each(call, 200, change)

    def delete(self, call: Call) -> Response:
        scope = self.collection.scope_of(call)

        def remove(entry: JsonObject) -> Row:
            row = self._named(call, scope, entry, alone=True)
            self.collection.drop(call, row)
            return row

        return self._each(call, 200, remove)

    def update_one(self, call: Call) -> Response:
        _require_single(call)
        return self.collection.update(call)

    def delete_one(self, call: Call) -> Response:
        _require_single(call)
        return self.collection.remove(call)

    def _named(self, call: Call, scope: str, entry: JsonObject, *, alone: bool = False) -> Row:
        """The object that ``entry`` names by either id. Raises Refusal."""
        binding, kind = self.collection.binding, self.collection.kind
        external = binding.external_id
        assert external is not None
        for name in entry:
            if alone and name not in (binding.remote_id, external):
                raise call.invalid(name, f"there is no field {name}", code="unknown_field")
        row = self._by_id(call, scope, entry.get(binding.remote_id), binding.remote_id)
        key = call.switches.bulk_key
        if row is None and external in entry and key != "device_id":
            row = call.store.find(kind.name, scope, str(entry[external]))
            if row is None:
                raise not_found(kind.name)
        if row is None:
            name = binding.remote_id if key == "either" else key
            raise call.invalid(name, f"name the {kind.name} by {name}", code="required")
        return row

    def _by_id(self, call: Call, scope: str, value: JsonValue, name: str) -> Row | None:
        if value is None or call.switches.bulk_key == "external_device_id":
            return None
        if isinstance(value, str) and value.isdigit() and call.switches.id_form == "string":
            value = int(value[:18])
        if not isinstance(value, int) or isinstance(value, bool):
            raise call.invalid(name, f"{name} must be a number")
        row = call.store.get(self.collection.kind.name, value)
        if row is None or row.scope != scope:
            raise not_found(self.collection.kind.name)
        return row

    def _each(self, call: Call, status: int, write: Callable[[JsonObject], Row]) -> Response:
        entries = call.request.json()
        limit = call.switches.bulk_limit
        if not isinstance(entries, list):
            raise Refusal(400, "the body must be a JSON array", code="invalid_body")
        if limit and len(entries) > limit:
            raise Refusal(400, f"at most {limit} entries a request", code="too_many")
        fault = call.struck_by("bulk_item")
        results: list[JsonObject] = []
        failures = 0
        for index, entry in enumerate(entries):
            try:
                if fault is not None and fault.index == index:
                    raise Refusal(fault.status, "the sandbox failed this entry on purpose")
                if not isinstance(entry, dict):
                    raise Refusal(400, "each entry must be an object", code="invalid_body")
                results.append(self._success(call, write(entry)))
            except Refusal as refusal:
                failures += 1
                results.append(self._failure(call, entry, refusal))
        if call.struck_by("shuffle"):
            results.reverse()
        if failures and call.switches.bulk_partial_status:
            status = call.switches.bulk_partial_status
        return reply(
            {"success_count": len(results) - failures, "failure_count": failures, "results": results}, status
        )

    def _success(self, call: Call, row: Row) -> JsonObject:
        rendered = self.collection.render(call, row)
        flag = _flag(call, value=True)
        if call.switches.bulk_item == "nested":
            return {"is_successful": flag, self.collection.kind.name: rendered}
        return {"is_successful": flag, **rendered}

    def _failure(self, call: Call, entry: JsonValue, refusal: Refusal) -> JsonObject:
        binding = self.collection.binding
        names = (binding.remote_id, str(binding.external_id))
        sent = entry if isinstance(entry, dict) else {}
        ids: JsonObject = {name: sent[name] for name in names if name in sent}
        error: JsonObject = {"code": refusal.code, "message": refusal.message}
        if refusal.field is not None:
            error["field"] = refusal.field
        nested: JsonObject = {self.collection.kind.name: ids} if call.switches.bulk_item == "nested" else ids
        return {"is_successful": _flag(call, value=False), **nested, "error": error}


def _require_single(call: Call) -> None:
    if not call.switches.single_device_writes:
        message = f"{call.request.method} is not allowed here; GET is"
        raise Refusal(405, message, headers=(("Allow", "GET"),))


def _flag(call: Call, *, value: bool) -> JsonValue:
    return value if call.switches.bulk_flag == "boolean" else int(value)
