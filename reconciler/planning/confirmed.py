"""Which write endpoints an apply has proved: what they wrote was read again, field by field."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from reconciler.model import Action, Address, Change, EndpointUse, Owned
from reconciler.writes import OutcomeStatus, Report


def proved(
    changes: Collection[Change],
    report: Report,
    remaining: Collection[Change],
    owned: Mapping[Address, Owned],
) -> frozenset[EndpointUse]:
    """The endpoints of those ``changes`` that were made and then read again as they were meant.

    An outcome with a message does not count: its end was told by a look at the account, and what was gone
    already counts as deleted, whatever the endpoint answered.

    ``remaining``: what a plan over the account as it is now still wants of them. ``owned``: after the run.
    A change proves nothing where the server stored another value than was sent, or nothing that can be read.
    """
    left = {change.address for change in remaining}
    done = {
        outcome.address
        for outcome in report.outcomes
        if outcome.status is OutcomeStatus.DONE and not outcome.message and outcome.address not in left
    }
    return frozenset(
        use
        for change in changes
        if change.address in done and _readable(change) and not _replaced(owned.get(change.address))
        for use in change.endpoints
    )


def _readable(change: Change) -> bool:
    """Whether reading shows that the change was made; a secret alone never shows."""
    written = change.applied_fields()
    return change.action not in (Action.UPDATE, Action.ADOPT) or any(not each.secret for each in written)


def _replaced(row: Owned | None) -> bool:
    return row is not None and bool(row.replaced)
