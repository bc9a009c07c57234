"""Arming states and commands (sections 5.4 and 11.11).

A command is answered at once; the state follows after the switch ``arming_delay``. Nothing waits for
that moment: what is pending is stored with its due time, and reading applies it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from reconciler.model import JsonObject
from reconciler.sandbox.call import Call
from reconciler.sandbox.errors import Refusal
from reconciler.sandbox.logs import ARMING, drop_future_activity, write_activity
from reconciler.sandbox.store import Row, Store
from reconciler.sandbox.timekeeping import iso
from reconciler.sandbox.webhooks import Event, drop_pending, publish
from reconciler.sandbox.zones import Zone, zones_of

ARMED = ("armed_away", "armed_stay", "armed_night", "armed_custom")
BUSY = ("entry_delay", "alarm", "arming_in_progress")
STATES = ("disarmed", *ARMED, *BUSY, "unknown")
FAILURE = "arm_failure"


class Actor(NamedTuple):
    """Who armed or disarmed: a label or name, and how (api, keypad, app)."""

    name: str
    method: str


@dataclass(frozen=True, slots=True)
class ArmingState:
    """The state of a site (partition 0) or of a partition.

    ``since``: epoch seconds of the last change. ``due_at`` and ``next_status`` are what is pending.
    ``bypassed``: zone numbers left out of this arming.
    """

    status: str = "disarmed"
    since: float = 0.0
    by: str = ""
    method: str = ""
    bypassed: tuple[str, ...] = ()
    due_at: float | None = None
    next_status: str = ""
    next_by: str = ""
    next_method: str = ""
    next_bypassed: tuple[str, ...] = ()

    def at(self, now: float) -> ArmingState:
        """The state once everything due by ``now`` has happened."""
        if self.due_at is None or now < self.due_at:
            return self
        if self.next_status in (FAILURE, self.status):
            return replace(self, due_at=None)
        return ArmingState(self.next_status, self.due_at, self.next_by, self.next_method, self.next_bypassed)


def read_state(store: Store, site_id: int, partition_id: int, now: float) -> ArmingState:
    """The state at ``now``; a site never touched is disarmed."""
    found = store.rows(
        "SELECT body FROM arming WHERE site_id = ? AND partition_id = ?", (site_id, partition_id)
    )
    if not found:
        return ArmingState()
    saved: dict[str, Any] = json.loads(found[0][0])
    for name in ("bypassed", "next_bypassed"):
        saved[name] = tuple(saved[name])
    return ArmingState(**saved).at(now)


def _save(store: Store, site_id: int, partition_id: int, state: ArmingState) -> None:
    store.run(
        "INSERT OR REPLACE INTO arming VALUES (?, ?, ?)",
        (site_id, partition_id, json.dumps(asdict(state))),
    )


def command(
    call: Call, site: Row, partition_id: int, target: str, actor: Actor, bypassed: tuple[str, ...] = ()
) -> None:
    """Send ``target`` to the panel: it takes effect after the delay. Raises Refusal 409.

    The same state again changes nothing. A later command replaces one that is pending. Arming is
    refused while an alarm, an entry delay or another arming is under way.
    """
    state = read_state(call.store, site.id, partition_id, call.now)
    if target in ARMED and state.status in BUSY:
        raise Refusal(409, f"the site cannot be armed while its state is {state.status}", code="busy")
    outcome, zone = target, None
    if target in ARMED:
        zone = next((each for each in open_zones(call, site, partition_id, bypassed)), None)
    if zone is not None:
        if call.switches.open_zone == "error":
            raise open_zone_error(zone)
        outcome = FAILURE
    _cancel(call.store, site.id, partition_id, call.now)
    if outcome == state.status:
        _save(call.store, site.id, partition_id, replace(state, due_at=None))
        return
    due_at = call.now + call.switches.arming_delay
    pending = replace(
        state,
        due_at=due_at,
        next_status=outcome,
        next_by=actor.name,
        next_method=actor.method,
        next_bypassed=bypassed,
    )
    _save(call.store, site.id, partition_id, pending)
    _report(call, site, partition_id, (state.status, outcome), actor, due_at, zone)


def set_state(
    call: Call, site: Row, partition_id: int, status: str, actor: Actor, at: float | None = None
) -> None:
    """Put the state to ``status`` at once: a person at the keypad, an alarm, an intruder, a report.

    ``at``: when it happened, epoch seconds, where that was not just now.
    """
    before = read_state(call.store, site.id, partition_id, call.now)
    since = call.now if at is None else at
    _cancel(call.store, site.id, partition_id, call.now)
    _save(call.store, site.id, partition_id, ArmingState(status, since, actor.name, actor.method))
    if status != before.status:
        _report(call, site, partition_id, (before.status, status), actor, min(since, call.now), None)


def fail_to_arm(call: Call, site: Row, partition_id: int, actor: Actor, at: float, zone: Zone | None) -> None:
    """An arming that was begun elsewhere has failed, for ``zone`` where one is open: disarmed, and told."""
    before = read_state(call.store, site.id, partition_id, call.now)
    _cancel(call.store, site.id, partition_id, call.now)
    _save(call.store, site.id, partition_id, ArmingState("disarmed", at, actor.name, actor.method))
    _report(call, site, partition_id, (before.status, FAILURE), actor, min(at, call.now), zone)


def _cancel(store: Store, site_id: int, partition_id: int, now: float) -> None:
    drop_future_activity(store, site_id, partition_id, now)
    drop_pending(store, site_id, partition_id, now)


def open_zones(call: Call, site: Row, partition_id: int, bypassed: tuple[str, ...]) -> list[Zone]:
    """The open zones that keep a site or partition from arming."""
    return [
        zone
        for zone in zones_of(call.store, site)
        if zone.status == "open"
        and not zone.bypassed
        and zone.number not in bypassed
        and (not partition_id or zone.partition_id in (0, partition_id))
    ]


def open_zone_error(zone: Zone) -> Refusal:
    """409 that names the zone."""
    return Refusal(
        409,
        f"cannot arm: zone {zone.number} ({zone.name}) is open",
        code="zone_open",
        detail={"zone_number": zone.number, "zone_name": zone.name},
    )


def partitions_of(site: Row) -> list[dict[str, Any]]:
    """The partitions of a site; none means that partitions are off."""
    partitions = site.body.get("partitions")
    return (
        [dict(each) for each in partitions if isinstance(each, dict)] if isinstance(partitions, list) else []
    )


def _report(
    call: Call,
    site: Row,
    partition_id: int,
    change: tuple[str, str],
    actor: Actor,
    at: float,
    zone: Zone | None,
) -> None:
    """Write the change to the activity log and tell the webhooks, as of ``at``."""
    before, after = change
    row: JsonObject = {
        "trigger": actor.name,
        "status": _simple(after),
        "from": before,
        "to": after,
        "method": actor.method,
        "commanded_at": iso(call.now),
        "partition_id": partition_id or None,
        "zone_number": zone.number if zone else None,
        "zone_name": zone.name if zone else None,
        "device_name": zone.name if zone else None,
    }
    write_activity(call.store, int(site.scope), site.id, ARMING, at, row, partition_id)
    publish(call, _event(call, site, partition_id, change, actor, at))


def _simple(status: str) -> str:
    """The state as logs and dealer webhooks name it: ``armed`` whatever the mode."""
    return "armed" if status in ARMED else status


def _event(
    call: Call, site: Row, partition_id: int, change: tuple[str, str], actor: Actor, at: float
) -> Event:
    before, after = change
    simple = _simple(after)
    flat: JsonObject = {
        "site_id": str(site.id),
        "new_state": after,
        "previous_state": before,
        "timestamp": iso(at),
        "triggered_by": actor.name,
        "source": actor.method,
    }
    data: JsonObject = {"arming_status": simple, "arming_action": "disarm" if simple == "disarmed" else "arm"}
    if partition_id:
        data["partitions"] = [{"partition_id": partition_id, "arming_status": simple}]
    changes: tuple[str, ...] = {"armed": ("site.armed",), "disarmed": ("site.disarmed",)}.get(simple, ())
    if call.switches.arming_model == "chekt_triggered":  # a partner that arms by itself knows (7.1)
        changes += ("arming.state_changed",)
    partition: JsonObject = {"site_id": site.id, "partition_id": partition_id}
    return Event(
        site,
        at,
        partition_id,
        app=("partition.armed", partition) if simple == "armed" and partition_id else None,
        partner=(changes, flat),
        dealer=("partition_arming_status" if partition_id else "arming_status", simple, data),
        triggered_by=actor.name,
    )


def history(store: Store, site_id: int, now: float) -> list[JsonObject]:
    """Every change of state of a site up to ``now``, oldest first: for the admin endpoint."""
    found = store.rows(
        "SELECT at, body FROM activity WHERE site_id = ? AND category_id = ? AND at <= ?"
        " ORDER BY at, event_id",
        (site_id, ARMING, now),
    )
    return [{"at": iso(at), **json.loads(text)} for at, text in found]
