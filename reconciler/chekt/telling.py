"""What an integration tells CHeKT: answers to verifications, arming states, events (sections 4.7, 4.8, 4.10).

Each is one write without an object that could be looked up afterwards, so whoever sends it decides what a
lost answer means.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from reconciler.chekt import wire
from reconciler.chekt.client import Client
from reconciler.chekt.transport import Call
from reconciler.kinds.kind import Endpoint
from reconciler.model import JsonObject, JsonValue
from reconciler.times import utc_text


def tell(
    client: Client,
    endpoint: Endpoint,
    ids: Mapping[str, str],
    body: JsonObject,
    idempotency_key: str,
    *,
    timeout: float | None = None,
    once: bool = False,
) -> JsonValue:
    """Send ``body`` to ``endpoint``, whose placeholders are ``ids``; what the server answered.

    ``timeout``: seconds for each request; ``once``: leave repeats to the caller. Raises AmbiguousError where
    nobody knows whether it arrived, ApiError and AuthError where it was refused, RemoteError where it was not
    sent.
    """
    call = Call(
        endpoint.method,
        wire.path(endpoint.path, ids),
        ids.get("dealer_id"),
        body=body,
        idempotency_key=idempotency_key,
        once=once,
        timeout=timeout,
    )
    return client.transport.send(call).body


def answer_body(verification_id: str, contact_id: str, action: str, responded_at: datetime) -> JsonObject:
    """A contact's answer to the verification with the UUID ``verification_id`` (section 4.8)."""
    return {
        "verification_id": verification_id,
        "contact_id": wire.wire_id(contact_id),
        "action": action,
        "responded_at": utc_text(responded_at, "milliseconds"),
    }


def report_body(
    state: str, partition: str, at: datetime, *, user_id: str, source: str, more: Mapping[str, JsonValue]
) -> JsonObject:
    """The arming state of a partition, or of ``all`` (section 4.7). ``more``: fields no page shows."""
    body: JsonObject = {"state": state, "partition": partition, "timestamp": utc_text(at, "milliseconds")}
    said = {"user_id": user_id, "source": source}
    return {**body, **{name: text for name, text in said.items() if text}, **more}


def media_urls(answered: JsonValue) -> list[str]:
    """Where media of an event are to be uploaded, in order (section 4.10).

    The documents do not show the answer: URLs are taken from any list in it whose name speaks of uploads or
    media, as texts or as objects with one URL.
    """
    raw = wire.single(answered, ("event",)) or {}
    named = [
        value for name, value in raw.items() if any(word in name.lower() for word in ("upload", "media"))
    ]
    entries = [each for value in named for each in (value if wire.is_array(value) else (value,))]
    return [url for url in map(_url_of, entries) if url is not None]


def _url_of(entry: JsonValue) -> str | None:
    if isinstance(entry, str):
        return entry
    if not wire.is_object(entry):
        return None
    urls = [value for name, value in entry.items() if "url" in name.lower() and isinstance(value, str)]
    return urls[0] if len(urls) == 1 else None


def answer_id(client: Client, answered: JsonValue, sent: JsonObject) -> tuple[str | None, str]:
    """CHeKT's id of an answer, and what it recorded otherwise than ``sent``, as a sentence or nothing."""
    raw = wire.single(answered, ("alarm_verification", "verification"))
    if raw is None:
        return None, "CHeKT's answer does not say what it recorded"
    other = [
        f"{name} {client.transport.shown(wire.text(raw[name]))} in place of {wire.text(value)}"
        for name, value in sent.items()
        if name in raw and name != "responded_at" and str(raw[name]).lower() != str(value).lower()
    ]
    return wire.text_id(raw.get("id")), f"CHeKT recorded {', '.join(other)}" if other else ""
