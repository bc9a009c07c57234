"""Arming on the dealer surface: what state a site or partition is in, and commands to change it.

The state comes in many shapes (chekt-api/README.md section 5.4): a bare object or one under ``data``,
``armed`` or ``armed_away`` or ``armed`` with a mode beside it, partitions as an array or under a key.
A word that is not known is ``unknown`` and is never guessed at.

Commands are sent once, and so are reads with ``once``. A 429 is not waited out: a disarm must not come
late, and whoever enforces a schedule decides anew from what it sees next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, get_args

from reconciler.chekt import wire
from reconciler.chekt.client import Client
from reconciler.chekt.transport import Answer, Call
from reconciler.errors import AmbiguousError, ApiError, RemoteError
from reconciler.model import JsonValue
from reconciler.times import utc_text

ArmingStatus: TypeAlias = Literal[
    "disarmed",
    "armed_stay",
    "armed_night",
    "armed_away",
    "armed_custom",
    "armed",
    "partially_armed",
    "arming_in_progress",
    "entry_delay",
    "alarm",
    "arm_failure",
    "unknown",
]
"""``armed``: in a mode that the server does not name. ``partially_armed``: some of several bridges."""

Action: TypeAlias = Literal["arm", "disarm"]

_STATUSES: Mapping[str, ArmingStatus] = {
    **{status: status for status in get_args(ArmingStatus)},
    "arming": "arming_in_progress",
    "exit_delay": "arming_in_progress",
    "in_alarm": "alarm",
    "alarmed": "alarm",
    "partial": "partially_armed",
    "partially": "partially_armed",
    "arming_failure": "arm_failure",
}
_LOG_ROWS = 25
"""Of the activity log in one answer, as its own client asks for."""

_MODES = ("away", "stay", "night", "custom")


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone as the arming state shows it. ``open``: None where the server does not say."""

    number: str | None
    name: str | None
    open: bool | None
    bypassed: bool


@dataclass(frozen=True, slots=True)
class ArmingState:
    """The state of a site (``partition_id`` None) or of one partition.

    ``said``: the server's own word. ``changed_at``: since when, UTC, where the server says. ``by``: who
    changed it. ``server_time``: the response's ``Date``, UTC, None without one.
    """

    status: ArmingStatus
    said: str
    partition_id: str | None = None
    partition_name: str | None = None
    changed_at: datetime | None = None
    by: str | None = None
    zones: tuple[Zone, ...] = ()
    server_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One command. ``user`` is the label in CHeKT's records.

    ``mode`` (away, stay, night) and ``user_code`` exist in the ``page`` dialect only; the live surface
    takes the user alone and chooses the mode itself.
    """

    action: Action
    user: str
    idempotency_key: str
    mode: str = "away"
    partition_ids: tuple[str, ...] = ()
    user_code: str | None = None


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended: done where ``error`` is None, else refused or, if ``ambiguous``, unknown.

    The server acts after it has answered, so done means accepted; the state has to be read again.
    ``status``: of an answer that refused it, None where there was no answer. ``said``: what the server
    answered, shortened.
    """

    error: str | None = None
    ambiguous: bool = False
    status: int | None = None
    said: str = ""
    server_time: datetime | None = None


def site_state(client: Client, dealer_id: str, site_id: str, *, once: bool = False) -> ArmingState:
    """The arming state of a site without partitions. Raises RemoteError."""
    answer = _get(client, dealer_id, f"/ext/v1/sites/{_segment(site_id)}/arming", once=once)
    raw = wire.single(answer.body, ("arming",))
    if raw is None or _word(raw) is None:
        raise _unexpected(client, answer, "expected an object with arming_status")
    return _state(raw, answer)


