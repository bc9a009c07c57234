"""The ``/v1`` operations that CHeKT's app pages name (section 6).

Their answers are not documented: bare objects under ``data`` for lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.model import JsonObject
from reconciler.sandbox.arming import partitions_of
from reconciler.sandbox.call import Call
from reconciler.sandbox.equipment import online
from reconciler.sandbox.errors import not_found
from reconciler.sandbox.messages import Response, reply
from reconciler.sandbox.routing import Route
from reconciler.sandbox.store import Row
from reconciler.sandbox.timekeeping import iso
from reconciler.sandbox.webhooks import Event, publish

_ALARM = "/v1/alarms/{alarm_id}"
_DEVICE = "/v1/devices/{device_id}"
_SETTABLE = ("labels", "groups", "configuration")
_VERDICTS = ("intruder", "false-positive", "uncertain")


def app_routes() -> Iterator[Route]:
    """Devices, events, alarms and sites for apps."""
    yield Route("GET", "/v1/devices", list_devices, "app", "devices:read")
    yield Route("GET", _DEVICE, read_device, "app", "devices:read")
    yield Route("PATCH", _DEVICE, update_device, "app", "devices:write")
    yield Route("GET", f"{_DEVICE}/snapshots", list_snapshots, "app", "devices:read")
    yield Route("POST", f"{_DEVICE}/snapshot", take_snapshot, "app", "devices:write")
    yield Route("GET", "/v1/events", list_events, "app", "events:read")
    yield Route("GET", "/v1/events/stream", list_events, "app", "events:read")
    yield Route("GET", "/v1/alarms", list_alarms, "app", "events:read")
    yield Route("GET", _ALARM, read_alarm, "app", "events:read")
    yield Route("POST", f"{_ALARM}/acknowledge", _alarm_step("acknowledged"), "app", "events:write")
    yield Route("POST", f"{_ALARM}/escalate", _alarm_step("escalated"), "app", "events:write")
    yield Route("POST", f"{_ALARM}/annotate", annotate, "app", "events:write")
    yield Route("POST", f"{_ALARM}/dispatch", _alarm_step("dispatched"), "app", "alarms:write")
    yield Route("GET", "/v1/sites", list_sites, "site_reader", "sites:read")


def _sites(call: Call) -> list[Row]:
    return call.store.within("site", str(call.own_dealer().id))


def list_devices(call: Call) -> Response:
    """Every device of the dealer, or those in ``ids``."""
    asked = call.request.query.get("ids")
    wanted = None if asked is None else {text.strip() for text in asked.split(",")}
    found = [
        _device(row)
        for site in _sites(call)
        for row in call.store.within("device", f"{site.scope}/{site.id}")
        if wanted is None or str(row.id) in wanted
    ]
    return reply({"data": found})


def _device(row: Row) -> JsonObject:
    shown = ("name", "device_type", "zone_number", *_SETTABLE)
    body = {name: row.body[name] for name in shown if name in row.body}
    return {
        "id": str(row.id),
        "site_id": row.scope.rpartition("/")[2],
        "status": "online" if online(row) else "offline",
        **body,
    }


def _own_device(call: Call) -> Row:
    row = call.store.get("device", call.number_of("device_id", "device"))
    if row is None or row.scope.partition("/")[0] != str(call.own_dealer().id):
        raise not_found("device")
    return row


def read_device(call: Call) -> Response:
    """One device of the dealer."""
    return reply(_device(_own_device(call)))


def update_device(call: Call) -> Response:
    """Change labels, groups or configuration."""
    row = _own_device(call)
    body = call.request.json_object()
    for name in body:
        if name not in _SETTABLE:
            raise call.invalid(name, f"there is no field {name}", code="unknown_field")
    return reply(_device(call.store.update(row, {**row.body, **body}, call.now)))


def list_snapshots(call: Call) -> Response:
    """The pictures taken of a device."""
    row = _own_device(call)
    found = call.store.within("snapshot", f"{row.scope}/{row.id}")
    return reply({"data": [{"id": str(each.id), "created_at": iso(each.created_at)} for each in found]})


def take_snapshot(call: Call) -> Response:
    """Take a picture now."""
    row = _own_device(call)
    taken = call.store.insert("snapshot", f"{row.scope}/{row.id}", None, {}, call.now)
    return reply({"id": str(taken.id), "device_id": str(row.id), "created_at": iso(taken.created_at)})


def list_events(call: Call) -> Response:
    """The newest hundred rows of the activity log; the stream answers with what there is, and ends."""
    found = call.store.rows(
        "SELECT event_id, category_id, site_id, at FROM activity WHERE dealer_id = ? AND at <= ?"
        " ORDER BY at DESC, event_id DESC LIMIT 100",
        (call.own_dealer().id, call.now),
    )
    events: list[JsonObject] = [
        {"id": str(event_id), "category_id": category, "site_id": str(site_id), "created_at": iso(at)}
        for event_id, category, site_id, at in found
    ]
    return reply({"data": events})


def list_alarms(call: Call) -> Response:
    """The alarms of the dealer."""
    rows = call.store.within("alarm", str(call.own_dealer().id))
    return reply({"data": [_alarm(row) for row in rows]})


def _alarm(row: Row) -> JsonObject:
    return {"id": str(row.id), "created_at": iso(row.created_at), **row.body}


def _own_alarm(call: Call) -> Row:
    row = call.store.get("alarm", call.number_of("alarm_id", "alarm"))
    if row is None or row.scope != str(call.own_dealer().id):
        raise not_found("alarm")
    return row


def read_alarm(call: Call) -> Response:
    """One alarm."""
    return reply(_alarm(_own_alarm(call)))


def _alarm_step(status: str) -> Callable[[Call], Response]:
    def take_step(call: Call) -> Response:
        row = call.store.update(alarm := _own_alarm(call), {**alarm.body, "status": status}, call.now)
        _tell_apps(call, row, status)
        return reply(_alarm(row))

    return take_step


def _tell_apps(call: Call, alarm: Row, status: str) -> None:
    site_id = alarm.body.get("site_id")
    site = call.store.get("site", site_id) if isinstance(site_id, int) else None
    if site is not None and status in ("acknowledged", "dispatched"):
        data: JsonObject = {"alarm_id": str(alarm.id)}
        publish(call, Event(site, call.now, app=(f"alarm.{status}", data)))


def annotate(call: Call) -> Response:
    """Add a verdict to an alarm (section 6)."""
    row = _own_alarm(call)
    body = call.request.json_object()
    for name in body:
        if name not in ("source", "verdict", "confidence"):
            raise call.invalid(name, f"there is no field {name}", code="unknown_field")
    if not isinstance(body.get("source", ""), str):
        raise call.invalid("source", "source must be a string")
    if body.get("verdict", "uncertain") not in _VERDICTS:
        raise call.invalid("verdict", f"verdict is one of {', '.join(_VERDICTS)}")
    confidence = body.get("confidence", 0)
    if not isinstance(confidence, (int, float)) or isinstance(confidence, bool):
        raise call.invalid("confidence", "confidence must be a number")
    annotations = row.body.get("annotations")
    notes = [*annotations, body] if isinstance(annotations, list) else [body]
    return reply(_alarm(call.store.update(row, {**row.body, "annotations": notes}, call.now)))


def list_sites(call: Call) -> Response:
    """The sites of the dealer, with their partitions."""
    found: list[JsonObject] = [
        {
            "id": str(row.id),
            "name": row.body.get("name"),
            "timezone": row.body.get("timezone"),
            "partitions": partitions_of(row),
        }
        for row in _sites(call)
    ]
    return reply({"data": found})
