"""A person's word on a write whose outcome nobody could prove."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from reconciler.errors import LedgerError
from reconciler.intents import Intent
from reconciler.ledger import Ledger
from reconciler.model import Address, Owned, Resource
from reconciler.planning.order import made_first
from reconciler.planning.ownership import outgoing
from reconciler.planning.scope import collection_of


def resolve(
    resources: Sequence[Resource],
    ledger: Ledger,
    address: Address,
    *,
    happened: bool,
    remote_id: str | None,
    by: str,
    now: datetime,
) -> Sequence[Intent]:
    """Settle the unsettled writes of ``address``: all of them happened, or none did. Returns them.

    ``resources``: what the manifests declare; they say whether what was created is protected.

    What happened counts for ownership as if the answer had come: what was created (``remote_id``: CHeKT's
    id of it) is owned, what was deleted is not. ``by`` is kept with the word for good. The environment's
    lock must be held. Raises LedgerError where nothing is unsettled, and where it is not known which
    object a create made.
    """
    intents = [_identified(intent, remote_id, happened=happened) for intent in _unsettled(ledger, address)]
    if remote_id is not None:
        _check_id(ledger, address, remote_id, intents, happened=happened)
    protect = any(each.lifecycle.protect for each in resources if each.address == address)
    with ledger.transaction():
        for intent in intents:
            ledger.resolve(intent, intent.remote_id, happened=happened, resolved_by=by, now=now)
            if happened and intent.operation == "create":
                _keep_outgoing(ledger, intent)
                ledger.record(Owned(address, intent.remote_id, intent.external_id, protect=protect))
            if happened and intent.operation == "delete":
                _forget(ledger, intent)
    return intents


def _unsettled(ledger: Ledger, address: Address) -> Sequence[Intent]:
    found = ledger.unsettled(address)
    if found:
        return found
    known = sorted({str(intent.address) for intent in ledger.unsettled()})
    near = difflib.get_close_matches(str(address), known, n=3, cutoff=0.5)
    hint = (
        f"Did you mean {' or '.join(near)}?"
        if near
        else "`reconciler ledger show --open` lists what is open."
    )
    raise LedgerError(f"no write of {address} is without a known outcome", hint=hint, address=address)


def _identified(intent: Intent, remote_id: str | None, *, happened: bool) -> Intent:
    """``intent`` with the id of what it made. Raises LedgerError where that is not known."""
    if intent.operation != "create" or not happened:
        return intent
    known = remote_id or intent.remote_id
    if known is None:
        raise LedgerError(
            f"the create of {intent.address} happened, but which object it made is not known"
            + (f": {intent.seen}" if intent.seen else ""),
            hint="Find CHeKT's id of it in the portal and add --id ID.",
            address=intent.address,
        )
    return replace(intent, remote_id=known)


def _check_id(
    ledger: Ledger, address: Address, remote_id: str, intents: Sequence[Intent], *, happened: bool
) -> None:
    """Raise LedgerError for an id that makes no sense, or is another resource's."""
    if not happened or all(intent.operation != "create" for intent in intents):
        raise LedgerError(
            f"--id {remote_id} says which object a create made, and no create of {address} is said to have "
            "happened",
            hint="Leave --id out.",
            address=address,
        )
    for row in ledger.owned().values():
        beside = row.address != address and collection_of(row.address) == collection_of(address)
        if beside and row.remote_id == remote_id:
            raise LedgerError(
                f"the object {remote_id} is {row.address} already",
                hint="Compare the ids in the portal.",
                address=address,
            )


def _keep_outgoing(ledger: Ledger, intent: Intent) -> None:
    """Go on owning, until its delete, the object that what ``intent`` made is to replace."""
    row = ledger.owned().get(intent.address)
    replaces = row is not None and row.remote_id not in (None, intent.remote_id)
    if row is not None and row.remote_id is not None and replaces and made_first(intent.address.kind):
        ledger.record(replace(row, address=outgoing(intent.address, row.remote_id)))


def _forget(ledger: Ledger, intent: Intent) -> None:
    """Own no longer what ``intent`` deleted; a row about another object stays."""
    row = ledger.owned().get(intent.address)
    if row is not None and row.remote_id == intent.remote_id:
        ledger.forget(intent.address)
