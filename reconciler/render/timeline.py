"""What schedules want, as text and JSON: states at an instant, and changes of state."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reconciler.arming.project import Target
from reconciler.arming.states import State
from reconciler.arming.timeline import Decision, Transition
from reconciler.arming.zones import Zone, zone
from reconciler.escape import visible
from reconciler.model import JsonObject
from reconciler.times import utc_text


@dataclass(frozen=True, slots=True)
class Standing:
    """One target at an instant: what is decided, and the state that follows at its end."""

    target: Target
    decision: Decision
    following: State | None


def local_text(instant: dt.datetime, zone: Zone) -> str:
    """``instant`` in ``zone`` to the second, with its offset: ``2026-11-20T18:00:00+09:00``."""
    return zone.local(instant).isoformat(timespec="seconds")


def spoken(instant: dt.datetime, zone: Zone) -> str:
    """``instant`` in ``zone`` for people: ``Fri 2026-11-20 18:00 +09:00``, seconds where not zero."""
    local = zone.local(instant)
    time = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[local.weekday()]
    offset = local.isoformat(timespec="seconds")[19:]
    return f"{day} {local.date()} {time} {offset}"


def target_text(target: Target) -> str:
    """The target's name in one line, ``site:acme/hq`` or ``site:acme/hq partition 2``."""
    name = visible(target.address)
    return name if target.partition is None else f"{name} partition {target.partition}"


def change_json(target: Target, zone: Zone, change: Transition) -> JsonObject:
    """A change of state with the fields that DESIGN section 8 fixes, in their order."""
    return {
        "target": target.address,
        "partition": target.partition,
        "at": utc_text(change.at),
        "local": local_text(change.at, zone),
        "from": str(change.from_state),
        "to": str(change.to_state),
        "reason": change.reason,
    }


def changes_jsonl(changes: Iterable[tuple[Target, Transition]]) -> Iterator[str]:
    """One JSON object a change, without line ends."""
    for target, change in changes:
        yield json.dumps(change_json(target, zone(target.zone), change), ensure_ascii=False)


def changes_text(changes: Iterable[tuple[Target, Transition]], targets: Sequence[Target]) -> Iterator[str]:
    """One line a change; ``targets`` are all that may come, for the width of their column."""
    width = max((len(target_text(target)) for target in targets), default=0)
    for target, change in changes:
        step = f"{change.from_state} -> {change.to_state}"
        yield (
            f"{utc_text(change.at)}  {spoken(change.at, zone(target.zone))}  {target_text(target):<{width}}  "
            f"{step:<26}  {visible(change.reason)}"
        )


def standings_json(standings: Iterable[Standing], at: dt.datetime, release: str) -> JsonObject:
    """The states at ``at``, decided with time-zone data ``release``."""
    return {"at": utc_text(at), "tzdata": release, "targets": [_standing_json(one, at) for one in standings]}


def _standing_json(one: Standing, at: dt.datetime) -> JsonObject:
    target, decision, until = one.target, one.decision, one.decision.valid_until
    return {
        "target": target.address,
        "partition": target.partition,
        "state": str(decision.state),
        "reason": decision.reason,
        "local": local_text(at, zone(target.zone)),
        "until": None if until is None else utc_text(until),
        "until_local": None if until is None else local_text(until, zone(target.zone)),
        "then": None if one.following is None else str(one.following),
        "timezone": target.zone,
        "schedule": target.schedule.id,
        "revision": target.revision,
    }


def standings_text(standings: Sequence[Standing], at: dt.datetime, release: str) -> Iterator[str]:
    """The states at ``at`` for people: two lines a target after a line of sums."""
    armed = sum(one.decision.state is not State.DISARMED for one in standings)
    yield f"{utc_text(at)}: {armed} of {len(standings)} armed (tzdata {release})"
    for one in standings:
        decision = one.decision
        if decision.valid_until is None:
            end = "with no end in sight"
        else:
            until = (
                f"{spoken(decision.valid_until, zone(one.target.zone))} ({utc_text(decision.valid_until)})"
            )
            end = f"until {until}, then {one.following}"
        yield f"{decision.state!s:<11}  {target_text(one.target)}  {end}"
        yield f"{'':<11}  {visible(decision.reason)}"
