"""What a run brings up to date in the ledger before its first read or write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from reconciler.errors import LockedError
from reconciler.ledger.ledger import Ledger
from reconciler.model import AS_FOUND, Address, Resource
from reconciler.planning.renames import moved, readdressed

_LANES_LOOK = 0.5
LANES_STOP = 90.0
"""Seconds that a worker may need for its writes in flight: a request's time-outs, and a look at the end."""


def take_lanes_back(ledger: Ledger, sleep: Callable[[float], object]) -> None:
    """End the runs whose commands died before their lanes were done; the environment's lock must be held.

    From then on no worker writes for them. Those that are at it finish the writes in flight, which is waited
    for, so that what is read after this is what they leave. Raises LockedError where they do not.
    """
    runs = [handout.run for handout in ledger.open_handouts()]
    for run in runs:
        ledger.close_handout(run)
    waited = 0.0
    while runs and (workers := {name for run in runs for name in ledger.still_at_work(run)}):
        if waited >= LANES_STOP:
            raise LockedError(
                f"workers are still busy with lanes of a run that ended: {', '.join(sorted(workers))}",
                hint="Run the command again when they have stopped; `reconciler fleet status` shows them.",
            )
        sleep(_LANES_LOOK)
        waited += _LANES_LOOK


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
