"""The targets under watch: what each should be, what is remembered of it, when to look at it next."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from reconciler.arming.fleet import Overrides
from reconciler.arming.project import Target, TargetKey
from reconciler.arming.spec import Override
from reconciler.arming.states import State
from reconciler.enforcer import pace
from reconciler.enforcer.memory import UNSEEN, Memory, resumed
from reconciler.enforcer.pace import Pace
from reconciler.enforcer.port import Observation
from reconciler.enforcer.rules import Verdict
from reconciler.enforcer.wanted import LONG_AGO, Timelines, Wanted

READ_TOGETHER = 32
"""Targets read in one round: the commands that follow wait for no more than these."""

COMMANDED_TOGETHER = 512
"""Targets in one round that were read ahead and only have to be commanded."""

_KEPT_EVERY = timedelta(minutes=10)
_AT_ONCE = LONG_AGO


class Looked(Protocol):
    """What the watch takes from one target's part of a round."""

    @property
    def target(self) -> Target: ...
    @property
    def wanted(self) -> Wanted: ...
    @property
    def seen(self) -> Observation: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def memory(self) -> Memory: ...


class Watch:
    """The state of enforcement between rounds. Not thread-safe: one loop drives it.

    ``memories``: what ``Journal.recall`` gave; those of targets that are gone are left alone.
    """

    def __init__(
        self, targets: Sequence[Target], memories: Mapping[TargetKey, Memory], now: datetime, kept: Pace
    ) -> None:
        self.targets = tuple(sorted(targets, key=lambda target: target.key.order))
        self._index = {target.key: number for number, target in enumerate(self.targets)}
        self._memories = {target.key: memories.get(target.key, UNSEEN) for target in self.targets}
        self._saved = dict(self._memories)
        self._pace = kept
        self._timelines = Timelines()
        self._overrides: Overrides = {}
        self._seen: dict[TargetKey, Observation] = {}
        self._looks: dict[TargetKey, datetime] = {}
        self._postponed: dict[TargetKey, datetime] = {}
        self._transitions: dict[TargetKey, datetime | None] = {}
        self._troubles: dict[TargetKey, datetime | None] = {}
        self._heap: list[tuple[datetime, int]] = []
        for target in self.targets:
            self._transitions[target.key] = self._timelines.wanted(target, now).until
            self._plan(target, self._first_look(target, now))

    def _first_look(self, target: Target, now: datetime) -> datetime:
        """At once, unless an earlier run has just seen the target as it should be."""
        memory, wanted = self._memories[target.key], self._timelines.wanted(target, now)
        reached = memory.reached and memory.concerns(wanted.state, wanted.due)
        at_rest = reached and not memory.pending and not memory.by_hand
        recent = min(self._pace.recent, self._review_wait(target) or self._pace.recent)
        if not at_rest or memory.seen_at is None or not now - recent < memory.seen_at <= now:
            return now
        review = memory.seen_at + recent
        return review if wanted.until is None else min(review, wanted.until)

    def memory(self, key: TargetKey) -> Memory:
        return self._memories[key]

    def wanted(self, target: Target, now: datetime) -> Wanted:
        """What ``target`` should be at ``now``, overrides included."""
        return self._timelines.wanted(target, now, self._overrides_of(target.key))

    def _overrides_of(self, key: TargetKey) -> Sequence[Override]:
        """A partition's own overrides stand above those of its site."""
        if not self._overrides:
            return ()
        own = tuple(self._overrides.get(key, ()))
        if key.partition is None:
            return own
        return (*self._overrides.get(TargetKey(key.address, None), ()), *own)

    def hear_overrides(self, overrides: Overrides) -> None:
        """Take ``overrides`` as those that count; targets whose overrides changed are due at once."""
        if overrides == self._overrides:
            return
        before = self._overrides
        keys = before.keys() | overrides.keys()
        changed = {key for key in keys if before.get(key) != overrides.get(key)}
        self._overrides = dict(overrides)
        for target in self.targets:
            if target.key in changed or TargetKey(target.address, None) in changed:
                self._plan(target, _AT_ONCE)

    def review_all(self, now: datetime) -> None:
        """Look at every target afresh: the clock was moved, or the machine was asleep."""
        self._seen.clear()
        for target in self.targets:
            self._plan(target, now)

    def look_by(self, target: Target, at: datetime) -> None:
        """Look at ``target`` at ``at``, if not before."""
        planned = self._looks.get(target.key)
        if planned is None or at < planned:
            self._plan(target, at)

    def glance(self, target: Target, now: datetime) -> None:
        """Look at ``target`` now, besides the look that is planned: that one is still taken."""
        planned = self._looks.get(target.key)
        if planned is None or planned <= now:
            return
        self._postponed[target.key] = min(planned, self._postponed.get(target.key, planned))
        self._plan(target, now)

    def planned(self, key: TargetKey) -> datetime | None:
        """When the target is looked at next, as things stand."""
        return self._looks.get(key)

    def resume(self, target: Target, now: datetime) -> None:
        """Command ``target`` again, as a person wants after two counter-actions."""
        self._memories[target.key] = resumed(self._memories[target.key])
        self._plan(target, now)

    def due(self, now: datetime) -> list[Target]:
        """The targets to look at in this round, the most urgent first.

        Targets read ahead come alone, so that their commands wait for no reading. The rest stay due.
        """
        ready = []
        while self._heap and self._heap[0][0] <= now:
            at, number = heapq.heappop(self._heap)
            target = self.targets[number]
            if self._looks.get(target.key) == at:
                ready.append((self._urgency(target, now), target))
                del self._looks[target.key]
        ready.sort(key=lambda entry: entry[0])
        targets = [target for _, target in ready]
        chosen = [target for target in targets if self.ahead(target, now)][:COMMANDED_TOGETHER]
        chosen = chosen or targets[:READ_TOGETHER]
        taken = {target.key for target in chosen}
        for target in targets:
            if target.key not in taken:
                self._plan(target, now)
        return chosen

    def _urgency(self, target: Target, now: datetime) -> tuple[bool, bool, datetime, bool, int]:
        """What is not reached first, the oldest due first, arming before disarming; reading back later."""
        wanted, memory = self.wanted(target, now), self._memories[target.key]
        reached = memory.reached and memory.concerns(wanted.state, wanted.due)
        confirming = memory.pending is not None and memory.pending.answered
        return reached, confirming, wanted.due, wanted.state is State.DISARMED, self._index[target.key]

    def ahead(self, target: Target, now: datetime) -> Observation | None:
        """The look taken just before a transition, if it may be armed from; None: read again.

        Only from a plainly disarmed target: whatever else it was may have changed, and arming it is safe
        should that have changed too.
        """
        seen = self._seen.get(target.key)
        if seen is None or seen.problem is not None or now - seen.at > pace.FRESH:
            return None
        wanted, memory = self.wanted(target, now), self._memories[target.key]
        if memory.pending is not None or memory.concerns(wanted.state, wanted.due) or wanted.due < seen.at:
            return None
        usable = seen.status == "disarmed" and wanted.state is not State.DISARMED
        return seen if usable else None

    def remember(self, looked: Iterable[Looked]) -> None:
        """Take over what a round learnt."""
        for look in looked:
            self._memories[look.target.key] = look.memory
            self._seen[look.target.key] = look.seen

    def worth_keeping(self, key: TargetKey, memory: Memory) -> bool:
        """Whether ``memory`` has to be written; taken as written if so."""
        saved = self._saved[key]
        if replace(memory, seen_at=saved.seen_at) == saved and not (
            memory.seen_at and saved.seen_at and memory.seen_at - saved.seen_at >= _KEPT_EVERY
        ):
            return False
        self._saved[key] = memory
        return True

    def plan_look(self, look: Looked, now: datetime) -> None:
        """Decide when to look at a target again, after its part of a round."""
        target, memory, wanted = look.target, look.memory, self.wanted(look.target, now)
        self._transitions[target.key] = _read_ahead(wanted, now) or wanted.until
        self._troubles[target.key] = _trouble(look, now)
        postponed = self._postponed.pop(target.key, None)
        if wanted.due > look.seen.at:  # a transition passed while this round was under way
            self._plan(target, now)
            return
        looks = [
            self._transitions[target.key],
            self._troubles[target.key],
            look.verdict.look_at,
            memory.retry_at,
            postponed,
            self._review(target, now),
        ]
        soonest = min((at for at in looks if at is not None and at > now), default=None)
        if soonest is not None:
            self._plan(target, soonest)

    def _review(self, target: Target, now: datetime) -> datetime | None:
        wait = self._review_wait(target)
        return None if wait is None else now + wait

    def _review_wait(self, target: Target) -> timedelta | None:
        watched = target.schedule.manual_change.policy != "respect_until_next"
        return self._pace.watched if watched else self._pace.review

    def _plan(self, target: Target, at: datetime) -> None:
        self._looks[target.key] = at
        heapq.heappush(self._heap, (at, self._index[target.key]))

    def next_at(self) -> datetime | None:
        """When the next target is due for a look."""
        while self._heap and self._looks.get(self.targets[self._heap[0][1]].key) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def transition_at(self) -> datetime | None:
        """When the next target changes by its schedule, or is read ahead of that."""
        return min((at for at in self._transitions.values() if at is not None), default=None)

    def trouble_at(self) -> datetime | None:
        """When to look next at what is under way: a command not answered, an outage, a state in progress."""
        return min((at for at in self._troubles.values() if at is not None), default=None)

    def confirming_at(self) -> datetime | None:
        """When the next command that the server accepted is to be read back."""
        return min(
            (
                self._looks[key]
                for key, memory in self._memories.items()
                if memory.pending is not None and memory.pending.answered and key in self._looks
            ),
            default=None,
        )


def _trouble(look: Looked, now: datetime) -> datetime | None:
    pending = look.memory.pending
    if pending is not None and pending.answered and pending.sent_at is not None:
        return pace.read_back_at(pending.sent_at, now)
    if pending is not None or look.verdict.kind == "unreachable":
        return now + pace.outage_wait(max(1, look.memory.outages))
    return now + pace.IN_PROGRESS_AGAIN if look.verdict.code == "in_progress" else None


def _read_ahead(wanted: Wanted, now: datetime) -> datetime | None:
    """When to look ahead of the next transition, where that arms."""
    if wanted.state is not State.DISARMED or wanted.until is None:
        return None
    at = wanted.until - pace.READ_AHEAD
    return at if at > now else None
