"""The rules of doubt (DESIGN section 8): from what is wanted, seen and remembered to what is done. Pure.

``learn`` brings the memory up to date with a look, ``judge`` says what follows. In short: it may arm
late; it disarms only where nothing speaks against it; what a person did by hand inside a window is the
schedule's ``manual_change`` to decide; what a person armed outside the windows is left armed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from reconciler.arming.spec import ManualChange
from reconciler.enforcer import pace
from reconciler.enforcer.attribution import told
from reconciler.enforcer.memory import Changed, Memory, Pending
from reconciler.enforcer.port import Observation
from reconciler.enforcer.states import HANDS_OFF, IN_PROGRESS, loosens, satisfies, settled
from reconciler.enforcer.wanted import Wanted
from reconciler.times import spoken_utc

Kind = Literal["in_state", "command", "waiting", "respected", "doubt", "stopped", "unreachable"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about a target, and why.

    ``code``: the rule that decided, for programs. ``look_at``: when to look again, None for the next
    review. ``repeat``: the command is the pending one, sent again under its key.
    """

    kind: Kind
    code: str
    reason: str
    look_at: datetime | None = None
    repeat: bool = False


def learn(memory: Memory, seen: Observation, wanted: Wanted) -> Memory:
    """``memory`` after the look ``seen`` at a target that should be ``wanted``."""
    memory = _in_period(memory, wanted)
    if seen.problem is not None:
        return replace(memory, outages=memory.outages + 1, outage_since=memory.outage_since or seen.at)
    before = memory.seen_at
    gap = before is None or (wanted.before is not None and before < wanted.before)
    memory = replace(
        memory,
        first_seen=seen.at if gap else memory.first_seen or seen.at,
        seen=seen.status,
        seen_at=seen.at,
        outages=0,
        outage_since=None,
    )
    if not settled(seen.status):
        return replace(memory, troubled_since=memory.troubled_since or seen.at)
    memory = replace(memory, troubled_since=None)
    if satisfies(seen.status, wanted.state):
        return replace(memory, reached=True, by_hand=None, attempts=0, tried=None, retry_at=None, trouble="")
    if seen.status == "arm_failure":
        # Somebody wanted it armed and failed, as at an open door: there is no change to respect.
        return replace(memory, reached=False, by_hand=None)
    if memory.reached and memory.by_hand is None and memory.pending is None:
        return _changed_by_hand(memory, seen, wanted, before)
    return memory


def _in_period(memory: Memory, wanted: Wanted) -> Memory:
    """``memory`` with what concerns another period forgotten."""
    if memory.concerns(wanted.state, wanted.due):
        return replace(memory, wanted=wanted.state)
    return replace(
        memory,
        period=wanted.due,
        wanted=wanted.state,
        reached=False,
        by_hand=None,
        attempts=0,
        tried=None,
        retry_at=None,
        trouble="",
        noted="",
    )


