"""Does a saved plan still hold? What a person read and approved is what is done, or nothing is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from reconciler.errors import PlanError, Problem, StalePlanError
from reconciler.model import Address, Change, Plan

_READ_AGAIN = "Make a new plan and read it."


def check_timely(saved: Plan, config_digest: str, now: datetime) -> None:
    """Raise StalePlanError when ``saved`` has expired, or was made from other manifests.

    ``config_digest``: of the manifests as they are. ``now``: aware.
    """
    if now >= saved.expires_at:
        raise StalePlanError(
            f"the plan expired at {saved.expires_at:%Y-%m-%d %H:%M:%S} UTC", hint="Make a new plan."
        )
    if saved.config_digest != config_digest:
        raise StalePlanError("the manifests are not those the plan was made from", hint=_READ_AGAIN)


def check_unmoved(saved: Plan, fresh: Plan) -> None:
    """Raise StalePlanError, naming every change of ``saved`` that ``fresh`` does not make alike.

    ``fresh``: planned just now over the same addresses. What it holds besides does not matter.
    """
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
