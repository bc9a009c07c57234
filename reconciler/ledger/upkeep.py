"""What an apply brings up to date in the ledger before its first write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from reconciler.ledger.ledger import Ledger
from reconciler.model import AS_FOUND, Address, Resource
from reconciler.planning.renames import moved, readdressed


def keep_moves(ledger: Ledger, resources: Iterable[Resource]) -> None:
    """Write down that what was renamed goes by its name of today, as the manifests' ``resources`` say."""
    recorded = ledger.owned()
    moves = moved(resources, recorded)
    today = readdressed(recorded, moves.today)
    if moves.today:
        with ledger.transaction():
            for before in moves.today:
                ledger.forget(before)
            for now in moves.today.values():
                ledger.record(today[now])
            ledger.readdress_targets({b: now for b, now in moves.today.items() if b.kind == "site"})


def keep_secrets(ledger: Ledger, digests: Mapping[Address, Mapping[str, str]]) -> None:
    """Take what the manifests' secrets hold now, by address and field, for those taken over as found."""
    with ledger.transaction():
        for address, row in ledger.owned().items():
            known = digests.get(address, {})
            found = {
                name: known[name] for name, kept in row.secrets.items() if kept == AS_FOUND and name in known
            }
            if found:
                ledger.record(replace(row, secrets={**row.secrets, **found}))
