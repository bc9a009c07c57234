"""An apply whose lanes are carried out by workers: what is handed out, done in a lane, and put together.

The plan is made once, by the command, and agreed to there. What concerns no single dealer stays with the
command; each lane gets its part as a saved plan, so that a worker looks at the account again before it
changes anything, and does what was agreed to or nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict

from reconciler.account import Account
from reconciler.engine import Event
from reconciler.errors import LedgerError, ReconcilerError
from reconciler.fleet.parts import lane_of_change
from reconciler.model import Action, Address, Change, Plan
from reconciler.render.json import from_json, to_json
from reconciler.workflows import Applied, Options, carry_out, looked_at_again, make_saved_plan
from reconciler.writes import Outcome, OutcomeStatus, Report


@dataclass(frozen=True, slots=True)
class Parts:
    """A plan taken apart: the changes the command makes itself, and those of each lane."""

    account: Plan
    lanes: Mapping[str, Plan]


def parted(plan: Plan) -> Parts:
    """``plan`` by who carries it out. Within each part the order stays.

    Nothing that is written in a lane waits for a write of the account's part: dealers are only ever
    adopted, and what names a schedule names it for us, not for CHeKT.
    """
    lanes: dict[str, list[Change]] = {}
    rest: list[Change] = []
    for change in plan.changes:
        lane = _lane(change)
        if lane is None:
            rest.append(change)
        else:
            lanes.setdefault(lane, []).append(change)
    return Parts(
        replace(plan, changes=tuple(rest)),
        {name: _saved(plan, found) for name, found in sorted(lanes.items())},
    )


def _lane(change: Change) -> str | None:
    """The lane of ``change``; None where it writes to no object of a dealer."""
    bare = change.action is Action.ADOPT and not change.applied_fields()
    if bare or change.action is Action.MANUAL:
        return None
    return lane_of_change(change.address)


def _saved(plan: Plan, changes: Sequence[Change]) -> Plan:
    """The part of ``plan`` that makes ``changes``; nothing else of it is looked at."""
    return replace(
        plan,
        changes=tuple(changes),
        unmanaged=(),
        warnings=(),
        targets=tuple(str(change.address) for change in changes),
        excludes=(),
        changed_since=None,
        weeks=(),
    )


def task_of(plan: Plan) -> str:
    """The part of a lane, for the ledger."""
    return to_json(plan)


def apply_lane(
    account: Account,
    task: str,
    run: int,
    parallelism: int,
    *,
    on_event: Callable[[Event], None],
    stop: threading.Event,
) -> Applied:
    """Carry out ``task`` under ``run``, or what an earlier worker has left of it.

    Raises LedgerError, LeaseLostError above all; whatever else hinders the lane is told as its outcome.
    """
    saved = from_json(task)
    addresses = frozenset(change.address for change in saved.changes)
    options = Options(parallelism=parallelism)
    try:
        planned = make_saved_plan(
            account,
            saved,
            parallelism=parallelism,
            on_event=on_event,
            begun=account.ledger.begun(run) & addresses,
        )
        report = carry_out(account, planned, options, run, on_event=on_event, stop=stop)
    except LedgerError:
        raise
    except ReconcilerError as exc:
        return _hindered(saved, exc.message)
    applied = looked_at_again(account, planned, report, options, on_event=on_event, stop=stop)
    return replace(applied, report=_with_earlier(saved, applied.report))


def _with_earlier(saved: Plan, report: Report) -> Report:
    """``report`` with what an earlier worker had done already, in the order of ``saved``."""
    told = {outcome.address: outcome for outcome in report.outcomes}
    outcomes = (
        told.get(change.address) or Outcome(change.address, change.action, OutcomeStatus.DONE)
        for change in saved.changes
    )
    return replace(report, outcomes=tuple(outcomes))


def hindered(task: str, why: str) -> Applied:
    """The end of a lane that could not be begun with."""
    return _hindered(from_json(task), why)


def _hindered(saved: Plan, why: str) -> Applied:
    reason = f"its lane was stopped: {why}"
    outcomes = (Outcome(each.address, each.action, OutcomeStatus.FAILED, reason) for each in saved.changes)
    return Applied(Report(tuple(outcomes)), ())


def not_begun(plan: Plan, why: str) -> Applied:
    """The part of a lane that no worker has ended: nobody can tell here what of it was done."""
    outcomes = (Outcome(each.address, each.action, OutcomeStatus.SKIPPED, why) for each in plan.changes)
    return Applied(Report(tuple(outcomes), interrupted=True), ())


def together(plan: Plan, parts: Iterable[Applied]) -> Applied:
    """The end of the whole apply, in the order of ``plan``."""
    found = list(parts)
    told = {outcome.address: outcome for part in found for outcome in part.report.outcomes}
    report = Report(
        tuple(told[change.address] for change in plan.changes),
        sum(part.report.reads for part in found),
        sum(part.report.writes for part in found),
        interrupted=any(part.report.interrupted for part in found),
    )
    remaining = tuple(change for part in found for change in part.remaining)
    unverified = next((part.unverified for part in found if part.unverified is not None), None)
    return Applied(report, remaining, unverified)


class _Outcome(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str
    action: Action
    status: OutcomeStatus
    message: str


class _Result(BaseModel):
    """What a worker writes down of its lane."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcomes: list[_Outcome]
    remaining: list[tuple[str, Action]]
    unverified: tuple[str, str] | None
    reads: int
    writes: int
    interrupted: bool


def result_text(applied: Applied) -> str:
    """``applied`` for the ledger."""
    report, error = applied.report, applied.unverified
    return _Result(
        outcomes=[
            _Outcome(address=str(each.address), action=each.action, status=each.status, message=each.message)
            for each in report.outcomes
        ],
        remaining=[(str(change.address), change.action) for change in applied.remaining],
        unverified=None if error is None else (error.message, error.hint),
        reads=report.reads,
        writes=report.writes,
        interrupted=report.interrupted,
    ).model_dump_json()


def result_of(text: str) -> Applied:
    """What ``result_text`` has written."""
    result = _Result.model_validate_json(text)
    outcomes = (
        Outcome(Address.parse(each.address), each.action, each.status, each.message)
        for each in result.outcomes
    )
    report = Report(tuple(outcomes), result.reads, result.writes, interrupted=result.interrupted)
    remaining = tuple(Change(Address.parse(address), action) for address, action in result.remaining)
    error = None
    if result.unverified is not None:
        message, hint = result.unverified
        error = ReconcilerError(message, hint=hint)
    return Applied(report, remaining, error)