def partition_states(
    client: Client, dealer_id: str, site_id: str, *, once: bool = False
) -> tuple[ArmingState, ...]:
    """The arming state of every partition of a site. Raises RemoteError."""
    answer = _get(client, dealer_id, f"/ext/v1/sites/{_segment(site_id)}/partition-arming", once=once)
    array = wire.array(answer.body, ("partitions", "partition_arming"))
    if array is None:
        raise _unexpected(client, answer, "expected an array of partitions")
    states = []
    for raw in array:
        partition_id = _partition_id(raw) if wire.is_object(raw) else None
        if not wire.is_object(raw) or partition_id is None:
            raise _unexpected(client, answer, "expected partition_id in every partition")
        states.append(_state(raw, answer, partition_id))
    if len({state.partition_id for state in states}) != len(states):
        raise _unexpected(client, answer, "expected every partition once")
    return tuple(states)


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of the activity log. ``at``: UTC; ``by``: who; ``status``: the state reached, as far as known."""

    at: datetime | None
    by: str
    status: ArmingStatus
    zone_number: str | None
    device_name: str | None


def log_rows(
    client: Client, dealer_id: str, site_id: str, since: datetime, until: datetime
) -> tuple[LogRow, ...]:
    """The newest rows of the site's activity log from ``since`` to ``until`` (aware), newest first.

    A row does not say which partition it is about. ``POST /ext/v1/activity-logs/search`` is observed
    (chekt-api/README.md section 5.6). Raises RemoteError.
    """
    body: dict[str, JsonValue] = {
        "start_time": _iso(since),
        "end_time": _iso(until),
        "site_id": wire.wire_id(site_id.removeprefix("site_")),  # the pages' prefix is not the log's
        "limit": _LOG_ROWS,
        "sort_by": "event_time",
        "sort_order": "desc",
    }
    call = Call("POST", "/ext/v1/activity-logs/search", dealer_id, body=body, once=True)
    rows = wire.array(client.transport.send(call).body, ()) or ()
    return tuple(_log_row(raw) for raw in rows if wire.is_object(raw))


def _log_row(raw: Mapping[str, JsonValue]) -> LogRow:
    return LogRow(
        wire.moment(raw.get("event_time")),
        wire.text_id(raw.get("trigger")) or "",
        _status(_word(raw) or "", None),
        wire.text_id(raw.get("zone_number")),
        wire.text_id(raw.get("device_name")),
    )


def failed_zones(
    client: Client, dealer_id: str, site_id: str, since: datetime, until: datetime
) -> tuple[Zone, ...]:
    """The zones that the site's activity log names for failures to arm from ``since`` to ``until`` (aware).

    For surfaces whose arming state shows no zones. Raises RemoteError.
    """
    found = [
        Zone(row.zone_number, row.device_name, True, False)
        for row in log_rows(client, dealer_id, site_id, since, until)
        if row.status == "arm_failure" and (row.zone_number is not None or row.device_name is not None)
    ]
    return tuple(dict.fromkeys(found))


def _iso(at: datetime) -> str:
    return utc_text(at, "milliseconds")


def send(client: Client, dealer_id: str, site_id: str, command: Command) -> CommandResult:
    """Send ``command`` to a site, or to partitions of it, once. Never raises RemoteError."""
    collection = "partition-arming" if command.partition_ids else "arming"
    try:
        answer = client.transport.send(
            Call(
                "POST",
                f"/ext/v1/sites/{_segment(site_id)}/{collection}/actions/{command.action}",
                dealer_id,
                body=_body(command, client.connection.dialect),
                idempotency_key=command.idempotency_key,
                once=True,
            )
        )
    except AmbiguousError as exc:
        return CommandResult(error=exc.message, ambiguous=True)
    except ApiError as exc:
        return CommandResult(error=exc.message, status=exc.status)
    except RemoteError as exc:
        return CommandResult(error=exc.message)
    said = "" if answer.body is None else wire.text(answer.body)
    return CommandResult(said=client.transport.shown(said), server_time=_date(answer))


def _body(command: Command, dialect: Literal["live", "page"]) -> JsonValue:
    body: dict[str, JsonValue] = {}
    if command.partition_ids:
        body["partition_ids"] = [wire.wire_id(partition) for partition in command.partition_ids]
    if dialect == "live":
        return {**body, "user": command.user}
    if command.action == "arm":
        body["mode"] = command.mode
    return {**body, "user_code": command.user_code or command.user}


def _get(client: Client, dealer_id: str, path: str, *, once: bool) -> Answer:
    return client.transport.send(Call("GET", path, dealer_id, once=once))


def _segment(site_id: str) -> str:
    return wire.path("{site_id}", {"site_id": site_id})


def _state(raw: Mapping[str, JsonValue], answer: Answer, partition_id: str | None = None) -> ArmingState:
    said = _word(raw) or ""
    changed = next(
        (raw[key] for key in ("arming_updated_at", "last_updated", "armed_at") if raw.get(key)), None
    )
    by = raw.get("armed_by")
    zones = raw.get("zones")
    return ArmingState(
        _status(said, raw.get("arming_mode")),
        said,
        partition_id,
        wire.text_id(raw.get("partition_name", raw.get("name"))) if partition_id else None,
        wire.moment(changed),
        wire.text_id(by.get("name") or by.get("user_id") if wire.is_object(by) else by),
        tuple(_zone(zone) for zone in zones if wire.is_object(zone)) if wire.is_array(zones) else (),
        _date(answer),
    )


def _word(raw: Mapping[str, JsonValue]) -> str | None:
    """The server's word for the state; None where no field holds one."""
    for key in ("arming_status", "arming_state", "state", "status"):
        if key in raw:
            value = raw[key]
            return value if isinstance(value, str) else wire.text(value)
    return None


def _status(said: str, mode: JsonValue) -> ArmingStatus:
    word = "_".join(said.strip().lower().replace("-", " ").replace("_", " ").split())
    status = _STATUSES.get(word, "unknown")
    named = mode.strip().lower().removeprefix("armed_") if isinstance(mode, str) else ""
    return _STATUSES[f"armed_{named}"] if status == "armed" and named in _MODES else status


def _zone(raw: Mapping[str, JsonValue]) -> Zone:
    status = raw.get("status")
    closed = {"closed": False, "normal": False, "ok": False, "open": True, "faulted": True, "fault": True}
    return Zone(
        wire.text_id(raw.get("zone_number")),
        wire.text_id(raw.get("zone_name", raw.get("name"))),
        closed.get(status.strip().lower()) if isinstance(status, str) else None,
        bool(wire.truth(raw.get("bypassed"))),
    )


def _partition_id(raw: Mapping[str, JsonValue]) -> str | None:
    return wire.text_id(raw.get("partition_id", raw.get("id")))


def _date(answer: Answer) -> datetime | None:
    return wire.http_date(answer.headers.get("date"))


def _unexpected(client: Client, answer: Answer, what: str) -> RemoteError:
    return client.transport.unexpected(answer.endpoint, answer.status, what)
