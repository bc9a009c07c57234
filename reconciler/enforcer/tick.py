"""One round of the enforcer: look, judge, command, remember, and say when to look again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciler.arming.project import Target, TargetKey
from reconciler.enforcer import confirm, pace, record
from reconciler.enforcer.attribution import attributed
from reconciler.enforcer.feed import Notice
from reconciler.enforcer.memory import Memory, Pending
from reconciler.enforcer.port import ArmingPort, Journal, Observation, Order, Reply
from reconciler.enforcer.rules import Verdict, judge, learn
from reconciler.enforcer.states import loosens
from reconciler.enforcer.wanted import Wanted
from reconciler.enforcer.watch import Watch
from reconciler.ledger import CommandRecord


@dataclass(frozen=True, slots=True)
class Sight:
    """One target in one round: what was wanted, seen and decided; ``reply`` where it was commanded."""

    target: Target
    wanted: Wanted
    seen: Observation
    verdict: Verdict
    memory: Memory
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """What one round did. ``next_at``: when the next one has something to do, None: never."""

    sights: tuple[Sight, ...]
    records: tuple[CommandRecord, ...]
    next_at: datetime | None


Heard = Callable[[Target], Sequence[Notice]]
"""What was said of a target lately: for the record, never for a decision."""


def _nothing(_target: Target) -> Sequence[Notice]:
    return ()


def tick(
    watch: Watch,
    now: datetime,
    port: ArmingPort,
    journal: Journal,
    *,
    send: bool = True,
    heard: Heard = _nothing,
) -> Tick:
    """One round at ``now`` (aware): the most urgent of the targets that are due for a look.

    Intents are on disk before a command leaves. With ``send`` False nothing is sent and nothing kept.
    ``heard`` says who may have changed what is seen. Returns at once with ``next_at`` where nothing is due.
    """
    watch.hear_overrides(journal.overrides(now))
    due = watch.due(now)
    if not due:
        return Tick((), (), watch.next_at())
    sights, records = _look(watch, due, now, port, heard)
    if send:
        sights = _intend(sights, port.now())
        journal.save(_changed(watch, sights), records)
        watch.remember(sights)
        watch.hear_overrides(journal.overrides(port.now()))
        sights, ends = _send(watch, sights, port)
        if ends or any(sight.reply is not None for sight in sights):
            journal.save(_changed(watch, sights), ends)
        records += ends
    watch.remember(sights)
    for sight in sights:
        watch.plan_look(sight, port.now())
    return Tick(tuple(sights), tuple(records), watch.next_at())


def _look(
    watch: Watch, targets: Sequence[Target], now: datetime, port: ArmingPort, heard: Heard
) -> tuple[list[Sight], list[CommandRecord]]:
    """Read ``targets``, settle what was pending and judge. A look taken just ahead is used for arming."""
    ahead = {target.key: seen for target in targets if (seen := watch.ahead(target, now)) is not None}
    unread = [target for target in targets if target.key not in ahead]
    looks = dict(zip([target.key for target in unread], port.observe(unread), strict=True)) if unread else {}
    sights, records = [], []
    for target in targets:
        seen = ahead.get(target.key) or looks[target.key]
        sight, row = _judged(watch, target, seen, max(now, seen.at), port, heard)
        sights.append(sight)
        records += row
    return sights, records


def _judged(
    watch: Watch, target: Target, seen: Observation, now: datetime, port: ArmingPort, heard: Heard
) -> tuple[Sight, list[CommandRecord]]:
    wanted = watch.wanted(target, now)
    memory = watch.memory(target.key)
    records = []
    result = confirm.read_back(memory, seen, wanted)
    if result is not None:
        assert memory.pending is not None
        if result == "unconfirmed" and memory.pending.state and not seen.open_zones:
            since = memory.pending.sent_at or memory.pending.intended_at
            seen = replace(seen, open_zones=tuple(port.open_zones(target, since)))
        trouble = _trouble(memory, seen)
        records.append(record.of_command(target, memory, result, seen.status, _note(result, trouble)))
        memory = confirm.settle(memory, result, trouble, now)
    memory = attributed(learn(memory, seen, wanted), seen, heard(target))
    verdict = judge(wanted, target.schedule.manual_change, seen, memory, now)
    noted = _mark(verdict, memory)
    if verdict.kind in ("respected", "doubt") and memory.noted != noted:
        records.append(record.of_verdict(target, wanted, seen, verdict, memory, now))
        memory = replace(memory, noted=noted)
    return Sight(target, wanted, seen, verdict, memory), records


def _mark(verdict: Verdict, memory: Memory) -> str:
    """What is recorded once: a change by hand again when it is known who made it."""
    change = memory.change
    return verdict.code if change is None or not change.by else f"{verdict.code} by {change.by}"


def _trouble(memory: Memory, seen: Observation) -> str:
    """Why a command came to nothing, as far as anybody knows."""
    if seen.open_zones:
        return f"open: {', '.join(seen.open_zones)}"
    return memory.trouble or f"the state still reads {seen.said or seen.status}"


def _note(result: confirm.Result, trouble: str) -> str:
    return "" if result == "confirmed" else trouble


def _intend(sights: Sequence[Sight], now: datetime) -> list[Sight]:
    """The sights with the command that follows as the memory's pending one."""
    return [_with_intent(sight, now) if sight.verdict.kind == "command" else sight for sight in sights]


