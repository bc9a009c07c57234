"""Webhook deliveries of the three systems, queued, signed and retried (section 7).

A: apps, signed over timestamp and body. B: partner registrations, signed over the body. C: dealer
webhooks, unsigned. A delivery is due when its event happens, which may lie ahead (arming). What is taken
differs too: A any 2xx within 30 s, B and C 200 within 5 s.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from reconciler.model import JsonObject, JsonValue
from reconciler.sandbox.auth import app_secret
from reconciler.sandbox.call import Call
from reconciler.sandbox.faults import Faults
from reconciler.sandbox.store import Row, Store
from reconciler.sandbox.switches import Switches
from reconciler.sandbox.timekeeping import iso

_LONGEST_RETRY = 24 * 3600
_PATIENCE = {"A": 30.0, "B": 5.0, "C": 5.0}
"""Seconds to wait for an answer; C's are not known."""
_APP_SCOPES = {
    "alarm.": "events:read",
    "verification.": "events:read",
    "device.": "devices:read",
    "snapshot.": "snapshots:read",
    "partition.": "sites:read",
    "relay.": "sites:read",
}


class Delivery(NamedTuple):
    """One POST to an endpoint: ``system`` A, B or C, the event's name, address, headers and body.

    ``status``: queued, delayed, held (behind the next one), delivered or failed. ``at``: when the event
    happens, epoch seconds. ``app_id``: of system A.
    """

    id: int
    system: str
    event: str
    url: str
    headers: dict[str, str]
    body: str
    due_at: float
    status: str
    attempts: int
    at: float = 0.0
    app_id: int = 0

    def to_json(self) -> JsonObject:
        """Every field by name."""
        return {**self._asdict(), "due_at": iso(self.due_at), "at": iso(self.at)}


Sender: TypeAlias = Callable[[Delivery], int]
"""Posts a delivery and returns the HTTP status, 0 where there was no answer."""


class Event(NamedTuple):
    """Something that happened at a site, under the names of each system; None: not told there.

    ``app``: name and data for A. ``partner``: names and flat body for B. ``dealer``: name, status and
    data for C.
    """

    site: Row
    at: float
    partition_id: int = 0
    app: tuple[str, JsonObject] | None = None
    partner: tuple[tuple[str, ...], JsonObject] | None = None
    dealer: tuple[str, str, JsonObject] | None = None
    triggered_by: str = ""


def publish(call: Call, event: Event) -> None:
    """Queue a delivery to everyone who listens."""
    for message in _messages(call, event):
        call.store.run(
            "INSERT INTO deliveries (site_id, partition_id, due_at, status, attempts, body)"
            " VALUES (?, ?, ?, 'queued', 0, ?)",
            (event.site.id, event.partition_id, event.at, json.dumps({**message._asdict(), "at": event.at})),
        )


class _Message(NamedTuple):
    """What of a delivery is known when its event is: the fields of the same names."""

    system: str
    event: str
    url: str
    headers: dict[str, str]
    body: str
    app_id: int = 0


def _messages(call: Call, event: Event) -> Iterator[_Message]:
    dealer_id = event.site.scope
    if event.app is not None:
        yield from _to_apps(call, dealer_id, event.at, *event.app)
    if event.partner is not None:
        names, flat = event.partner
        for row in call.store.all("webhook"):
            subscribed = row.body.get("events")
            for name in names:
                if isinstance(subscribed, list) and name in subscribed:
                    body = json.dumps({**flat, "event_type": name})
                    signature = _signature(str(row.body.get("secret")), body).hex()
                    headers = {"x-webhook-signature": f"sha256={signature}"}
                    yield _Message("B", name, str(row.body["url"]), headers, body)
    if event.dealer is not None:
        yield from _to_dealer(call, dealer_id, event)


def _to_apps(call: Call, dealer_id: str, at: float, name: str, data: JsonObject) -> Iterator[_Message]:
    scope = next(scope for prefix, scope in _APP_SCOPES.items() if name.startswith(prefix))
    for row in call.store.within("app", dealer_id):
        webhook, permissions = row.body.get("webhook"), row.body.get("permissions")
        if not isinstance(webhook, dict) or not isinstance(permissions, list) or scope not in permissions:
            continue
        subscribed: Any = webhook.get("events")
        if name not in subscribed:
            continue
        event_id = f"evt_{uuid.uuid4().hex}"
        body = json.dumps({"id": event_id, "type": name, "created_at": iso(at), "data": data})
        headers = {
            **_app_signature(call.switches, row.id, at, body),
            call.switches.event_id_header: event_id,
            call.switches.delivery_id_header: f"dlv_{uuid.uuid4().hex}",
            call.switches.trace_id_header: call.request.headers.get("x-partner-trace-id", str(uuid.uuid4())),
        }
        headers.pop("", None)
        yield _Message("A", name, str(webhook["url"]), headers, body, row.id)


def _app_signature(switches: Switches, app_id: int, at: float, body: str) -> dict[str, str]:
    stamp = str(int(at))
    raw = _signature(app_secret(app_id), f"{stamp}.{body}")
    encoded = base64.b64encode(raw).decode() if switches.signature_encoding == "base64" else raw.hex()
    return {"X-CHeKT-Signature": encoded, "X-CHeKT-Timestamp": stamp}


