"""The simulator's own operations, under ``/sim/v0``: no credentials, meant for loopback.

===========  =========================================  ================================================
POST         /sim/v0/reset                              a fresh sandbox; switches stay
GET          /sim/v0/state                              everything: objects by kind, arming, clock, counts
GET PUT      /sim/v0/switches                           all switches; PUT changes those it names
GET POST     /sim/v0/faults                             faults in wait; POST adds one (``faults.Fault``)
DELETE       /sim/v0/faults                             forget them
GET PUT      /sim/v0/clock                              ``{"now", "frozen"}``, ``{"advance": s}``, ``{}``
GET DELETE   /sim/v0/requests                           the request log
GET          /sim/v0/keys                               credentials, app keys and secrets
POST         /sim/v0/keys                               ``{"kid", "pem"}``; ``{"dealer_id", "api_key"}``
POST         /sim/v0/dealers                            ``{"dealer_id", "external_dealer_id", ...}``
POST         /sim/v0/objects/{kind}                     ``{"scope", "external_id", "body"}`` by hand
GET PATCH    /sim/v0/objects/{kind}/{object_id}         an object as stored; PATCH merges, None removes
DELETE       /sim/v0/objects/{kind}/{object_id}         delete by hand, whatever depends on it
GET PUT      /sim/v0/sites/{site_id}/arming             ``{"state", "partition_id", "by", "method"}`` at once
GET          /sim/v0/sites/{site_id}/arming/history     every change of state
PUT          /sim/v0/sites/{site_id}/partitions         ``{"count": n}`` or ``{"names": [...]}``
POST         /sim/v0/sites/{site_id}/keypad             ``{"key": "away", "user_code", "partition_id"}``
PUT          /sim/v0/sites/{site_id}/user-codes         ``{"1234": "name"}``: the codes the keypad knows
PUT          /sim/v0/sites/{site_id}/zones/{zone}       ``{"status", "name", "bypassed", "entry", ...}``
PUT          /sim/v0/devices/{device_id}/online         ``{"is_online": 0 or 1}``
POST         /sim/v0/sites/{site_id}/alarms             raise an alarm
POST         /sim/v0/sites/{site_id}/verifications      ask for a verification
GET POST     /sim/v0/deliveries                         webhook deliveries; POST sends those that are due
===========  =========================================  ================================================

Bodies of objects are under the manifest's field names, as stored. ``webhook_url`` of a dealer object is
where its system C deliveries go. ``disabled`` beside an ``api_key`` disables it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.model import JsonObject
from reconciler.sandbox.auth import app_key, app_secret
from reconciler.sandbox.call import Call
from reconciler.sandbox.credentials import CLIENT_ID, CLIENT_SECRET, EVENT_KEY
from reconciler.sandbox.errors import Refusal, not_found
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.field_work import field_routes
from reconciler.sandbox.messages import Response, reply
from reconciler.sandbox.routing import Route
from reconciler.sandbox.seed import add_dealer_key
from reconciler.sandbox.store import Row, stored
from reconciler.sandbox.timekeeping import instant
from reconciler.sandbox.webhooks import as_json, deliveries

if TYPE_CHECKING:
    from reconciler.sandbox.app import Sandbox

_OBJECTS = "/sim/v0/objects/{kind}"
_OBJECT = _OBJECTS + "/{object_id}"


def admin_routes(sandbox: Sandbox) -> Iterator[Route]:
    """All operations of the table above."""
    admin = Admin(sandbox)
    for method, path, answer in (
        ("POST", "/sim/v0/reset", admin.reset),
        ("GET", "/sim/v0/state", admin.state),
        ("GET", "/sim/v0/switches", admin.read_switches),
        ("PUT", "/sim/v0/switches", admin.write_switches),
        ("GET", "/sim/v0/faults", admin.list_faults),
        ("POST", "/sim/v0/faults", admin.add_fault),
        ("DELETE", "/sim/v0/faults", admin.clear_faults),
        ("GET", "/sim/v0/clock", admin.read_clock),
        ("PUT", "/sim/v0/clock", admin.write_clock),
        ("GET", "/sim/v0/requests", admin.list_requests),
        ("DELETE", "/sim/v0/requests", admin.clear_requests),
        ("GET", "/sim/v0/keys", admin.list_keys),
        ("POST", "/sim/v0/keys", admin.add_key),
        ("POST", "/sim/v0/dealers", admin.add_dealer),
        ("GET", "/sim/v0/deliveries", admin.list_deliveries),
        ("POST", "/sim/v0/deliveries", admin.send_deliveries),
        ("POST", _OBJECTS, create_object),
        ("GET", _OBJECT, read_object),
        ("PATCH", _OBJECT, change_object),
        ("DELETE", _OBJECT, delete_object),
    ):
        yield Route(method, path, answer, admin=True)
    yield from field_routes()


class Admin:
    """Operations on the sandbox as a whole."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def reset(self, _call: Call) -> Response:
        self.sandbox.reset()
        return reply({})

    def state(self, _call: Call) -> Response:
        return reply(self.sandbox.state())

    def read_switches(self, _call: Call) -> Response:
        return reply(self.sandbox.switches.to_json())

    def write_switches(self, call: Call) -> Response:
        try:
            self.sandbox.switches = self.sandbox.switches.changed(call.request.json_object())
        except ValueError as exc:
            raise Refusal(400, str(exc), code="invalid_switch") from exc
        return self.read_switches(call)

    def list_faults(self, _call: Call) -> Response:
        return reply([fault.to_json() for fault in self.sandbox.faults.waiting()])

    def add_fault(self, call: Call) -> Response:
        try:
            fault = Fault.from_json(call.request.json_object())
        except ValueError as exc:
            raise Refusal(400, str(exc), code="invalid_fault") from exc
        self.sandbox.add_fault(fault)
        return reply(fault.to_json(), 201)

    def clear_faults(self, _call: Call) -> Response:
        self.sandbox.faults.clear()
        return reply({})

    def read_clock(self, _call: Call) -> Response:
        return reply(self.sandbox.clock.to_json())

    def write_clock(self, call: Call) -> Response:
        """``{"now": T, "frozen": true}``, ``{"advance": s}``, ``{"offset": s}``, or ``{}`` for real time."""
        body = call.request.json_object()
        clock = self.sandbox.clock
        advance, offset = body.get("advance"), body.get("offset")
        if isinstance(advance, (int, float)) and not isinstance(advance, bool):
            clock.advance(advance)
        elif isinstance(offset, (int, float)) and not isinstance(offset, bool):
            clock.release()
            clock.advance(offset)
        elif "now" in body:
            try:
                clock.set(instant(str(body["now"])), frozen=bool(body.get("frozen", False)))
            except ValueError as exc:
                raise Refusal(400, str(exc), field="now") from exc
        elif not body:
            clock.release()
        else:
            raise Refusal(400, "write now, advance, offset or an empty object")
        call.store.save_setting("clock", clock.to_json())
        return reply(clock.to_json())

    def list_requests(self, _call: Call) -> Response:
        return reply([record.to_json() for record in self.sandbox.requests()])

    def clear_requests(self, _call: Call) -> Response:
        self.sandbox.clear_requests()
        return reply({})

    def list_keys(self, call: Call) -> Response:
        """The development credentials. They open nothing but this simulator."""
        keys = call.store.rows("SELECT value, body FROM grants WHERE sort = 'dealer_key' ORDER BY value")
        signing = call.store.rows("SELECT value FROM grants WHERE sort = 'key' ORDER BY value")
        apps: list[JsonObject] = [
            {"app_id": row.id, "api_key": app_key(row.id), "webhook_secret": app_secret(row.id)}
            for row in call.store.all("app")
        ]
        return reply(
            {
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
                "audience": self.sandbox.switches.audience,
                "event_key": EVENT_KEY,
                "key_ids": [kid for (kid,) in signing],
                "dealer_keys": [value for value, _ in keys],
                "apps": apps,
            }
        )

    def add_key(self, call: Call) -> Response:
        body = call.request.json_object()
        if "kid" in body:
            try:
                self.sandbox.register_key(str(body["kid"]), str(body.get("pem", "")))
            except ValueError as exc:
                raise Refusal(400, str(exc), field="pem") from exc
            return reply({"kid": body["kid"]}, 201)
        dealer_id, key, disabled = body.get("dealer_id"), body.get("api_key"), body.get("disabled", False)
        if type(dealer_id) is not int or call.store.get("dealer", dealer_id) is None:
            raise not_found("dealer")
        if not isinstance(key, str) or not isinstance(disabled, bool):
            raise Refusal(400, "api_key must be text, and disabled true or false", field="api_key")
        add_dealer_key(call.store, key, dealer_id, disabled=disabled)
        return reply({"dealer_id": dealer_id, "disabled": disabled}, 201)

    def add_dealer(self, call: Call) -> Response:
        body = call.request.json_object()
        dealer_id, name = body.get("dealer_id"), body.get("company_name", "Example Security")
        external_id = body.get("external_dealer_id")
        if type(dealer_id) is not int:
            raise Refusal(400, "dealer_id must be a number", field="dealer_id")
        try:
            self.sandbox.seed_dealer(
                dealer_id,
                str(external_id) if external_id is not None else None,
                str(name),
                connected=bool(body.get("connected", True)),
            )
        except ValueError as exc:
            raise Refusal(400, str(exc), field="dealer_id") from exc
        row = call.store.get("dealer", dealer_id)
        assert row is not None
        return reply(stored(row), 201)

    def list_deliveries(self, call: Call) -> Response:
        return reply(as_json(deliveries(call.store, call.request.query.get("status"))))

    def send_deliveries(self, _call: Call) -> Response:
        return reply({"tried": self.sandbox.deliver()})


