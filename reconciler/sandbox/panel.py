"""Arming on the dealer surface: reading states, sending commands (section 5.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model import JsonObject, JsonValue
from reconciler.sandbox.arming import (
    ARMED,
    Actor,
    ArmingState,
    command,
    open_zones,
    partitions_of,
    read_state,
    shown_time,
    user_of,
)
from reconciler.sandbox.call import Call
from reconciler.sandbox.errors import Refusal
from reconciler.sandbox.messages import Response, reply
from reconciler.sandbox.routing import Route
from reconciler.sandbox.store import Row
from reconciler.sandbox.zones import zones_of

_SITE = "/ext/v1/sites/{site_id}"
_MODES = ("away", "stay", "night", "custom")
_FIELDS = ("user", "user_code", "mode", "bypass_zones", "force_arm")
SITE_PREFIX = "site_"


def arming_routes() -> Iterator[Route]:
    """State and commands, for whole sites and for partitions."""
    yield Route("GET", f"{_SITE}/arming", site_state, "dealer")
    yield Route("POST", f"{_SITE}/arming/actions/arm", arm_site, "dealer")
    yield Route("POST", f"{_SITE}/arming/actions/disarm", disarm_site, "dealer")
    yield Route("GET", f"{_SITE}/partition-arming", partition_states, "dealer")
    yield Route("POST", f"{_SITE}/partition-arming/actions/arm", arm_partitions, "dealer")
    yield Route("POST", f"{_SITE}/partition-arming/actions/disarm", disarm_partitions, "dealer")


def site_state(call: Call) -> Response:
    """The state of a site without partitions."""
    site = _whole_site(call)
    state = read_state(call.store, site.id, 0, call.now)
    if call.switches.shape == "page":
        return reply({"data": _page_state(call, site, state)})
    since = shown_time(call, site, state.since or site.created_at)
    return reply({"arming_status": _status(call, state), "arming_updated_at": since})


def arm_site(call: Call) -> Response:
    """Arm a site without partitions."""
    site = _whole_site(call)
    body = _body(call, _FIELDS)
    target, actor, bypassed = _order(call, site, 0, body)
    command(call, site, 0, target, actor, bypassed)
    return _sent(call, site)


def disarm_site(call: Call) -> Response:
    """Disarm a site without partitions."""
    site = _whole_site(call)
    command(call, site, 0, "disarmed", _actor(call, site, _body(call, ("user", "user_code"))))
    return _sent(call, site)


def partition_states(call: Call) -> Response:
    """The state of every partition, in the envelope that the switches choose."""
    site = _partitioned_site(call)
    states: list[JsonObject] = []
    for partition in partitions_of(site):
        state = read_state(call.store, site.id, partition["partition_id"], call.now)
        states.append({**partition, "arming_status": _status(call, state)})
    envelope = call.switches.partition_envelope
    return reply(states if envelope == "array" else {envelope: states})


def arm_partitions(call: Call) -> Response:
    """Arm the partitions named."""
    site = _partitioned_site(call)
    body = _body(call, ("partition_ids", *_FIELDS))
    for number in _partition_ids(call, site, body):
        target, actor, bypassed = _order(call, site, number, body)
        command(call, site, number, target, actor, bypassed)
    return _sent(call, site)


def disarm_partitions(call: Call) -> Response:
    """Disarm the partitions named."""
    site = _partitioned_site(call)
    body = _body(call, ("partition_ids", "user", "user_code"))
    for number in _partition_ids(call, site, body):
        command(call, site, number, "disarmed", _actor(call, site, body))
    return _sent(call, site)


def _whole_site(call: Call) -> Row:
    site = call.own_site(SITE_PREFIX)
    if partitions_of(site):
        raise Refusal(409, "this site has partitions; use partition-arming", code="partition_enabled")
    return site


def _partitioned_site(call: Call) -> Row:
    site = call.own_site(SITE_PREFIX)
    if not partitions_of(site):
        raise Refusal(409, "this site has no partitions; use arming", code="partition_disabled")
    return site


def _body(call: Call, known: Sequence[str]) -> JsonObject:
    body = call.request.json_object()
    for name in body:
        if name not in known and call.switches.unknown_fields == "refuse":
            raise call.invalid(name, f"there is no field {name}", code="unknown_field")
    return body


def _order(call: Call, site: Row, partition_id: int, body: JsonObject) -> tuple[str, Actor, tuple[str, ...]]:
    """Target state, actor and bypassed zones of an arm request. Raises Refusal."""
    page = call.switches.shape == "page"
    for name in ("mode", "user_code"):
        if page and name not in body and partition_id == 0:
            raise call.invalid(name, f"{name} is required", code="required")
    mode = body.get("mode", "away")
    if mode not in _MODES:
        raise call.invalid("mode", f"mode is one of {', '.join(_MODES)}")
    bypass = body.get("bypass_zones", [])
    if not isinstance(bypass, list) or not all(type(each) is int and 0 <= each < 10_000 for each in bypass):
        raise call.invalid("bypass_zones", "bypass_zones is an array of zone numbers")
    force = body.get("force_arm", False)
    if not isinstance(force, bool):
        raise call.invalid("force_arm", "force_arm is true or false")
    bypassed = {f"{each:03d}" for each in bypass}
    if force:
        bypassed |= {zone.number for zone in open_zones(call, site, partition_id, tuple(bypassed))}
    return f"armed_{mode}", _actor(call, site, body), tuple(sorted(bypassed))


def _actor(call: Call, site: Row, body: JsonObject) -> Actor:
    """Who commands: the user named, or the one to whom the user code belongs. Raises Refusal."""
    for name in ("user", "user_code"):
        value = body.get(name)
        if value is not None and not (isinstance(value, str) and len(value) <= call.switches.max_text):
            raise call.invalid(name, f"{name} must be a string")
    user, code = str(body.get("user") or ""), str(body.get("user_code") or "")
    if code and call.switches.user_codes == "known":
        user = user or user_of(call, site, code)
    return Actor(user or code, "api")


def _partition_ids(call: Call, site: Row, body: JsonObject) -> list[int]:
    """The partitions that a command names. Raises Refusal for none, an unknown one or a wrong type."""
    asked = body.get("partition_ids")
    if "partition_ids" not in body:
        raise call.invalid("partition_ids", "partition_ids is required", code="required")
    if not isinstance(asked, list) or not asked:
        raise call.invalid("partition_ids", "partition_ids is an array of partition ids")
    known = [partition["partition_id"] for partition in partitions_of(site)]
    chosen: list[int] = []
    for each in asked:
        if type(each) is not int or each not in known:
            raise call.invalid("partition_ids", f"the site has no partition {each!r}")
        chosen.append(each)
    return chosen


def _status(call: Call, state: ArmingState) -> str:
    if state.outcome in ARMED and call.switches.arming_in_progress:
        return "arming_in_progress"
    simple = call.switches.shape == "live" and call.switches.arming_states == "simple"
    return "armed" if simple and state.status in ARMED else state.status


def _page_state(call: Call, site: Row, state: ArmingState) -> JsonObject:
    since = shown_time(call, site, state.since or site.created_at)
    body: JsonObject = {
        "site_id": f"{SITE_PREFIX}{site.id}",
        "arming_status": _status(call, state),
        "last_updated": since,
        "zones": [
            _page_zone(zone.number, zone.name, zone.status, bypassed=zone.bypassed)
            for zone in zones_of(call.store, site)
        ],
    }
    if state.status in ARMED:
        body["arming_mode"] = state.status.removeprefix("armed_")
        body["armed_at"] = since
        body["armed_by"] = {"user_id": state.by, "name": state.by, "method": state.method}
    return body


def _page_zone(number: str, name: str, status: str, *, bypassed: bool) -> JsonObject:
    return {"zone_number": int(number), "zone_name": name, "status": status, "bypassed": bypassed}


def _sent(call: Call, site: Row) -> Response:
    answer: JsonValue = {"site_id": site.id, "result": "command sent"}
    return reply({"data": answer} if call.switches.shape == "page" else answer)
