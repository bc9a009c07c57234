"""The arming state that a partner's platform reports (section 4.7): the partner-triggered model.

The account has one model (switch ``arming_model``). Where CHeKT arms, a report is refused; where the
partner arms, a report holds at once if it is a transition that a panel can make.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from reconciler.model import JsonObject, JsonValue
from reconciler.sandbox.arming import (
    ARMED,
    FAILURE,
    Actor,
    ArmingState,
    fail_to_arm,
    open_zones,
    partitions_of,
    read_state,
    set_state,
)
from reconciler.sandbox.call import Call
from reconciler.sandbox.errors import Refusal, not_found
from reconciler.sandbox.messages import Response, reply
from reconciler.sandbox.routing import Route
from reconciler.sandbox.store import Row
from reconciler.sandbox.timekeeping import instant, iso

_FIELDS = ("state", "partition", "timestamp", "user_id", "source")
MODES = ("armed_away", "armed_stay", "armed_night")
REPORTED = ("disarmed", *MODES, "arming_in_progress", "entry_delay", FAILURE)
"""What a platform reports; an alarm is CHeKT's own to know."""

_AFTER: Mapping[str, tuple[str, ...]] = {
    "disarmed": (*MODES, "arming_in_progress", FAILURE),
    "arming_in_progress": (*MODES, "disarmed", FAILURE),
    **dict.fromkeys(ARMED, (*MODES, "arming_in_progress", "disarmed", "entry_delay")),
    "entry_delay": ("disarmed",),
    "alarm": ("disarmed",),
    "unknown": REPORTED,
}
"""What may follow on a state, beside the same state again. The page only says that there are transitions
to refuse; these are the ones of a panel: nobody enters where nothing is armed, and nothing is armed while
somebody is entering."""


def report_routes() -> Iterator[Route]:
    """The state report. The page writes its path without ``/partner``."""
    yield Route("POST", "/v1/sites/{site_id}/arming-state", report_state, "partner")


def report_state(call: Call) -> Response:
    """Take one report: for a partition, or for all of them, then all or none. Raises Refusal.

    A report as old as the last change or newer holds. ``ARM_FAILURE`` leaves the site disarmed, and the
    log names the open zone, where there is one.
    """
    site = call.store.get("site", call.number_of("site_id", "site"))
    if site is None:
        raise not_found("site")
    call.dealer(int(site.scope))
    if call.switches.arming_model != "partner_triggered":
        message = "this account is CHeKT-triggered: CHeKT owns its arming state and takes no reports"
        raise Refusal(409, message, code="arming_model")
    body = call.request.json_object()
    status, at, actor = _checked(call, body)
    reported = _reported(call, site, body.get("partition", "all"))
    since = call.now if "restamps" in call.switches.flaws else at.timestamp()
    changes = [
        partition_id
        for partition_id in reported
        if _holds(call, read_state(call.store, site.id, partition_id, call.now), status, at)
    ]
    for partition_id in changes:
        if status == FAILURE and "arms_open" in call.switches.flaws:
            set_state(call, site, partition_id, "armed_away", actor, at=since)
        elif status == FAILURE:
            zone = next(iter(open_zones(call, site, partition_id, ())), None)
            fail_to_arm(call, site, partition_id, actor, since, zone)
        else:
            set_state(call, site, partition_id, _taken_as(call, status), actor, at=since)
    return reply({})


def _taken_as(call: Call, status: str) -> str:
    """The state that a report leads to: the one it names, but for the account's flaws."""
    flaws = call.switches.flaws
    if status in MODES and "one_mode" in flaws:
        return "armed_away"
    if status == "arming_in_progress" and "no_exit_delay" in flaws:
        return "armed_away"
    return "alarm" if status == "entry_delay" and "no_entry_delay" in flaws else status


def _checked(call: Call, body: JsonObject) -> tuple[str, datetime, Actor]:
    """State, instant and author of a report. Raises Refusal."""
    for name in body:
        if name not in _FIELDS and call.switches.unknown_fields == "refuse":
            raise call.invalid(name, f"there is no field {name}", code="unknown_field")
    for name in ("state", "timestamp"):
        if name not in body:
            raise call.invalid(name, f"{name} is required", code="required")
    for name in ("user_id", "source"):
        value = body.get(name, "")
        if not (isinstance(value, str) and len(value) <= call.switches.max_text):
            raise call.invalid(name, f"{name} must be a string")
    status = str(body["state"]).lower()
    if status not in REPORTED:
        raise call.invalid("state", f"state is one of {', '.join(REPORTED)}")
    actor = Actor(str(body.get("user_id", "")), str(body.get("source", "partner")))
    return status, _instant(call, body["timestamp"]), actor


def _instant(call: Call, text: JsonValue) -> datetime:
    """The time of a report: UTC, and not ahead of the clock by more than clocks differ."""
    try:
        at = instant(str(text))
    except ValueError as exc:
        raise call.invalid("timestamp", str(exc)) from exc
    if call.switches.report_offsets == "utc" and datetime.fromisoformat(str(text)).utcoffset() != timedelta():
        raise call.invalid("timestamp", "timestamp is in UTC, such as 2026-01-01T00:00:00Z")
    if at.timestamp() > call.now + call.switches.report_ahead:
        raise call.invalid("timestamp", f"timestamp {iso(at)} lies ahead of {iso(call.now)}")
    return at


def _reported(call: Call, site: Row, partition: JsonValue) -> list[int]:
    known = [each["partition_id"] for each in partitions_of(site)] or [0]
    if partition == "all":
        return known
    chosen = [number for number in known if str(number) == str(partition)]
    if not chosen:
        raise call.invalid("partition", f"the site has no partition {partition!r}")
    return chosen


def _holds(call: Call, state: ArmingState, status: str, at: datetime) -> bool:
    """Whether a report changes ``state``; the same state again does not. Raises Refusal."""
    if iso(at) < iso(state.since):  # to the millisecond, as CHeKT writes times
        stale = call.switches.stale_report
        if stale in ("409", "422"):
            raise Refusal(int(stale), f"a newer state is known, of {iso(state.since)}", code="stale_report")
        if stale == "ignore":
            return False
    if status == state.status:
        return "logs_repeats" in call.switches.flaws
    if status in _AFTER[state.status]:
        return True
    invalid = call.switches.invalid_transition
    if invalid in ("409", "422"):
        said = f"{state.status} is not followed by {status}"
        raise Refusal(int(invalid), said, code="invalid_transition")
    return invalid == "accept"