def _to_dealer(call: Call, dealer_id: str, event: Event) -> Iterator[_Message]:
    assert event.dealer is not None
    name, status, data = event.dealer
    dealer = call.store.get("dealer", int(dealer_id))
    url = dealer.body.get("webhook_url") if dealer is not None else None
    if not isinstance(url, str):
        return
    site: JsonObject = {
        "site_id": event.site.id,
        "site_name": event.site.body.get("name"),
        "account_number": event.site.body.get("account_number"),
    }
    body: JsonObject = {
        "event_id": int(event.at * 1000),
        "event_type": name,
        "status": status,
        "endpoint_url": url,
        "api_version": "v1",
        "payload": {"data": {**site, **data}, "triggered_by": {"email": event.triggered_by}},
    }
    yield _Message("C", name, url, {}, json.dumps(body))


def _signature(secret: str, text: str) -> bytes:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()


def deliveries(store: Store, status: str | None = None) -> list[Delivery]:
    """The deliveries, oldest first, those of one status where it is given."""
    found = store.rows(
        "SELECT id, body, due_at, status, attempts FROM deliveries"
        " WHERE ?1 IS NULL OR status = ?1 ORDER BY due_at, id",
        (status,),
    )
    return [_delivery(*each) for each in found]


def _delivery(number: int, text: str, due_at: float, status: str, attempts: int) -> Delivery:
    body: dict[str, Any] = json.loads(text)
    return Delivery(number, due_at=due_at, status=status, attempts=attempts, **body)


def deliver_due(store: Store, now: float, sender: Sender, switches: Switches, faults: Faults) -> int:
    """Send what is due at ``now``; how many were tried.

    What is not taken is tried again after ``retry_first`` seconds and twice as long each time, for a day.
    """
    found = store.rows(
        "SELECT id, body, due_at, status, attempts FROM deliveries"
        " WHERE status IN ('queued', 'held', 'delayed') AND due_at <= ? ORDER BY due_at, id",
        (now,),
    )
    tried = 0
    for delivery in [_delivery(*each) for each in found]:
        fault = None
        if delivery.status == "queued":  # what was struck by a delay is let through
            fault = faults.strike(delivery.system, delivery.event, delivery=True)
        if fault is not None and fault.action in ("late", "reorder"):
            status = "held" if fault.action == "reorder" else "delayed"
            _settle(store, delivery, status, delivery.attempts, now + fault.seconds)
            continue
        sent = _attempt(delivery, now, switches, forged=fault is not None and fault.action == "forge")
        answered = sender(sent)
        if fault is not None and fault.action == "duplicate":
            answered = sender(sent)
        tried += 1
        attempts = delivery.attempts + 1
        wait = switches.retry_first * 2 ** (attempts - 1)
        given_up = 2 * wait > _LONGEST_RETRY or "no_retry" in switches.flaws
        status = "delivered" if _taken(sent, answered) else "failed" if given_up else "queued"
        _settle(store, delivery, status, attempts, now + wait)
        _let_go(store, delivery, now)
    return tried


def _attempt(delivery: Delivery, now: float, switches: Switches, *, forged: bool) -> Delivery:
    """The delivery as it is sent now: signed anew where signatures carry the time of the attempt."""
    headers = dict(delivery.headers)
    if delivery.app_id and switches.signature_time == "attempt":
        headers |= _app_signature(switches, delivery.app_id, now, delivery.body)
    if forged:
        wrong = _signature("not the secret", delivery.body).hex()
        headers |= {name: wrong for name in headers if name.lower().endswith("-signature")}
    return delivery._replace(headers=headers)


def _taken(delivery: Delivery, answered: int) -> bool:
    return 200 <= answered < 300 if delivery.system == "A" else answered == 200


def _settle(store: Store, delivery: Delivery, status: str, attempts: int, due_at: float) -> None:
    with store.transaction():
        store.run(
            "UPDATE deliveries SET status = ?, attempts = ?, due_at = ? WHERE id = ?",
            (status, attempts, due_at, delivery.id),
        )


def _let_go(store: Store, sent: Delivery, now: float) -> None:
    """What was held back behind ``sent`` may go now."""
    for held in deliveries(store, "held"):
        if held.url == sent.url and held.id != sent.id:
            _settle(store, held, "delayed", held.attempts, now)


def post_to_loopback(delivery: Delivery) -> int:
    """Post to a loopback address; any other address gets no request and no answer (0)."""
    if urlsplit(delivery.url).hostname not in ("127.0.0.1", "::1", "localhost"):
        return 0
    headers = {"Content-Type": "application/json", **delivery.headers}
    request = urllib.request.Request(  # noqa: S310 - loopback only, checked above
        delivery.url, delivery.body.encode(), headers, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE[delivery.system]) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code
    except OSError:
        return 0


def drop_pending(store: Store, site_id: int, partition_id: int, now: float) -> None:
    """Forget deliveries of events that will not happen. What waits for another attempt stays."""
    found = store.rows(
        "SELECT id, body FROM deliveries WHERE site_id = ? AND partition_id = ? AND due_at > ?"
        " AND status = 'queued' AND attempts = 0",
        (site_id, partition_id, now),
    )
    for number, text in found:
        if json.loads(text).get("at", now) > now:  # older files do not say
            store.run("DELETE FROM deliveries WHERE id = ?", (number,))


def as_json(values: list[Delivery]) -> JsonValue:
    """Deliveries as the admin endpoint lists them."""
    return [each.to_json() for each in values]
