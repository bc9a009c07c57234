"""Which project workers arm by: put in force, replaced by the next, and ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.enforcer.session import enforcement_lock
from reconciler.fleet.bundle import Bundle
from reconciler.fleet.parts import parts_of
from reconciler.ledger import Ledger
from reconciler.manifests import Project
from reconciler.manifests.arming_model import check_model
from reconciler.runtime import Runtime

KEPT = timedelta(days=1)
"""How long a published project that nobody works with is kept."""


@dataclass(frozen=True, slots=True)
class Commissioned:
    """A project in force: how many lanes it has, and whether it is another than before."""

    lanes: int
    changed: bool


def commission(project: Project, bundle: Bundle, ledger: Ledger, runtime: Runtime) -> Commissioned:
    """Let workers arm by ``project``; each lane moves to it with its next round, which is due at once.

    Raises LockedError while one process enforces the environment, ConfigError for a site to arm that stands
    under no dealer, UnsupportedError where the partner's own system arms.
    """
    check_model(project, "chekt_triggered")
    lanes = list(parts_of(project))
    if ledger.enforced() == bundle.digest:
        return Commissioned(len(lanes), changed=False)
    with enforcement_lock(project, runtime, "enforce --fleet", with_fleet=True), ledger.transaction():
        now = runtime.clock()
        ledger.publish(bundle.digest, bundle.packed, now)
        ledger.enforce_from(bundle.digest, now)
        ledger.unpublish(now - KEPT)
        ledger.declare_lanes(lanes, now)
        ledger.wake_lanes(lanes, now)
    return Commissioned(len(lanes), changed=True)


def release(ledger: Ledger, now: datetime) -> bool:
    """Let no worker arm in the ledger's environment any more; whether any did."""
    if ledger.enforced() is None:
        return False
    with ledger.transaction():
        ledger.enforce_from(None, now)
        ledger.declare_lanes([], now)
    return True
