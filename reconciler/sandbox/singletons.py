"""Partner operations that are no plain collection (chekt-api/README.md sections 4.1 and 4.6 to 4.10)."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.kinds.kind import Part
from reconciler.model import JsonObject, JsonValue
from reconciler.sandbox.call import Call
from reconciler.sandbox.errors import Refusal, not_found
from reconciler.sandbox.media import upload_url
from reconciler.sandbox.messages import Response, reply
from reconciler.sandbox.partner import Collection, deleted, identifier
from reconciler.sandbox.routing import Route
from reconciler.sandbox.store import Row
from reconciler.sandbox.timekeeping import instant
from reconciler.sandbox.validation import rule_of

_SITE = "/partner/v1/dealers/{dealer_id}/sites/{site_id}"
_PANEL_TYPES = (1, 2)
_EVENT_TYPES = ("alarm", "trouble", "arming")
_VIDEO_TYPE = 3


def partner_routes(dealers: Collection, sites: Collection) -> Iterator[Route]:
    """Dealer connection, the singleton parts of every kind, verifications and events."""
    verifications = _SITE + "/alarm-verifications/{verification_id}"
    yield Route("PUT", "/partner/v1/dealers/connect", Connection(dealers).connect, "partner")
    yield Route(
        "DELETE",
        "/partner/v1/dealers/{dealer_id}",
        Connection(dealers).disconnect,
        "partner",
        "update:dealer",
    )
    yield Route("PATCH", verifications, Verifications(sites).answer, "partner")
    yield Route("POST", "/partner/v1/events", receive_event, "event")


def part_routes(collection: Collection) -> Iterator[Route]:
    """The singleton endpoints of a kind's parts; the documents name no scope for them."""
    for part in collection.binding.parts:
        singleton = Singleton(collection, part)
        yield Route(part.read.method, part.read.path, singleton.read, collection.access)
        yield Route(part.update.method, part.update.path, singleton.update, collection.access)


class Singleton:
    """Fields of an object that an endpoint of their own reads and writes."""

    def __init__(self, collection: Collection, part: Part) -> None:
        self.collection = collection
        self.part = part
        self.fields = {collection.binding.fields[name]: name for name in sorted(part.fields)}
        self.rules = {wire: rule_of(collection.kind, name) for wire, name in self.fields.items()}

    def read(self, call: Call) -> Response:
        return reply(self._render(call, self.collection.row_of(call)))

    def update(self, call: Call) -> Response:
        row = self.collection.row_of(call)
        written = call.request.json_object()
        body = dict(row.body)
        for wire in written:
            if wire not in self.fields:
                raise call.invalid(wire, f"there is no field {wire}", code="unknown_field")
        for wire, name in self.fields.items():
            if wire not in written:
                raise call.invalid(wire, f"{wire} is required", code="required")
            problem = self.rules[wire](written[wire])
            if problem is not None:
                raise call.invalid(wire, f"{wire}: {problem}")
            body[name] = written[wire]
        if call.switches.security_type_strict:
            _check_devices(call, row, body.get("security_type"))
        return reply(self._render(call, call.store.update(row, body, call.now)))

    def _render(self, call: Call, row: Row) -> JsonObject:
        binding = self.collection.binding
        wire: JsonObject = {binding.remote_id: identifier(call, row.id)}
        if binding.external_id is not None:
            wire[binding.external_id] = row.external_id
        wire["name"] = row.body.get("name")
        return wire | {wire_name: row.body.get(name) for wire_name, name in self.fields.items()}


def _check_devices(call: Call, site: Row, security_type: JsonValue) -> None:
    """Refuse a security type that the installed devices do not suit (switch, section 4.6)."""
    devices = call.store.within("device", f"{site.scope}/{site.id}")
    installed = {device.body.get("device_type") for device in devices}
    if security_type in _PANEL_TYPES and "bridge" not in installed:
        raise call.invalid("security_type", "a panel type needs a bridge on the site", code="unsuitable")
    if security_type == _VIDEO_TYPE and "camera" not in installed:
        raise call.invalid("security_type", "the video type needs a camera on the site", code="unsuitable")


