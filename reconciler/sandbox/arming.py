"""Arming states and commands (sections 5.4 and 11.11).

A command is answered at once; the state follows after the switch ``arming_delay``, and arming takes the
exit delay besides. Nothing waits for those moments: what is pending is stored with its time, and reading
applies it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

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


class Step(NamedTuple):
    """A change of state that lies ahead, at ``at`` epoch seconds.

    ``aim``: what an arming in its exit delay is to end in, unless a zone is open by then.
    """

    at: float
    status: str
    by: str
    method: str
    bypassed: tuple[str, ...] = ()
    aim: str = ""


@dataclass(frozen=True, slots=True)
class ArmingState:
    """The state of a site (partition 0) or of a partition.

    ``since``: epoch seconds of the last change. ``bypassed``: zone numbers left out of this arming.
    ``steps``: what is pending, in order of time.
    """

    status: str = "disarmed"
    since: float = 0.0
    by: str = ""
    method: str = ""
    bypassed: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def outcome(self) -> str | None:
        """The state in which everything pending ends, None where nothing is."""
        return self.steps[-1].status if self.steps else None

    @property
    def leaving(self) -> Step | None:
        """The last step of an arming with an exit delay that has not run out."""
        return self.steps[-1] if self.steps and self.steps[-1].aim else None

    def at(self, now: float) -> ArmingState:
        """The state once everything due by ``now`` has happened."""
        state = self
        for step in self.steps:
            if now < step.at:
                break
            state = state._after(step)
        return state

    def _after(self, step: Step) -> ArmingState:
        left = self.steps[1:]
        failed = step.status == FAILURE
        if step.status == self.status or (failed and self.status != "arming_in_progress"):
            return replace(self, steps=left)
        status = "disarmed" if failed else step.status
        return ArmingState(status, step.at, step.by, step.method, step.bypassed, left)


def read_state(store: Store, site_id: int, partition_id: int, now: float) -> ArmingState:
    """The state at ``now``; a site never touched is disarmed."""
    found = store.rows(
        "SELECT body FROM arming WHERE site_id = ? AND partition_id = ?", (site_id, partition_id)
    )
    if not found:
        return ArmingState()
    saved: dict[str, Any] = json.loads(found[0][0])
    state = ArmingState(
        saved["status"],
        saved["since"],
        saved["by"],
        saved["method"],
        tuple(saved["bypassed"]),
        tuple(_step(*each) for each in saved.get("steps", ())),  # older files keep pending states otherwise
    )
    return state.at(now)


def _step(at: float, status: str, by: str, method: str, bypassed: list[str], aim: str) -> Step:
    return Step(at, status, by, method, tuple(bypassed), aim)


def _save(store: Store, site_id: int, partition_id: int, state: ArmingState) -> None:
    store.run(
        "INSERT OR REPLACE INTO arming VALUES (?, ?, ?)",
        (site_id, partition_id, json.dumps(asdict(state))),
    )


def command(
    call: Call,
    site: Row,
    partition_id: int,
    target: str,
    actor: Actor,
    bypassed: tuple[str, ...] = (),
    *,
    delay: float | None = None,
) -> None:
    """Send ``target`` to the panel: it takes effect after ``delay`` seconds. Raises Refusal 409.

    ``delay``: the switch ``arming_delay`` unless given. Arming then takes its exit delay. The same state
    again changes nothing. A later command replaces what is pending. Arming is refused while an alarm, an
    entry delay or an exit delay is under way.
    """
    state = read_state(call.store, site.id, partition_id, call.now)
    if target in ARMED and state.status in BUSY:
        raise Refusal(409, f"the site cannot be armed while its state is {state.status}", code="busy")
    zone = _hindrance(call, site, partition_id, bypassed) if target in ARMED else None
    if zone is not None and call.switches.open_zone == "error":
        raise open_zone_error(zone)
    if target in ARMED and "one_mode" in call.switches.flaws:
        target = "armed_away"
    outcome = target if zone is None else FAILURE
    _cancel(call, site.id, partition_id)
    if outcome == state.status:
        _save(call.store, site.id, partition_id, replace(state, steps=()))
        return
    reached = call.now + (call.switches.arming_delay if delay is None else delay)
    exit_delay = 0.0 if "no_exit_delay" in call.switches.flaws else call.switches.exit_delay
    step = Step(reached, outcome, _kept(call, actor), actor.method, bypassed)
    steps: tuple[Step, ...] = (step,)
    if outcome in ARMED and exit_delay > 0:
        ending = step._replace(at=reached + exit_delay, aim=target)
        steps = (step._replace(status="arming_in_progress"), ending)
    _plan(call, site, partition_id, state, steps, zone)


def zones_changed(call: Call, site: Row, opened: Zone | None) -> None:
    """What a panel does when a zone opens or closes.

    An arming in its exit delay will fail if a zone is open when the delay ends. ``opened``, if it is an
    entry zone of an armed partition, starts the entry delay, at the end of which there is an alarm.
    """
    for partition_id in [each["partition_id"] for each in partitions_of(site)] or [0]:
        state = read_state(call.store, site.id, partition_id, call.now)
        ending = state.leaving
        if ending is not None:
            zone = _hindrance(call, site, partition_id, ending.bypassed)
            ending = ending._replace(status=ending.aim if zone is None else FAILURE)
            _cancel(call, site.id, partition_id)
            _plan(call, site, partition_id, state, (*state.steps[:-1], ending), zone)
        elif opened is not None and state.status in ARMED and _guards(opened, partition_id, state):
            _enter(call, site, partition_id, state, Actor(opened.name, "zone"))


def _guards(zone: Zone, partition_id: int, state: ArmingState) -> bool:
    inside = not partition_id or zone.partition_id in (0, partition_id)
    return zone.entry and not zone.bypassed and zone.number not in state.bypassed and inside


def _enter(call: Call, site: Row, partition_id: int, state: ArmingState, actor: Actor) -> None:
    delay = 0.0 if "no_entry_delay" in call.switches.flaws else call.switches.entry_delay
    alarm = Step(call.now + delay, "alarm", actor.name, actor.method)
    entering = alarm._replace(at=call.now, status="entry_delay")
    _cancel(call, site.id, partition_id)
    _plan(call, site, partition_id, state, (entering, alarm) if delay > 0 else (alarm,), None)


def _plan(
    call: Call, site: Row, partition_id: int, state: ArmingState, steps: tuple[Step, ...], zone: Zone | None
) -> None:
    """Keep what is to follow on ``state``, and tell of each step when it happens."""
    _save(call.store, site.id, partition_id, replace(state, steps=steps))
    before = state.status
    for step in steps:
        actor = Actor(step.by, step.method)
        _report(call, site, partition_id, (before, step.status), actor, step.at, zone)
        before = step.status


def _hindrance(call: Call, site: Row, partition_id: int, bypassed: tuple[str, ...]) -> Zone | None:
    """The first open zone that keeps a site or partition from arming."""
    found = () if "arms_open" in call.switches.flaws else open_zones(call, site, partition_id, bypassed)
    return next(iter(found), None)


def _kept(call: Call, actor: Actor) -> str:
    return "" if "no_user" in call.switches.flaws else actor.name


def set_state(
    call: Call, site: Row, partition_id: int, status: str, actor: Actor, at: float | None = None
) -> None:
    """Put the state to ``status`` at once: a person at the keypad, an alarm, an intruder, a report.

    ``at``: when it happened, epoch seconds, where that was not just now.
    """
    before = read_state(call.store, site.id, partition_id, call.now)
    since = call.now if at is None else at
    actor = actor._replace(name=_kept(call, actor))
    _cancel(call, site.id, partition_id)
    _save(call.store, site.id, partition_id, ArmingState(status, since, actor.name, actor.method))
    if status != before.status or "logs_repeats" in call.switches.flaws:
        _report(call, site, partition_id, (before.status, status), actor, min(since, call.now), None)


def fail_to_arm(call: Call, site: Row, partition_id: int, actor: Actor, at: float, zone: Zone | None) -> None:
    """An arming that was begun elsewhere has failed, for ``zone`` where one is open: disarmed, and told."""
    before = read_state(call.store, site.id, partition_id, call.now)
    actor = actor._replace(name=_kept(call, actor))
    _cancel(call, site.id, partition_id)
    _save(call.store, site.id, partition_id, ArmingState("disarmed", at, actor.name, actor.method))
    _report(call, site, partition_id, (before.status, FAILURE), actor, min(at, call.now), zone)


def _cancel(call: Call, site_id: int, partition_id: int) -> None:
    """Forget what was to be told of steps that will not happen."""
    drop_future_activity(call.store, site_id, partition_id, call.now)
    if "tells_overtaken" not in call.switches.flaws:
        drop_pending(call.store, site_id, partition_id, call.now)


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


def user_of(call: Call, site: Row, code: str) -> str:
    """Whose user code it is. Raises Refusal 403 for one that the site does not know."""
    codes = site.body.get("user_codes")
    known = codes if isinstance(codes, dict) else {}
    if code not in known and "any_code" not in call.switches.flaws:
        raise Refusal(403, "the user code is not valid", code="invalid_user_code", field="user_code")
    return str(known.get(code, code))


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
    if actor.method == "api" or "silent_field" not in call.switches.flaws:
        publish(call, _event(call, site, partition_id, change, actor, at))


def shown_time(call: Call, site: Row, at: float) -> str:
    """The time of a change as the account tells it: UTC, unless it has the flaw of local times."""
    offset = None
    if "local_times" in call.switches.flaws:
        zone = ZoneInfo(str(site.body.get("timezone", "UTC")))
        offset = datetime.fromtimestamp(at, zone).utcoffset()
    return iso(at + offset.total_seconds() if offset is not None else at)


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
        "timestamp": shown_time(call, site, at),
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
