"""Who changed a target by hand, and how that is told. Nothing is decided by it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.enforcer.feed import Notice
from reconciler.enforcer.memory import Changed, Memory
from reconciler.enforcer.pace import CLOCK_TOLERANCE
from reconciler.enforcer.port import Observation
from reconciler.times import spoken_utc


def attributed(memory: Memory, seen: Observation, heard: Sequence[Notice]) -> Memory:
    """``memory``, which has learnt ``seen``, with who made the change by hand that stands.

    The last of ``heard`` counts that names the state seen and a time at which the change can have been. What
    was once found out stays. Returns ``memory`` where nobody is named.
    """
    if memory.by_hand is None or memory.changed.by or memory.changed.source or seen.problem is not None:
        return memory
    earliest = (memory.changed.after or memory.by_hand) - CLOCK_TOLERANCE
    latest = memory.by_hand + CLOCK_TOLERANCE
    for notice in reversed(heard):
        named = notice.by or notice.source
        if named and earliest <= notice.at <= latest and _agrees(notice.state, seen.status):
            at = min(notice.at, memory.by_hand)
            return replace(memory, changed=replace(memory.changed, at=at, by=notice.by, source=notice.source))
    return memory


def _agrees(said: str, status: str) -> bool:
    """Whether an event means the state seen: each may name the mode, or say ``armed`` whatever the mode."""
    return said == status or ("armed" in (said, status) and {said[:5], status[:5]} == {"armed"})


def told(status: str, change: Changed) -> str:
    """A change by hand for people: ``disarmed by kim through the app at 2026-11-20 18:12:03 UTC``.

    ``status``: the state seen. ``change``: one with its time, as ``Memory.change`` has it.
    """
    assert change.at is not None
    if not (change.by or change.source):
        return f"changed by hand at {spoken_utc(change.at)}"
    done = status if status == "disarmed" else "armed" if status.startswith("armed") else "changed"
    who = f"by {change.by}" if change.by else "by hand"
    through = f" {_means(change.source)}" if change.source else ""
    return f"{done} {who}{through} at {spoken_utc(change.at)}"


def _means(source: str) -> str:
    if source == "api":
        return "through the API"
    return f"at the {source}" if source in ("keypad", "panel") else f"through the {source}"
