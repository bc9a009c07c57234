"""The flows of the product, composed: read, decide, plan, apply, verify, report. No logic of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.account import Account
from reconciler.engine import PATIENCE, Event, Unrecorded, execute, fetch_and_recover, touched, verify
from reconciler.errors import PlanError, ReconcilerError
from reconciler.intents import IntentDraft
from reconciler.kinds import REGISTRY
from reconciler.ledger import Confirmation, keep_moves, keep_secrets
from reconciler.manifests import Project
from reconciler.model import Action, Address, Change, Owned, Plan, Resource, Snapshot
from reconciler.observer import ObservedWriter
from reconciler.planning.confirmed import proved
from reconciler.planning.plan import plan
from reconciler.planning.renames import as_found, identified, moved, readdressed, spoken
from reconciler.planning.safety import Policy
from reconciler.planning.saved import as_planned_now, check_timely, check_unmoved, left_of, stale
from reconciler.planning.scope import EVERYTHING, Scope
from reconciler.writes import OutcomeStatus, Report


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked of a run beside the project: which resources, and which caution to lift.

    ``destroy``: plan as if nothing but the adopted were declared.
    """

    scope: Scope = EVERYTHING
    allow_deletes: int | None = None
    parallelism: int = 8
    destroy: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what it was made from. ``scope``: what was read for it.

    ``blocked``: why nothing may be sent for an address before an earlier write's outcome is known.
    ``read_at``: when the reading began.
    """

    plan: Plan
    desired: Sequence[Resource]
    snapshot: Snapshot
    owned: Mapping[Address, Owned]
    scope: Scope
    blocked: Mapping[Address, str]
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Applied:
    """The end of an apply: what was done, and what a new look finds left of the changes made.

    ``unverified``: why there was no new look; what was done is done all the same.
    """

    report: Report
    remaining: tuple[Change, ...]
    unverified: ReconcilerError | None = None


def make_plan(
    account: Account,
    options: Options,
    *,
    on_event: Callable[[Event], None],
    locked: bool = False,
    capped: bool = True,
) -> Planned:
    """Read the account and compare it with the manifests. Changes nothing in the account.

    ``locked``: this run holds the environment's lock, so what it finds of the writes of a broken-off run
    is recorded; without it, it counts for this plan only. ``capped``: the safety caps hold.
    """
    recorded: Mapping[Address, Owned] = account.ledger.owned()
    moves = moved(account.project.resources, recorded)
    owned = readdressed(recorded, moves.today)
    desired = identified(_desired(account, options), owned)
    prefix = account.project.settings.ownership.external_id_prefix
    read_at = account.runtime.clock()
    snapshot, recovery = fetch_and_recover(
        account.client,
        account.ledger if locked else Unrecorded(account.ledger),
        desired,
        owned,
        account.surfaces,
        options.scope,
        now=read_at,
        width=account.width(options.parallelism),
        owned_prefix=prefix,
        on_event=on_event,
        sleep=account.runtime.wait_for_lists,
    )
    if locked:
        for finding in recovery.found:
            on_event(finding)
    owned = recovery.owned
    desired = as_found(desired, snapshot)
    policy = _policy(account, options.allow_deletes)
    if not capped:
        policy = replace(policy, max_delete_percent=100.0, max_delete_count=10**9, max_update_percent=100.0)
    doubts = [f"{address}: {why}" for address, why in recovery.doubts.items()]
    warnings = [*spoken(moves, desired), *doubts]
    made = _plan(account, options, desired, snapshot, owned, policy, warnings)
    return Planned(made, desired, snapshot, owned, options.scope, recovery.blocked, read_at)


def check_saved_plan(project: Project, saved: Plan, now: datetime) -> None:
    """Refuse (StalePlanError) a saved plan that does not fit ``project`` or the clock, without an account."""
    check_timely(saved, project.digest, now, project.settings.plan_life)


def make_saved_plan(
    account: Account,
    saved: Plan,
    *,
    parallelism: int,
    on_event: Callable[[Event], None],
    begun: Collection[Address] = (),
) -> Planned:
    """``saved`` with a fresh look at what it touches. The environment's lock must be held.

    ``begun``: what the run that carries it out has sent something for already. Of that the result holds what
    is left; the caps were for the whole, and hold no more.

    Raises StalePlanError when it has expired, when the manifests differ from those it was made from,
    or when one of its changes is no longer what a plan would say; unrelated drift does not matter.
    """
    check_saved_plan(account.project, saved, account.runtime.clock())
    removed = saved.count(Action.DELETE) + saved.count(Action.REPLACE)
    options = Options(
        Scope(tuple(str(change.address) for change in saved.changes)), removed or None, parallelism
    )
    try:
        fresh = make_plan(account, options, on_event=on_event, locked=True, capped=not begun)
    except PlanError as exc:
        raise stale(exc) from exc
    left = left_of(saved, fresh.plan, begun)
    check_unmoved(left, fresh.plan)
    return replace(fresh, plan=as_planned_now(left, fresh.plan))


def apply_plan(
    account: Account,
    planned: Planned,
    options: Options,
    *,
    on_event: Callable[[Event], None],
    stop: threading.Event,
) -> Applied:
    """Carry out ``planned``, read again what it touched and plan again over that.

    The environment's lock must be held. Does not raise for changes that failed, nor
    where what was done cannot be read again: the result says so.
    """
    report = in_run(
        account,
        planned,
        options,
        lambda run: carry_out(account, planned, options, run, on_event=on_event, stop=stop),
    )
    return looked_at_again(account, planned, report, options, on_event=on_event, stop=stop)


def in_run(account: Account, planned: Planned, options: Options, work: Callable[[int], Report]) -> Report:
    """What ``work`` reports of the run it is given, which is in the journal from now until it ends.

    First the ledger takes over what the manifests call things, and what their secrets hold.
    """
    clock, ledger = account.runtime.clock, account.ledger
    command = "destroy" if options.destroy else "apply"
    run = ledger.begin_run(command, account.client.trace_id, planned.plan.config_digest, clock())
    result = "failed"
    try:
        keep_moves(ledger, account.project.resources)
        keep_secrets(ledger, account.secret_digests())
        ledger.announce(run, _creations(planned), clock())
        report = work(run)
        result = "interrupted" if report.interrupted else "done"
    finally:
        ledger.end_run(run, result, clock())
    return report


def carry_out(
    account: Account,
    planned: Planned,
    options: Options,
    run: int,
    *,
    on_event: Callable[[Event], None],
    stop: threading.Event,
) -> Report:
    """Make the changes of ``planned``, journalled under ``run``."""
    return execute(
        planned.plan,
        planned.desired,
        planned.snapshot,
        run=run,
        owned=planned.owned,
        blocked=planned.blocked,
        read_at=planned.read_at,
        surfaces=account.surfaces,
        writer=ObservedWriter(account.client, account.runtime.observer),
        reader=account.client,
        journal=account.ledger,
        secrets=account.secret,
        width=account.width(options.parallelism),
        clock=account.runtime.clock,
        on_event=on_event,
        stop=stop,
    )


def looked_at_again(
    account: Account,
    planned: Planned,
    report: Report,
    options: Options,
    *,
    on_event: Callable[[Event], None],
    stop: threading.Event,
) -> Applied:
    """``report`` with what a new look at what was done finds left to change, and the requests it all took."""
    clock, ledger = account.runtime.clock, account.ledger
    remaining: tuple[Change, ...] = ()
    unverified: ReconcilerError | None = None
    try:
        remaining = _remaining(account, planned, report, options, on_event)
        for pause in PATIENCE:
            if not remaining or stop.is_set():
                break
            stop.wait(pause)  # a list may lag behind what was written
            remaining = _remaining(account, planned, report, options, on_event)
    except ReconcilerError as exc:
        unverified = exc
    else:
        shown = proved(planned.plan.changes, report, remaining, ledger.owned())
        ledger.confirm([Confirmation(f"{u.method} {u.path}", u.grade, "", clock()) for u in shown])
    sent = account.client.requests
    return Applied(replace(report, reads=sent.reads, writes=sent.writes), remaining, unverified)


def _creations(planned: Planned) -> list[IntentDraft]:
    """What ``planned`` creates, by what it can be found by."""
    external_ids = {resource.address: resource.external_id for resource in planned.desired}
    return [
        IntentDraft(change.address, "create", None, "", external_id=external_ids.get(change.address))
        for change in planned.plan.changes
        if change.action in (Action.CREATE, Action.REPLACE)
    ]


def _remaining(
    account: Account,
    planned: Planned,
    report: Report,
    options: Options,
    on_event: Callable[[Event], None],
) -> tuple[Change, ...]:
    """What is still different of what was done; failures have been reported already."""
    done = {o.address for o in report.outcomes if o.status is OutcomeStatus.DONE}
    if not done:
        return ()
    owned = account.ledger.owned()
    snapshot = verify(
        account.client,
        touched(report, planned.snapshot),
        planned.desired,
        owned,
        account.surfaces,
        planned.snapshot,
        width=account.width(options.parallelism),
        doubtful=frozenset(intent.address for intent in account.ledger.unsettled()),
        on_event=on_event,
    )
    everything = Policy(100.0, 10**9, 100.0, None, account.project.environment.accept)
    scope = _applied(planned, done, {*owned, *snapshot.objects})
    if scope is None:
        return ()
    left = _plan(account, Options(scope), planned.desired, snapshot, owned, everything)
    return tuple(c for c in left.changes if c.address in done and c.action is not Action.MANUAL)


def _applied(planned: Planned, done: set[Address], present: set[Address]) -> Scope | None:
    """What may be planned again after a run that read only a part: of that part, what it has done.

    What is neither declared nor ``present`` is deleted, and cannot be named as a target any more; None
    where nothing else was done.
    """
    if planned.scope == EVERYTHING:
        return EVERYTHING
    named = done & (present | {resource.address for resource in planned.desired})
    return Scope(tuple(sorted(map(str, named))), planned.scope.excludes) if named else None


def _desired(account: Account, options: Options) -> Sequence[Resource]:
    """The manifests' resources; for a destroy only the adopted, which are never deleted."""
    resources = account.project.resources
    if options.destroy:
        return tuple(r for r in resources if REGISTRY[r.address.kind].adopted)
    return resources


def _plan(
    account: Account,
    options: Options,
    desired: Sequence[Resource],
    snapshot: Snapshot,
    owned: Mapping[Address, Owned],
    policy: Policy,
    warnings: Sequence[str] = (),
) -> Plan:
    project = account.project
    return plan(
        desired,
        snapshot,
        owned,
        surfaces=account.surfaces,
        policy=policy,
        scope=options.scope,
        secret_digests=account.secret_digests(),
        environment=project.environment.name,
        config_digest=project.digest,
        now=account.runtime.clock(),
        lifetime=project.settings.plan_life,
        project=str(project.directory),
        warnings=(*project.warnings, *account.warnings, *warnings),
        rate_per_minute=account.rate_per_minute,
    )


def _policy(account: Account, allow_deletes: int | None) -> Policy:
    settings = account.project.settings
    return Policy(
        max_delete_percent=settings.safety.max_delete_percent,
        max_delete_count=settings.safety.max_delete_count,
        max_update_percent=settings.safety.max_update_percent,
        allow_deletes=allow_deletes,
        accept=account.project.environment.accept,
        owned_prefix=settings.ownership.external_id_prefix,
    )