def _object(call: Call) -> Row:
    row = call.store.get(call.ids["kind"], call.number_of("object_id", "object"))
    if row is None:
        raise not_found("object")
    return row


def create_object(call: Call) -> Response:
    """Create by hand, unchecked: what a person does in the portal."""
    asked = call.request.json_object()
    body, external_id = asked.get("body", {}), asked.get("external_id")
    if not isinstance(body, dict):
        raise Refusal(400, "body must be an object", field="body")
    external = str(external_id) if external_id is not None else None
    row = call.store.insert(call.ids["kind"], str(asked.get("scope", "")), external, body, call.now)
    return reply(stored(row), 201)


def read_object(call: Call) -> Response:
    """The object as stored."""
    return reply(stored(_object(call)))


def change_object(call: Call) -> Response:
    """Merge fields by hand, unchecked; None removes one. ``external_id`` moves the object."""
    row = _object(call)
    body = dict(row.body)
    asked = call.request.json_object()
    external_id = asked.pop("external_id", None)
    for name, value in asked.items():
        if value is None:
            body.pop(name, None)
        else:
            body[name] = value
    external = str(external_id) if external_id is not None else None
    return reply(stored(call.store.update(row, body, call.now, external_id=external)))


def delete_object(call: Call) -> Response:
    """Delete by hand, whatever depends on the object."""
    call.store.delete(_object(call), call.now)
    return reply({})
