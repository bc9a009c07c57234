"""A person's word that a manual change was made in the portal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reconciler.account import Account
from reconciler.engine import Event
from reconciler.errors import PlanError
from reconciler.kinds import REGISTRY
from reconciler.model import Action, Address, Change, Owned, SecretRef
from reconciler.planning.scope import Scope
from reconciler.workflows import Options, make_plan


def attest(account: Account, address: Address, *, on_event: Callable[[Event], None]) -> Change:
    """Record that a person made the manual change at ``address``, and return that change.

    The environment's lock must be held. Raises PlanError when no manual change is pending there.
    """
    options = Options(Scope((str(address),)))
    planned = make_plan(account, options, on_event=on_event, locked=True)
    change = next((c for c in planned.plan.changes if c.address == address), None)
    if change is None or change.action is not Action.MANUAL:
        what = "nothing is pending there" if change is None else f"its change is a {change.action}"
        raise PlanError(
            f"{address} has no manual change to attest: {what}",
            address=address,
            hint="`reconciler plan` marks what only a person can do with `!`.",
        )
    if account.surfaces.binding(address.kind) is not None:
        raise PlanError(
            f"{address} is read from the account, so there is nothing to attest",
            address=address,
            hint="Make the change in the portal; the next plan sees it.",
        )
    resource = next((r for r in planned.desired if r.address == address), None)
    if resource is None:
        account.ledger.forget(address)
        return change
    managed = [name for name in REGISTRY[address.kind].managed if name in resource.fields]
    digests = account.secret_digests().get(address, {})
    row = planned.owned.get(address) or Owned(address, None, resource.external_id)
    account.ledger.record(replace(row, protect=resource.lifecycle.protect, secrets=digests))
    account.ledger.attest(
        address,
        {name: value for name in managed if not isinstance(value := resource.fields[name], SecretRef)},
    )
    return change
