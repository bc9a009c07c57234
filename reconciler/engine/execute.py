"""Carries out a plan: ready steps side by side, a failure stopping only what depends on it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.engine.endings import Ending
from reconciler.engine.events import Event, StepFinished, StepStarted, ValueReplaced
from reconciler.engine.fetch import ignore
from reconciler.engine.graph import Graph
from reconciler.engine.journal import PATIENCE, Journal
from reconciler.engine.lag import made_lately
from reconciler.engine.payload import Payloads, Secrets
from reconciler.engine.sending import Delivery, Sender, adopted
from reconciler.engine.width import EIGHT, Width
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import (
    MOST_IN_FLIGHT,
    Action,
    Address,
    Change,
    Collection,
    Owned,
    Plan,
    Reader,
    Resource,
    Snapshot,
)
from reconciler.planning.rows import forgotten, protections
from reconciler.planning.scope import Scope, collection_of
from reconciler.planning.steps import Step, steps
from reconciler.writes import Outcome, OutcomeStatus, Report, Writer

BATCH_LIMIT = 50
"""Most objects in one bulk call; CHeKT names no limit (chekt-api/README.md section 12.8)."""


def execute(  # noqa: PLR0913  # each is a separate door to the world, given by name
    plan: Plan,
    desired: Sequence[Resource],
    snapshot: Snapshot,
    *,
    run: int,
    owned: Mapping[Address, Owned],
    blocked: Mapping[Address, str],
    read_at: datetime,
    surfaces: Surfaces,
    writer: Writer,
    reader: Reader,
    journal: Journal,
    secrets: Secrets,
    clock: Callable[[], datetime],
    stop: threading.Event,
    width: Width = EIGHT,
    on_event: Callable[[Event], None] = ignore,
    patience: tuple[float, ...] = PATIENCE,
) -> Report:
    """Make the changes of ``plan``; one outcome a change.

    ``snapshot``, ``owned`` and ``blocked``: what the plan was made from, by ``fetch_and_recover``;
    ``read_at``: when that began to read. ``run``: the journal's id of this run. ``stop``, once set, lets
    the writes in flight finish and begins no other. Call it for an empty plan too: the ledger's rows and
    protection follow the manifests. Raises LedgerError when the journal cannot be kept (nothing is sent
    from then on), and nothing for a write that fails: the report says so.
    """
    rows = dict(owned)
    doubted = _possibly_made(journal, run, owned, read_at - timedelta(seconds=sum(patience)))
    _record_what_needs_no_write(plan, desired, snapshot, rows, surfaces, journal)
    sender = Sender(
        run=run,
        payloads=Payloads(
            desired, snapshot, rows, surfaces, secrets, journal.secret_digest, journal.seen_digest
        ),
        snapshot=snapshot,
        owned=rows,
        surfaces=surfaces,
        writer=writer,
        reader=reader,
        journal=journal,
        clock=clock,
        stop=stop,
        patience=patience,
        doubted=doubted,
        before=_ids_by_collection(snapshot),
        blocked=blocked,
    )
    execution = _Execution(plan, steps(plan, desired, surfaces), sender, stop, on_event)
    return execution.run(width)


def _possibly_made(
    journal: Journal, run: int, owned: Mapping[Address, Owned], since: datetime
) -> frozenset[Address]:
    """What lists may not show yet although it exists: creates left open before, and those done since."""
    left_open = {
        intent.address
        for intent in journal.unsettled()
        # What this run announced was not sent yet; what it sent, a worker that died may have.
        if intent.operation == "create" and (intent.run != run or intent.payload_digest)
    }
    return frozenset(left_open) | {row.address for row in made_lately(owned, journal.created_since(since))}


def _ids_by_collection(snapshot: Snapshot) -> dict[Collection, frozenset[str]]:
    found: dict[Collection, set[str]] = defaultdict(set)
    for address, live in snapshot.objects.items():
        found[collection_of(address)].add(live.remote_id)
    return {collection: frozenset(ids) for collection, ids in found.items()}


def _record_what_needs_no_write(
    plan: Plan,
    desired: Sequence[Resource],
    snapshot: Snapshot,
    rows: dict[Address, Owned],
    surfaces: Surfaces,
    journal: Journal,
) -> None:
    """Take over what is as wanted already, drop rows of what is gone, bring protection up to date."""
    scope = Scope(plan.targets, plan.excludes, plan.changed_since)
    dropped = forgotten(desired, snapshot, rows, surfaces, scope)
    for address in dropped:
        rows.pop(address)
    changed: dict[Address, Owned] = {}
    for change in plan.changes:
        live = snapshot.objects.get(change.address)
        if change.action is Action.ADOPT and not change.applied_fields() and live is not None:
            changed[change.address] = adopted(rows.get(change.address), change.address, live)
    for address, protect in protections(desired, rows | changed, scope).items():
        changed[address] = replace(changed.get(address) or rows[address], protect=protect)
    if changed or dropped:
        with journal.transaction():
            for address in dropped:
                journal.forget(address)
            for row in changed.values():
                journal.record(row)
    rows |= changed


class _Execution:
    """The loop that keeps the pool busy. Everything here runs in the calling thread."""

    def __init__(
        self,
        plan: Plan,
        ordered: Sequence[Step],
        sender: Sender,
        stop: threading.Event,
        on_event: Callable[[Event], None],
    ) -> None:
        self._plan = plan
        self._steps = ordered
        self._graph = Graph(ordered)
        self._sender = sender
        self._stop = stop
        self._tell = on_event
        self._endings: dict[int, list[Ending]] = defaultdict(list)
        self._ended = self._reads = self._writes = 0

    def run(self, width: Width) -> Report:
        """Run every step that can run, then report."""
        running: dict[Future[Delivery], list[Step]] = {}
        broken: BaseException | None = None
        with ThreadPoolExecutor(MOST_IN_FLIGHT, thread_name_prefix="write") as pool:
            while True:
                while len(running) < width() and broken is None and not self._stop.is_set():
                    taken = self._graph.take(BATCH_LIMIT)
                    if not taken:
                        break
                    self._begin(taken)
                    running[pool.submit(self._sender.send, taken)] = taken
                if not running:
                    break
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in sorted(finished, key=lambda each: running[each][0].change):
                    taken = running.pop(future)
                    failure = future.exception()
                    if failure is None:
                        self._end(taken, future.result())
                    broken = broken or failure
        if broken is not None:
            raise broken
        return self._report()

    def _begin(self, taken: Sequence[Step]) -> None:
        for step in taken:
            self._tell(StepStarted(step.address, step.operation, step.part))

    def _end(self, taken: Sequence[Step], delivery: Delivery) -> None:
        self._reads += delivery.reads
        self._writes += delivery.writes
        for step, ending in zip(taken, delivery.endings, strict=True):
            self._note(step, ending)
            for name in ending.replaced:
                self._tell(ValueReplaced(step.address, name))
            never = self._graph.end(step.key, succeeded=ending.status is OutcomeStatus.DONE)
            for each in never:
                self._note(
                    each, Ending(OutcomeStatus.SKIPPED, f"it needs the {_name(step)}, which was not done")
                )

    def _note(self, step: Step, ending: Ending) -> None:
        self._endings[step.change].append(ending)
        self._ended += 1
        self._tell(
            StepFinished(
                step.address,
                step.operation,
                step.part,
                ending.status,
                ending.message,
                self._ended,
                len(self._steps),
            )
        )

    def _report(self) -> Report:
        left = self._graph.unfinished()
        for step in left:
            self._note(step, Ending(OutcomeStatus.SKIPPED, "the run was stopped before it"))
        outcomes = tuple(
            _outcome(change, self._endings.get(index, ())) for index, change in enumerate(self._plan.changes)
        )
        stopped = self._stop.is_set() and any(each.status is OutcomeStatus.SKIPPED for each in outcomes)
        return Report(outcomes, self._reads, self._writes, interrupted=stopped)


def _name(step: Step) -> str:
    part = f" ({step.part})" if step.part is not None else ""
    return f"{step.operation} of {step.address}{part}"


def _outcome(change: Change, endings: Sequence[Ending]) -> Outcome:
    """What became of a change, from its steps: all done, or the gravest of what was not."""
    if change.action is Action.MANUAL:
        return Outcome(change.address, change.action, OutcomeStatus.MANUAL, change.reason)
    for status in (OutcomeStatus.UNKNOWN, OutcomeStatus.FAILED, OutcomeStatus.SKIPPED):
        messages = [each.message for each in endings if each.status is status]
        if messages:
            done = any(each.status is OutcomeStatus.DONE for each in endings)
            partly = "in part done; " if done else ""
            return Outcome(change.address, change.action, status, partly + messages[0])
    notes = "; ".join(each.message for each in endings if each.message)
    return Outcome(change.address, change.action, OutcomeStatus.DONE, notes)
