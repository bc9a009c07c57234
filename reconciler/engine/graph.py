"""Which steps may run now, and which never will. Pure bookkeeping; the executor is its only user."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence

from reconciler.planning.steps import Batch, Step, StepKey


class Graph:
    """The steps of one plan, from waiting to ended.

    A step is ready when all it waits for has ended and all it depends on has succeeded. Ready steps
    come in the order of the plan.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = {step.key: step for step in steps}
        self._keys = [step.key for step in steps]
        self._position = {step.key: position for position, step in enumerate(steps)}
        self._dependents: dict[StepKey, list[StepKey]] = defaultdict(list)
        self._followers: dict[StepKey, list[StepKey]] = defaultdict(list)
        self._waits: dict[StepKey, int] = {}
        self._ready: list[int] = []
        self._ready_in_batch: dict[Batch, list[int]] = defaultdict(list)
        self._begun: set[StepKey] = set()
        self._ended: set[StepKey] = set()
        for step in steps:
            self._link(step)

    def _link(self, step: Step) -> None:
        needed = [key for key in step.depends_on if key in self._steps]
        only_after = [key for key in step.after if key in self._steps and key not in step.depends_on]
        for key in needed:
            self._dependents[key].append(step.key)
        for key in only_after:
            self._followers[key].append(step.key)
        self._waits[step.key] = len(needed) + len(only_after)
        if not self._waits[step.key]:
            self._make_ready(step.key)

    def _make_ready(self, key: StepKey) -> None:
        batch = self._steps[key].batch
        heapq.heappush(self._ready, self._position[key])
        if batch is not None:
            heapq.heappush(self._ready_in_batch[batch], self._position[key])

    def take(self, most: int) -> list[Step]:
        """The next ready step, with up to ``most`` of its batch; [] when none is ready."""
        first = self._next(self._ready)
        if first is None:
            return []
        taken = [first]
        while first.batch is not None and len(taken) < most:
            beside = self._next(self._ready_in_batch[first.batch])
            if beside is None:
                break
            taken.append(beside)
        return taken

    def _next(self, heap: list[int]) -> Step | None:
        while heap:
            key = self._keys[heapq.heappop(heap)]
            if key not in self._begun and key not in self._ended:
                self._begun.add(key)
                return self._steps[key]
        return None

    def end(self, key: StepKey, *, succeeded: bool) -> list[Step]:
        """``key`` has ended. The steps that can never run because of it, nearest first; they have ended."""
        never: list[Step] = []
        ended = [(key, succeeded)]
        for each, success in ended:
            self._ended.add(each)
            for dependent in self._dependents[each]:
                if success:
                    self._release(dependent)
                elif dependent not in self._ended:
                    self._ended.add(dependent)
                    never.append(self._steps[dependent])
                    ended.append((dependent, False))
            for follower in self._followers[each]:
                self._release(follower)
        return never

    def _release(self, key: StepKey) -> None:
        self._waits[key] -= 1
        if not self._waits[key] and key not in self._ended:
            self._make_ready(key)

    def unfinished(self) -> list[Step]:
        """The steps that have not ended, in order."""
        return [self._steps[key] for key in self._keys if key not in self._ended]
