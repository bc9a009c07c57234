"""Operations of the simulator on one site: what people and weather do there (table in ``admin``)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from reconciler.model import JsonObject
from reconciler.sandbox.arming import (
    STATES,
    Actor,
    command,
    history,
    partitions_of,
    read_state,
    set_state,
    user_of,
    zones_changed,
)
from reconciler.sandbox.call import Call
from reconciler.sandbox.errors import Refusal, not_found
from reconciler.sandbox.logs import ALARM, NETWORK, write_activity
from reconciler.sandbox.messages import Response, reply
from reconciler.sandbox.routing import Route
from reconciler.sandbox.store import Row
from reconciler.sandbox.timekeeping import iso
from reconciler.sandbox.webhooks import Event, publish
from reconciler.sandbox.zones import zones_of

_SITE = "/sim/v0/sites/{site_id}"
_ZONE_FIELDS = ("status", "name", "bypassed", "partition_id", "entry")
_KEYS = {
    "away": "armed_away",
    "stay": "armed_stay",
    "night": "armed_night",
    "disarm": "disarmed",
}


def field_routes() -> Iterator[Route]:
    """Arming by hand, partitions, zones, devices, alarms and verifications."""
    for method, path, answer in (
        ("GET", f"{_SITE}/arming", read_arming),
        ("PUT", f"{_SITE}/arming", write_arming),
        ("GET", f"{_SITE}/arming/history", arming_history),
        ("POST", f"{_SITE}/keypad", press_keys),
        ("PUT", f"{_SITE}/user-codes", write_user_codes),
        ("PUT", f"{_SITE}/partitions", write_partitions),
        ("PUT", f"{_SITE}/zones/{{zone}}", write_zone),
        ("POST", f"{_SITE}/alarms", raise_alarm),
        ("POST", f"{_SITE}/verifications", ask_verification),
        ("PUT", "/sim/v0/devices/{device_id}/online", write_online),
    ):
        yield Route(method, path, answer, admin=True)


def _site(call: Call) -> Row:
    row = call.store.get("site", call.number_of("site_id", "site"))
    if row is None:
        raise not_found("site")
    return row


def _targets(site: Row) -> list[int]:
    return [each["partition_id"] for each in partitions_of(site)] or [0]


def read_arming(call: Call) -> Response:
    """The state of the site (partition 0) or of each partition, with who and since when."""
    site = _site(call)
    states: list[JsonObject] = []
    for partition_id in _targets(site):
        state = read_state(call.store, site.id, partition_id, call.now)
        states.append(
            {
                "partition_id": partition_id,
                "state": state.status,
                "since": iso(state.since) if state.since else None,
                "by": state.by,
                "method": state.method,
                "pending": state.outcome,
            }
        )
    return reply(states)


def write_arming(call: Call) -> Response:
    """Set a state at once, as a person or an event would."""
    site = _site(call)
    body = call.request.json_object()
    state, partition_id = body.get("state"), body.get("partition_id")
    if state not in STATES:
        raise Refusal(400, f"state is one of {', '.join(STATES)}", field="state")
    targets = _targets(site)
    if partition_id is not None and partition_id not in targets:
        raise Refusal(400, f"the site has no partition {partition_id!r}", field="partition_id")
    actor = Actor(str(body.get("by", "person")), str(body.get("method", "keypad")))
    for target in targets:
        if partition_id in (None, target):
            set_state(call, site, target, str(state), actor)
    return read_arming(call)


def press_keys(call: Call) -> Response:
    """A person at the keypad: ``key`` away, stay, night or disarm, and ``user_code``; 403 for a wrong one."""
    site = _site(call)
    body = call.request.json_object()
    key, partition_id = body.get("key"), body.get("partition_id")
    if not isinstance(key, str) or key not in _KEYS:
        raise Refusal(400, f"key is one of {', '.join(_KEYS)}", field="key")
    if partition_id is not None and partition_id not in _targets(site):
        raise Refusal(400, f"the site has no partition {partition_id!r}", field="partition_id")
    actor = Actor(user_of(call, site, str(body.get("user_code", ""))), "keypad")
    for target in _targets(site):
        if partition_id in (None, target):
            command(call, site, target, _KEYS[key], actor, delay=0.0)
    return read_arming(call)


def write_user_codes(call: Call) -> Response:
    """Give the site the codes that its keypad knows: ``{"1234": "Name of the user"}``."""
    site = _site(call)
    codes: JsonObject = {code: str(name) for code, name in call.request.json_object().items()}
    call.store.update(site, {**site.body, "user_codes": codes}, call.now)
    return reply(codes)


def arming_history(call: Call) -> Response:
    """Every change of state of the site, oldest first."""
    return reply(history(call.store, _site(call).id, call.now))


def write_partitions(call: Call) -> Response:
    """Give the site ``count`` partitions, or one for each of ``names``; none switches them off."""
    site = _site(call)
    body = call.request.json_object()
    names, count = body.get("names"), body.get("count", 0)
    if not isinstance(names, list):
        names = [f"Partition {number + 1}" for number in range(count if isinstance(count, int) else 0)]
    partitions: list[JsonObject] = []
    for number, name in enumerate(names, start=1):
        row = call.store.insert("partition", "", None, {}, call.now)
        partitions.append({"partition_id": row.id, "partition_name": str(name), "partition_number": number})
    call.store.update(site, {**site.body, "partitions": partitions}, call.now)
    return reply(partitions)


def write_zone(call: Call) -> Response:
    """Open, close, name or bypass a zone, or put it in a partition."""
    site = _site(call)
    body = call.request.json_object()
    for name in body:
        if name not in _ZONE_FIELDS:
            raise Refusal(400, f"a zone has {', '.join(_ZONE_FIELDS)}", field=name)
    number = call.ids["zone"]
    if not (number.isascii() and number.isdigit()):
        raise not_found("zone")
    number = number.zfill(3)
    said = site.body.get("zones")
    zones = dict(said) if isinstance(said, dict) else {}
    known = zones.get(number)
    zones[number] = {**(known if isinstance(known, dict) else {}), **body}
    before = {zone.number: zone.status for zone in zones_of(call.store, site)}
    site = call.store.update(site, {**site.body, "zones": zones}, call.now)
    written = next(zone for zone in zones_of(call.store, site) if zone.number == number)
    opened = written.status == "open" and before.get(number) != "open"
    zones_changed(call, site, written if opened else None)
    return reply(zones)


def raise_alarm(call: Call) -> Response:
    """An alarm at the site: an alarm object, a log row, and a delivery to each system."""
    site = _site(call)
    body = call.request.json_object()
    at = call.now
    alarm = call.store.insert(
        "alarm", site.scope, None, {"site_id": site.id, "status": "created", **body}, at
    )
    row: JsonObject = {"trigger": "alarm", "status": "active", "zone_number": body.get("zone_number")}
    event_id = write_activity(call.store, int(site.scope), site.id, ALARM, at, row)
    data: JsonObject = {"alarm_id": str(alarm.id), "site_id": site.id, **body}
    known: JsonObject = {"event_id": event_id, "event_time": iso(at), **body}
    flat: JsonObject = {**data, "site_id": str(site.id)}
    event = Event(
        site,
        at,
        app=("alarm.created", data),
        partner=(("alarm.triggered",), flat),
        dealer=("alarm_event", "active", known),
    )
    publish(call, event)
    return reply({"alarm_id": alarm.id, "event_id": event_id}, 201)


def ask_verification(call: Call) -> Response:
    """A verification that a partner may answer (section 4.8)."""
    site = _site(call)
    body: JsonObject = {"verification_id": str(uuid.uuid4()), "site_id": site.id}
    row = call.store.insert("verification", f"{site.scope}/{site.id}", None, body, call.now)
    told: JsonObject = {"id": row.id, **body} if call.switches.verification_event == "both" else body
    publish(call, Event(site, call.now, app=("verification.requested", told)))
    return reply({"id": row.id, **body}, 201)


def write_online(call: Call) -> Response:
    """Connect or disconnect a device."""
    row = call.store.get("device", call.number_of("device_id", "device"))
    if row is None:
        raise not_found("device")
    is_online = call.request.json_object().get("is_online")
    if is_online not in (0, 1):
        raise Refusal(400, "is_online is 0 or 1", field="is_online")
    call.store.update(row, {**row.body, "is_online": is_online}, call.now)
    site = call.store.get("site", int(row.scope.rpartition("/")[2]))
    if site is not None:
        name = str(row.body.get("name", ""))
        log: JsonObject = {"trigger": "network", "device_id": row.id, "device_name": name}
        write_activity(call.store, int(site.scope), site.id, NETWORK, call.now, log)
        data: JsonObject = {"device_id": row.id, "device_name": name, "is_online": is_online}
        kind = f"{row.body.get('device_type')}_network"
        state = "online" if is_online else "offline"
        event = Event(
            site,
            call.now,
            app=(f"device.{state}", data),
            partner=(("device.status_changed",), data),
            dealer=(kind, "connected" if is_online else "disconnected", data),
        )
        publish(call, event)
    return reply({"is_online": is_online})