class Connection:
    """Connecting and disconnecting a dealer (section 4.1)."""

    def __init__(self, dealers: Collection) -> None:
        self.dealers = dealers

    def connect(self, call: Call) -> Response:
        """Bind the dealer that the user's token names to the partner's external id."""
        assert call.caller is not None
        if not call.caller.user or call.caller.dealer_id is None:
            raise Refusal(403, "connecting a dealer needs the token of a dealer admin")
        body = call.request.json_object()
        for name in body:
            if name not in ("external_dealer_id", "company_name"):
                raise call.invalid(name, f"there is no field {name}", code="unknown_field")
        for name in ("external_dealer_id", "company_name"):
            value = body.get(name)
            if not isinstance(value, str) or not value or len(value) > call.switches.max_text:
                code = "required" if name not in body else "invalid_value"
                raise call.invalid(name, f"{name} must be a string", code=code)
        row = call.store.get("dealer", call.caller.dealer_id)
        if row is None:
            raise not_found("dealer")
        external_id = str(body["external_dealer_id"])
        other = call.store.find("dealer", "", external_id)
        if other is not None and other.id != row.id:
            raise Refusal(409, f"{external_id!r} is another dealer's id", field="external_dealer_id")
        changed = {**row.body, "connected": True}
        if call.switches.company_name == "sent":
            changed["company_name"] = body["company_name"]
        row = call.store.update(row, changed, call.now, external_id=external_id)
        return reply(self.dealers.render(call, row))

    def disconnect(self, call: Call) -> Response:
        row = call.dealer(call.number_of("dealer_id", "dealer"))
        call.store.update(row, {**row.body, "connected": False}, call.now)
        return deleted(call)


class Verifications:
    """Answers to alarm verifications (section 4.8)."""

    def __init__(self, sites: Collection) -> None:
        self.sites = sites

    def answer(self, call: Call) -> Response:
        """Record a contact's answer. 400 for a wrong body, whatever the switches say.

        Each is kept; whether there may be a second one the switch ``second_answer`` says.
        """
        site = self.sites.row_of(call)
        row = call.store.get("verification", call.number_of("verification_id", "verification"))
        if row is None or row.scope != f"{site.scope}/{site.id}":
            raise not_found("verification")
        body = call.request.json_object()
        _check_answer(call, site, row, body)
        before = row.body.get("answers")
        answers = list(before) if isinstance(before, list) else []
        if answers and call.switches.second_answer == "400":
            raise Refusal(400, "this verification has been answered", code="already_answered")
        made = call.store.insert("verification_answer", row.scope, None, body, call.now)
        answer: JsonObject = {"id": made.id, **body}
        call.store.update(row, {**row.body, "answers": [*answers, answer]}, call.now)
        return reply(answer)


def _check_answer(call: Call, site: Row, row: Row, body: JsonObject) -> None:
    known = ("verification_id", "contact_id", "action", "responded_at")
    for name in (*known, *body):
        if name not in body:
            raise Refusal(400, f"{name} is required", code="required", field=name)
        if name not in known:
            raise Refusal(400, f"there is no field {name}", code="unknown_field", field=name)
    if not isinstance(body["verification_id"], str) or body["verification_id"] != row.body["verification_id"]:
        raise Refusal(400, "this is another verification's id", field="verification_id")
    contact_id = body["contact_id"]
    contact = call.store.get("contact", contact_id) if type(contact_id) is int else None
    if contact is None or contact.scope != f"{site.scope}/{site.id}":
        raise Refusal(400, "no such contact on this site", field="contact_id")
    if body["action"] not in ("dispatch", "disregard"):
        raise Refusal(400, "action is dispatch or disregard", field="action")
    try:
        instant(str(body["responded_at"]))
    except ValueError as exc:
        raise Refusal(400, str(exc), field="responded_at") from exc


def receive_event(call: Call) -> Response:
    """Take an event of a partner's platform; the answer carries upload URLs (section 4.10).

    How many, and in which form, the switches ``event_uploads`` and ``upload_form`` say. The page's sample is
    cut: fields that it does not show are taken.
    """
    body = call.request.json_object()
    for name in ("version", "event_id", "event_type"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise call.invalid(name, f"{name} must be a string", code="required")
    for name in ("location_id", "recorder_id", "camera_id", "event_status"):
        if not isinstance(body.get(name, ""), str):
            raise call.invalid(name, f"{name} must be a string")
    if body["event_type"] not in _EVENT_TYPES:
        raise call.invalid("event_type", f"event_type is one of {', '.join(_EVENT_TYPES)}")
    row = call.store.insert("partner_event", "", str(body["event_id"]), body, call.now)
    urls = [upload_url(call.request.base_url, row, each) for each in range(call.switches.event_uploads)]
    uploads: JsonValue = [*urls]
    if call.switches.upload_form == "objects":
        uploads = [{"media_id": str(number), "upload_url": url} for number, url in enumerate(urls)]
    return reply({"id": row.id, "event_id": body["event_id"], "upload_urls": uploads})
