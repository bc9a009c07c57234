"""What a delivery's body says of the event: its id and its type (chekt-api/README.md section 7)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.chekt import strict_json
from reconciler.chekt.events import first_text
from reconciler.escape import visible
from reconciler.listening.endpoints import System
from reconciler.model import JsonValue

_LONGEST = 200
"""Characters of an id or a type."""

_TYPE_NAMES: Mapping[System, tuple[str, ...]] = {
    "app": ("type",),
    "partner": ("event_type", "type", "event"),
    "dealer": ("event_type",),
}
_ID_NAMES: Mapping[System, tuple[str, ...]] = {
    "app": ("id",),
    "partner": ("id", "event_id"),
    "dealer": ("event_id",),
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event as its body tells it.

    ``event_id``: the sender's, or ``sha256:`` and the digest of the raw body where it has none. ``key``: what
    tells it from the other events of its endpoint. ``event_type``: empty where the body names none.
    """

    key: str
    event_id: str
    event_type: str
    content: Mapping[str, JsonValue]


def read_envelope(system: System, body: bytes) -> Envelope:
    """The event that ``body``, the raw bytes of a delivery, tells of.

    A's ``id`` is stable across retries and tells its events apart; B and C are told apart by id and type. The
    envelope of B is not published: where it has no id, the digest of the body stands for it, which tells
    events apart by the time that they carry. Raises ValueError for what is no JSON object.
    """
    content = strict_json.parse(body)
    if not isinstance(content, Mapping):
        raise ValueError("not a JSON object")  # noqa: TRY004  # a wrong value, for the caller
    event_id = _short(first_text([content], _ID_NAMES[system]) or "")
    event_type = _short(first_text([content], _TYPE_NAMES[system]) or "")
    if not event_id:
        event_id = f"sha256:{hashlib.sha256(body).hexdigest()}"
        return Envelope(event_id, event_id, event_type, content)
    key = event_id if system == "app" else f"{event_type}:{event_id}"
    return Envelope(key, event_id, event_type, content)


def _short(text: str) -> str:
    """``text``; its beginning and its digest where it is long or holds what nobody sees: two ids stay two."""
    shown = visible(text)
    if len(text) <= _LONGEST and shown == text:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{shown[: _LONGEST - len(digest) - 1]}~{digest}"
