"""What the enforcer remembers of a site, open to a person's command: in a file, or of a worker's lane."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # start-up stays instant
    from reconciler.ledger import Ledger
    from reconciler.manifests import Project
    from reconciler.model import Address
    from reconciler.runtime import Runtime


@contextmanager
def memories_of(site: Address, project: Project, runtime: Runtime) -> Iterator[Ledger]:
    """The ledger, for the memories of ``site``; where workers arm, none of them writes these meanwhile.

    The enforcement lock must be held. Raises LockedError where a worker has the site's lane for too long.
    """
    from reconciler.ledger import BranchStore, FileStore, lane_of
    from reconciler.runtime import store_of

    store = store_of(project, runtime)
    with store.open() as ledger:
        if isinstance(store, (FileStore, BranchStore)) or ledger.enforced() is None:
            yield ledger
            return
    from reconciler.fleet.own_lane import own_lane
    from reconciler.ledger.postgres_store import PostgresStore

    assert isinstance(store, PostgresStore)
    if runtime.notice is not None:
        runtime.notice(f"Waiting until no worker is at work in the lane of {lane_of(site)}.")
    with own_lane(store, lane_of(site), runtime) as ledger:
        yield ledger
