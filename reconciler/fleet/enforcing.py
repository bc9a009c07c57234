"""One lane enforced by one worker, under its lease: the rounds of ``enforce --once``, on a dealer's sites."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciler.alerting.senders import receivers
from reconciler.enforcer.alerts import Alerts
from reconciler.enforcer.clock import Clock
from reconciler.enforcer.once import Run, once
from reconciler.enforcer.session import open_session
from reconciler.enforcer.tick import Tick
from reconciler.fleet.agenda import Agenda
from reconciler.fleet.leases import LaneLease
from reconciler.ledger import Store
from reconciler.manifests import Project
from reconciler.planning.scope import EVERYTHING
from reconciler.runtime import Runtime

HORIZON = timedelta(minutes=1)
"""How far ahead a lane stays for its transitions before it is given back: longer than ``agenda.LEAD``."""


TELLING = timedelta(minutes=1)
"""People are told only where nothing changes for so long: a receiver that is slow must not hold up a lane."""


@dataclass(frozen=True, slots=True)
class Enforced:
    """What was done in a lane. ``next_at``: when it is next to be taken up. ``told``: what people heard."""

    run: Run
    next_at: datetime | None
    told: tuple[str, ...]


def enforce_lane(
    part: Project,
    lease: LaneLease,
    runtime: Runtime,
    store: Store,
    clock: Clock,
    *,
    horizon: timedelta = HORIZON,
    heard: Callable[[Tick], None] = lambda _: None,
) -> Enforced:
    """Look at what is due in the lane, stay for the transitions within ``horizon``, and say when to go on.

    ``part``: the project of this lane (``parts_of``); ``store``: its ledger, fenced by ``lease`` and narrowed
    to the lane. Before anything is sent the lease is asked, and what is wanted is decided anew.

    Raises LeaseLostError where another worker has the lane or may have it, and what ``open_session`` raises;
    what was due stays due then.
    """
    held = replace(runtime, permit=lease.check, stores={(part.directory, part.environment.name): store})
    with open_session(part, held, EVERYTHING, resumes=True) as session:
        ledger, watch = session.account.ledger, session.watch
        agenda = Agenda(ledger, lease.hold, watch.targets)
        start = clock.now()
        targets = {target.key: target for target in watch.targets}
        for key, at in agenda.begin(start, start + horizon).items():
            if key in targets:
                watch.look_by(targets[key], max(at, start))

        def listen(done: Tick) -> None:
            agenda.heard(done)
            heard(done)

        run = once(watch, session.port, session.journal, clock, horizon, heard=listen)
        alerts = Alerts(ledger, receivers(part, held))
        told = alerts.heed_others(session.scheduled, run.ended_at)
        alerts.heed(run.sights.values(), run.ended_at)
        next_at = agenda.end(watch, run.ended_at)
        change = watch.transition_at()
        if change is None or change - run.ended_at > TELLING:
            told += alerts.tell()
        return Enforced(run, next_at, tuple(told))
