"""Does a saved plan still hold? What a person read and approved is what is done, or nothing is."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.errors import PlanError, Problem, StalePlanError
from reconciler.model import Action, Address, Change, Plan
from reconciler.times import spoken_utc

_READ_AGAIN = "Make a new plan and read it."


CLOCK_ERROR = timedelta(minutes=5)
"""How far the clocks of two machines may be apart: one that plans and one that applies."""


_REMOVING = (Action.DELETE, Action.REPLACE)


def check_timely(saved: Plan, config_digest: str, now: datetime, lifetime: timedelta) -> None:
    """Raise StalePlanError when ``saved`` has expired, is still to be made, or is of other manifests.

    ``config_digest`` and ``lifetime``: of the manifests as they are; a file cannot give itself more time.
    ``now``: aware. Nothing but the file and the manifests has to be looked at, so this comes before the
    account is opened: a file that names another project leads no credentials to the host of that one.
    """
    if saved.created_at > now + CLOCK_ERROR:
        raise StalePlanError(
            f"the plan says it was made at {spoken_utc(saved.created_at)}, which is still to come",
            hint="Set the clock of this machine, or make a new plan.",
        )
    expiry = min(saved.expires_at, saved.created_at + lifetime)
    if now >= expiry:
        raise StalePlanError(f"the plan expired at {spoken_utc(expiry)}", hint="Make a new plan.")
    if saved.config_digest != config_digest:
        raise StalePlanError("the manifests are not those the plan was made from", hint=_READ_AGAIN)


def check_unmoved(saved: Plan, fresh: Plan) -> None:
    """Raise StalePlanError, naming every change of ``saved`` that ``fresh`` does not make alike.

    ``fresh``: planned just now over the same addresses. What it holds besides does not matter.
    """
    if saved.surface != fresh.surface:
        raise StalePlanError(f"the plan was made for the {saved.surface} surface", hint=_READ_AGAIN)
    now = {change.address: change for change in fresh.changes}
    moved = [change for change in saved.changes if not _still_holds(change, now)]
    if moved:
        names = ", ".join(str(change.address) for change in moved)
        raise StalePlanError(
            f"the account has moved since the plan was made: {names}",
            hint=_READ_AGAIN,
            problems=[
                Problem(f"{change.address} is no longer as the plan found it", change.source)
                for change in moved
            ],
        )


def left_of(saved: Plan, fresh: Plan, begun: Container[Address]) -> Plan:
    """``saved`` as far as it is left to be done, by a run that has sent something for ``begun`` already.

    There the run itself has moved the account, so what is left is as ``fresh`` says, or done where that says
    nothing. Nobody agreed to remove what ``saved`` does not remove: such a change stays as ``saved`` has it,
    for ``check_unmoved`` to refuse.
    """
    now = {change.address: change for change in fresh.changes}
    left = []
    for change in saved.changes:
        rest = now.get(change.address) if change.address in begun else change
        if rest is not None:
            worse = rest.action in _REMOVING and change.action not in _REMOVING
            left.append(change if worse else rest)
    return replace(saved, changes=tuple(left))


def as_planned_now(saved: Plan, fresh: Plan) -> Plan:
    """The changes that ``saved`` names, all from ``fresh``: of the file nothing else is shown or done."""
    now = {change.address: change for change in fresh.changes}
    changes = tuple(now[change.address] for change in saved.changes)
    return replace(
        fresh,
        changes=changes,
        targets=saved.targets,
        excludes=saved.excludes,
        changed_since=saved.changed_since,
    )


def stale(refusal: PlanError) -> StalePlanError:
    """What a refused new plan says of the saved one: it was possible then and is not any more."""
    return StalePlanError(
        f"the account has moved since the plan was made: {refusal.message}",
        hint=_READ_AGAIN,
        problems=refusal.problems,
    )


def _still_holds(saved: Change, fresh: Mapping[Address, Change]) -> bool:
    change = fresh.get(saved.address)
    return change is not None and (saved.action, saved.precondition, saved.fields) == (
        change.action,
        change.precondition,
        change.fields,
    )
