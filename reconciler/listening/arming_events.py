"""What a webhook says about arming, whichever of the three systems sent it. Pure: bytes in, an event out.

The enforcer acts on state that it reads itself; an event only says where to look, and when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.chekt.events import Place, first_text, places, values
from reconciler.chekt.wire import moment
from reconciler.escape import visible
from reconciler.listening.endpoints import System
from reconciler.listening.envelope import read_envelope

ARMING_TYPES: Mapping[System, Mapping[str, str]] = {
    "app": {"partition.armed": "armed"},
    "partner": {"arming.state_changed": "", "site.armed": "armed", "site.disarmed": "disarmed"},
    "dealer": {"arming_status": "", "partition_arming_status": ""},
}
"""By system, the event types that tell of arming, and the state that the name itself says (section 7.1)."""


@dataclass(frozen=True, slots=True)
class ArmingEvent:
    """A site, or a partition of it, was armed or disarmed.

    ``site_id``: as CHeKT numbers it. ``dealer_id``: where the event names it. ``partition``: CHeKT's number
    of the one partition concerned; None for the site, and where several are named. ``state`` and
    ``previous``: CHeKT's words, ``armed_away`` or ``armed``; empty and None where not said. ``at``: when it
    happened, UTC. ``triggered_by``: who did it; ``source``: by what means, ``keypad``. ``event_id``: the
    sender's, or the digest of the body.
    """

    system: System
    event_id: str
    event_type: str
    site_id: str
    dealer_id: str | None
    partition: str | None
    state: str
    previous: str | None
    at: datetime | None
    triggered_by: str | None
    source: str | None


def arming_event(system: System, body: bytes) -> ArmingEvent | None:
    """What ``body``, the raw bytes of a delivery of ``system``, says about arming.

    None for an event of another type, one that names no site, and for what is no JSON object.
    """
    try:
        envelope = read_envelope(system, body)
    except ValueError:
        return None
    implied = ARMING_TYPES[system].get(envelope.event_type)
    if implied is None:
        return None
    where = places(envelope.content)
    site_id = _text(where, "site_id")
    if site_id is None:
        return None
    return ArmingEvent(
        system=system,
        event_id=envelope.event_id,
        event_type=envelope.event_type,
        site_id=site_id,
        dealer_id=_text(where, "dealer_id"),
        partition=_partition(where),
        state=(_text(where, "new_state", "arming_status", "state", "status") or implied).lower(),
        previous=_text(where, "previous_state"),
        at=_time(where, "timestamp", "event_time", "created_at"),
        triggered_by=_actor(where),
        source=_text(where, "source"),
    )


def _text(where: Sequence[Place], *names: str) -> str | None:
    text = first_text(where, names)
    return None if text is None else visible(text)


def _time(where: Sequence[Place], *names: str) -> datetime | None:
    return next((at for value in values(where, names) if (at := moment(value)) is not None), None)


def _partition(where: Sequence[Place]) -> str | None:
    named = _text(where, "partition_id", "partition")
    if named is not None:
        return named
    for value in values(where, ("partitions",)):
        if isinstance(value, Sequence) and len(value) == 1:
            only = value[0]
            if isinstance(only, Mapping):
                return _text([only], "partition_id", "id")
            return _text([{"id": only}], "id")
    return None


def _actor(where: Sequence[Place]) -> str | None:
    """Who did it: a text, or an object that holds a name or an address (system C)."""
    for value in values(where, ("triggered_by",)):
        if isinstance(value, Mapping):
            return _text([value], "email", "name", "user", "user_id", "id")
    return _text(where, "triggered_by")