def _with_intent(sight: Sight, now: datetime) -> Sight:
    memory = sight.memory
    if memory.pending is not None:
        again = replace(memory.pending, sends=memory.pending.sends + 1)
        return replace(sight, memory=replace(memory, pending=again))
    target, number = sight.target, memory.numbered + 1
    pending = Pending(
        state=sight.wanted.state,
        due=sight.wanted.due,
        idempotency_key=_key(target, sight.wanted, number, now),
        intended_at=now,
        before=sight.seen.status,
        reason=sight.wanted.reason,
        schedule=target.schedule.id,
        revision=target.revision,
        sends=1,
    )
    return replace(sight, memory=replace(memory, pending=pending, numbered=number))


def _key(target: Target, wanted: Wanted, number: int, now: datetime) -> str:
    """The key of one intent, 64 hex digits. The instant keeps a new ledger from repeating an old key."""
    text = "\n".join((target.address, str(target.partition), str(wanted.state), str(number), now.isoformat()))
    return hashlib.sha256(text.encode()).hexdigest()


def _send(watch: Watch, sights: Sequence[Sight], port: ArmingPort) -> tuple[list[Sight], list[CommandRecord]]:
    """Send the commands that are still wanted, the most urgent first, and take in the replies."""
    now = port.now()
    intended = [index for index, sight in enumerate(sights) if sight.verdict.kind == "command"]
    chosen = [index for index in intended if _still_wanted(watch, sights[index], now)]
    sent = port.command([_order(sights[index]) for index in chosen]) if chosen else ()
    replies = dict.fromkeys(intended, Reply("not_sent", now, "it is not wanted any more"))
    replies.update(zip(chosen, sent, strict=True))
    after, records = list(sights), []
    for index, reply in replies.items():
        sight = sights[index]
        memory = sight.memory
        assert memory.pending is not None
        if reply.outcome == "refused":
            memory = replace(memory, pending=replace(memory.pending, sent_at=reply.sent_at))
            records.append(record.of_command(sight.target, memory, "refused", None, reply.message))
            trouble = (
                f"{reply.message} (open: {', '.join(sight.seen.open_zones)})"
                if sight.seen.open_zones
                else reply.message
            )
            memory = confirm.settle(memory, "refused", trouble, reply.sent_at)
        else:
            memory = confirm.hear(memory, reply)
        after[index] = replace(sight, memory=memory, reply=reply)
    return after, records


def _still_wanted(watch: Watch, sight: Sight, now: datetime) -> bool:
    """Whether its command is what the target should be now: reading all of them took its time."""
    wanted, pending = watch.wanted(sight.target, now), sight.memory.pending
    assert pending is not None
    return (wanted.state, wanted.due) == (pending.state, pending.due)


def _order(sight: Sight) -> Order:
    pending, until = sight.memory.pending, sight.wanted.until
    assert pending is not None
    margin = pace.LAST_DISARM if loosens(sight.seen.status, pending.state) else timedelta()
    return Order(
        sight.target,
        pending.state,
        f"reconciler:{pending.schedule}@{pending.revision}",
        pending.idempotency_key,
        None if until is None else until - margin,
    )


def _changed(watch: Watch, sights: Sequence[Sight]) -> Mapping[TargetKey, Memory]:
    """The memories worth writing: a look that changes nothing is written every few minutes only."""
    return {
        sight.target.key: sight.memory
        for sight in sights
        if watch.worth_keeping(sight.target.key, sight.memory)
    }
