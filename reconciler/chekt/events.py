"""What an event tells, in any envelope of the three webhook systems (chekt-api/README.md section 7).

``{id, type, created_at, data}``, ``{event_id, event_type, payload: {data, triggered_by}}``, and one of which
no document shows the envelope. Pure: JSON in, its parts out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.chekt import wire
from reconciler.model import JsonValue

Place = Mapping[str, JsonValue]


def places(content: Place) -> list[Place]:
    """Where the fields of the event ``content`` may stand, what it is about first, its envelope last."""
    payload = content.get("payload")
    inner = payload.get("data") if wire.is_object(payload) else None
    return [place for place in (inner, content.get("data"), payload, content) if wire.is_object(place)]


def values(where: Sequence[Place], names: Sequence[str]) -> Iterator[JsonValue]:
    """What stands under ``names``, the first name first, and of one name the first place first."""
    return (place[name] for name in names for place in where if place.get(name) not in (None, ""))


def first_text(where: Sequence[Place], names: Sequence[str]) -> str | None:
    """The first text or whole number under ``names``, as text; None where there is none."""
    for value in values(where, names):
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            return str(value)
    return None
