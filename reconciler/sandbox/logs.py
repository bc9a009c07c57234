"""Activity log and event media of the dealer surface (section 5.6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from reconciler.model import JsonObject
from reconciler.sandbox.call import Call
from reconciler.sandbox.errors import Refusal
from reconciler.sandbox.messages import Response, reply
from reconciler.sandbox.routing import Route
from reconciler.sandbox.store import LARGEST_ID, Store
from reconciler.sandbox.timekeeping import instant, iso

ARMING, ALARM, NETWORK = 10001, 10002, 10003
VIDEO_EVENT = 20007
CATEGORIES = {
    ARMING: "Arming",
    ALARM: "Alarm",
    NETWORK: "Network",
    VIDEO_EVENT: "Video event",
    20003: "Playback",
    20022: "Edge playback",
    20002: "Time lapse",
}
_WITH_VIDEO = frozenset({VIDEO_EVENT, 20003, 20022, 20002})
_MEDIA_LIFETIME = 900
_DEFAULT_LIMIT, _LARGEST_LIMIT = 25, 500


def log_routes() -> Iterator[Route]:
    """Categories, search, media URLs, and the event intake that one page mentions."""
    yield Route("GET", "/ext/v1/activity-logs/categories", categories, "dealer")
    yield Route("POST", "/ext/v1/activity-logs/search", search, "dealer")
    yield Route("POST", "/ext/v1/events-video-urls", video_urls, "dealer")
    yield Route("POST", "/ext/v1/events", take_event, "dealer")


def write_activity(
    store: Store, dealer_id: int, site_id: int, category: int, at: float, body: JsonObject, partition: int = 0
) -> int:
    """Add a row that shows from ``at`` on; its event id."""
    return store.run(
        "INSERT INTO activity (dealer_id, site_id, partition_id, category_id, at, body)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (dealer_id, site_id, partition, category, at, json.dumps(body)),
    )


def drop_future_activity(store: Store, site_id: int, partition_id: int, now: float) -> None:
    """Forget rows of a change of state that will not happen."""
    store.run(
        "DELETE FROM activity WHERE site_id = ? AND partition_id = ? AND at > ?",
        (site_id, partition_id, now),
    )


def categories(_call: Call) -> Response:
    """The categories that rows can have."""
    return reply([{"id": number, "name": name} for number, name in CATEGORIES.items()])


def search(call: Call) -> Response:
    """Rows between two instants, newest first unless asked otherwise, a page at a time."""
    body = call.request.json_object()
    known = ("start_time", "end_time", "site_id", "category_id", "limit", "sort_by", "sort_order", "cursor")
    for name in body:
        if name not in known:
            raise call.invalid(name, f"there is no field {name}", code="unknown_field")
    start, end = _time(call, body, "start_time"), _time(call, body, "end_time")
    site_id, category_id = _number(call, body, "site_id"), _number(call, body, "category_id")
    limit = _number(call, body, "limit") or _DEFAULT_LIMIT
    if not 1 <= limit <= _LARGEST_LIMIT:
        raise call.invalid("limit", f"limit is 1 to {_LARGEST_LIMIT}")
    if body.get("sort_by", "event_time") != "event_time":
        raise call.invalid("sort_by", "sort_by is event_time")
    if body.get("sort_order", "desc") not in ("asc", "desc"):
        raise call.invalid("sort_order", "sort_order is asc or desc")
    order = "ASC" if body.get("sort_order") == "asc" else "DESC"
    skip = _cursor(call, body)
    dealer = call.own_dealer()
    found = call.store.rows(
        "SELECT event_id, category_id, at, site_id, body FROM activity"  # noqa: S608
        " WHERE dealer_id = ? AND at >= ? AND at <= ? AND (?4 IS NULL OR site_id = ?4)"
        f" AND (?5 IS NULL OR category_id = ?5) ORDER BY at {order}, event_id {order} LIMIT ?6 OFFSET ?7",
        (dealer.id, start, min(end, call.now), site_id, category_id, limit + 1, skip),
    )
    rows = [_render(*each) for each in found[:limit]]
    more = len(found) > limit
    return reply({"data": rows, "page": {"cursor": str(skip + limit) if more else None, "has_more": more}})


def _render(event_id: int, category_id: int, at: float, site_id: int, text: str) -> JsonObject:
    body: dict[str, Any] = json.loads(text)
    shown = ("trigger", "status", "zone_number", "device_name", "device_id")
    return {
        "event_id": event_id,
        "event_time": iso(at),
        "category_id": category_id,
        "site_id": site_id,
        **{name: body.get(name) for name in shown},
    }


def _time(call: Call, body: JsonObject, name: str) -> float:
    if name not in body:
        raise call.invalid(name, f"{name} is required", code="required")
    try:
        return instant(str(body[name])).timestamp()
    except (ValueError, OverflowError) as exc:
        raise call.invalid(name, str(exc)) from exc


def _number(call: Call, body: JsonObject, name: str) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_ID:
        raise call.invalid(name, f"{name} must be a number")
    return value


def _cursor(call: Call, body: JsonObject) -> int:
    cursor = body.get("cursor")
    if cursor is None:
        return 0
    if not (isinstance(cursor, str) and cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        raise call.invalid("cursor", "this cursor is not one of ours")
    return int(cursor)


def video_urls(call: Call) -> Response:
    """Signed media of events; an event without video has null and no snapshots."""
    body = call.request.json_object()
    event_ids = body.get("event_ids")
    whole = isinstance(event_ids, list) and all(
        type(each) is int and 1 <= each <= LARGEST_ID for each in event_ids
    )
    if not isinstance(event_ids, list) or not whole:
        raise call.invalid("event_ids", "event_ids is an array of numbers from 1")
    dealer = call.own_dealer()
    events: list[JsonObject] = []
    for event_id in event_ids:
        found = call.store.rows(
            "SELECT category_id FROM activity WHERE event_id = ? AND dealer_id = ? AND at <= ?",
            (event_id, dealer.id, call.now),
        )
        if found:
            events.append(_media(call, event_id, with_video=found[0][0] in _WITH_VIDEO))
    return reply({"events": events, "expires_in": _MEDIA_LIFETIME})


def _media(call: Call, event_id: int, *, with_video: bool) -> JsonObject:
    base = f"{call.request.base_url}/sim/v0/media/{event_id}"
    return {
        "event_id": event_id,
        "mp4": f"{base}.mp4" if with_video else None,
        "thumbnail": f"{base}.jpg" if with_video else None,
        "snapshots": [f"{base}.jpg"] if with_video else [],
    }


def take_event(call: Call) -> Response:
    """``POST /ext/v1/events``: named once, content unknown (section 4.10): any object is taken."""
    if not call.request.body:
        raise Refusal(400, "the body must be a JSON object", code="invalid_body")
    body = call.request.json_object()
    dealer = call.own_dealer()
    row = call.store.insert("dealer_event", str(dealer.id), None, body, call.now)
    return reply({"event_id": row.id}, 201)