def _changed_by_hand(memory: Memory, seen: Observation, wanted: Wanted, before: datetime | None) -> Memory:
    """A person has changed what was as wanted. Undoing our own arming is a counter-action."""
    at, after = seen.at, before
    if seen.changed_at is not None and before is not None and before <= seen.changed_at <= seen.at:
        at = after = seen.changed_at
    counter = memory.ours and not loosens(seen.status, wanted.state)
    memory = replace(memory, by_hand=at, changed=Changed(after), ours=False)
    if not counter:
        return memory
    actions = (*memory.counter_actions, at)[-2:]
    stopped = memory.stopped
    if len(actions) == 2 and actions[1] - actions[0] <= pace.COUNTER_WITHIN:
        minutes = int(pace.COUNTER_WITHIN.total_seconds() // 60)
        stopped = f"what was commanded was undone twice within {minutes} minutes, last to {seen.status}"
    return replace(memory, counter_actions=actions, stopped=stopped)


def judge(wanted: Wanted, policy: ManualChange, seen: Observation, memory: Memory, now: datetime) -> Verdict:
    """What to do at ``now`` about a target that should be ``wanted``; ``memory`` has learnt ``seen``."""
    return (
        _at_rest(wanted, seen, memory, now)
        or _under_way(wanted, policy, seen, memory, now)
        or _doubt(wanted, seen, memory, now)
        or _command(wanted, memory, now)
    )


def _at_rest(wanted: Wanted, seen: Observation, memory: Memory, now: datetime) -> Verdict | None:
    """Nothing can or need be done: unreachable, stopped, in state, or not a state to command from."""
    if seen.problem is not None:
        again = now + pace.outage_wait(max(1, memory.outages))
        return Verdict("unreachable", "unreachable", seen.problem, again)
    if memory.stopped:
        return Verdict("stopped", "stopped", memory.stopped)
    if satisfies(seen.status, wanted.state):
        return Verdict("in_state", "in_state", wanted.reason)
    return None if settled(seen.status) else _hands_off(seen, now)


def _under_way(
    wanted: Wanted, policy: ManualChange, seen: Observation, memory: Memory, now: datetime
) -> Verdict | None:
    """A command whose outcome is awaited, or a change by hand that is respected."""
    if memory.pending is not None:
        return _confirming(memory.pending, wanted, now)
    change = memory.change
    if memory.by_hand is None or change is None:
        return None
    if loosens(seen.status, wanted.state):
        return Verdict("respected", "armed_by_hand", f"{told(seen.status, change)}; left as it is")
    return _by_hand(policy, memory.by_hand, told(seen.status, change), now)


def _command(wanted: Wanted, memory: Memory, now: datetime) -> Verdict:
    if memory.retry_at is not None and now < memory.retry_at:
        return Verdict("waiting", "retry", memory.trouble, memory.retry_at)
    repeat = memory.pending is not None
    return Verdict("command", "repeat" if repeat else "command", wanted.reason, repeat=repeat)


def _hands_off(seen: Observation, now: datetime) -> Verdict:
    """No command from an alarm, an entry delay, a state in progress or an unknown one."""
    if seen.status in IN_PROGRESS:
        return Verdict("waiting", "in_progress", "a change is in progress", now + pace.IN_PROGRESS_AGAIN)
    if seen.status in HANDS_OFF:
        shown = seen.status.replace("_", " ")
        return Verdict(
            "waiting", seen.status, f"nothing is commanded during an {shown}", now + pace.HANDS_OFF_AGAIN
        )
    return Verdict(
        "doubt",
        "unknown_state",
        f"the state reads {seen.said!r}, which is not known",
        now + pace.UNKNOWN_AGAIN,
    )


def _confirming(pending: Pending, wanted: Wanted, now: datetime) -> Verdict | None:
    """Wait for the pending command; None where it is to be sent again, since its answer got lost."""
    left = pending.sent_at or pending.intended_at
    same = (pending.state, pending.due) == (wanted.state, wanted.due)
    if same and not pending.answered and left + pace.REPEAT_AFTER <= now:
        return None
    return Verdict(
        "waiting", "confirming", f"waiting for {pending.state} to show", pace.read_back_at(left, now)
    )


def _by_hand(policy: ManualChange, since: datetime, change: str, now: datetime) -> Verdict | None:
    """A change by hand that is respected, None where the policy undoes it now. ``change``: for people."""
    if policy.policy == "respect_until_next":
        return Verdict("respected", "by_hand", f"{change}; respected until the next transition")
    if policy.policy == "rearm_after":
        again = since + timedelta(seconds=policy.rearm_after or 0)
        if now < again:
            return Verdict("respected", "rearm_after", f"{change}; armed again at {spoken_utc(again)}", again)
    return None


def _doubt(wanted: Wanted, seen: Observation, memory: Memory, now: datetime) -> Verdict | None:
    """Why a target must not be made less strict now, None where nothing speaks against it."""
    if not loosens(seen.status, wanted.state):
        return None
    return (
        _unknown_past(wanted, memory) or _clocks_apart(seen, now) or _moved_since(wanted, seen, memory, now)
    )


def _unknown_past(wanted: Wanted, memory: Memory) -> Verdict | None:
    """A ledger that does not reach back to before the disarm was due may be lost, or an old copy."""
    if wanted.ordered or (memory.first_seen is not None and memory.first_seen < wanted.due):
        return None
    return Verdict(
        "doubt",
        "not_seen_before",
        "the ledger does not know this target, without a gap, from before the disarm was due; it stays armed",
    )


def _clocks_apart(seen: Observation, now: datetime) -> Verdict | None:
    """``Date`` is cut to whole seconds (RFC 9110, section 6.6.1)."""
    said = "sends no Date"
    if seen.server_time is not None:
        ahead = max(seen.server_time - seen.at, seen.at - seen.server_time - timedelta(seconds=1))
        if ahead <= pace.CLOCK_TOLERANCE:
            return None
        said = f"says {seen.server_time:%H:%M:%S} UTC"
    return Verdict(
        "doubt",
        "clock",
        f"this clock says {seen.at:%H:%M:%S} UTC and the server {said}; nothing is disarmed by it",
        now + pace.CLOCK_AGAIN,
    )


def _moved_since(wanted: Wanted, seen: Observation, memory: Memory, now: datetime) -> Verdict | None:
    """Somebody may have armed the target since the disarm was due, or since one was sent."""
    moved = seen.changed_at
    if memory.tried is not None and (moved is None or moved > memory.tried):
        return Verdict("doubt", "disarm_unconfirmed", "a disarm was sent and did not show; not sent again")
    prompt = now - wanted.due <= pace.PROMPT
    if moved is None:
        late = f"the disarm was due at {wanted.due:%H:%M:%S} UTC; too late without knowing who armed since"
        return None if prompt else Verdict("doubt", "late_disarm", late)
    # Clocks that agree may be this far apart: an arming just before must not hold back a prompt disarm.
    if moved > wanted.due + (pace.CLOCK_TOLERANCE if prompt else timedelta()):
        at = spoken_utc(moved)
        return Verdict("respected", "armed_since", f"armed at {at}, after the disarm was due; left as it is")
    return None
