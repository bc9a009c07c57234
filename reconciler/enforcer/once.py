"""One run for cron: every target is seen to, and transitions inside the horizon are met to the instant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.arming.project import TargetKey
from reconciler.enforcer import pace
from reconciler.enforcer.clock import Clock, StepDetector, wait_until
from reconciler.enforcer.port import ArmingPort, Journal
from reconciler.enforcer.tick import Sight, Tick, tick
from reconciler.enforcer.watch import Watch
from reconciler.ledger import CommandRecord

OVERLAP = timedelta(seconds=5)
"""A run that ends closer than this to the end of its horizon may have turned the next one away."""


@dataclass(slots=True)
class Run:
    """What a run did: the last sight of every target, and what went to the record, in order."""

    started_at: datetime
    ended_at: datetime
    sights: dict[TargetKey, Sight] = field(default_factory=dict)
    records: list[CommandRecord] = field(default_factory=list)


def once(
    watch: Watch,
    port: ArmingPort,
    journal: Journal,
    clock: Clock,
    horizon: timedelta,
    *,
    send: bool = True,
    heard: Callable[[Tick], None] = lambda _tick: None,
) -> Run:
    """See to every target, stay for the transitions that come within ``horizon``, and for what is under way.

    A run that is still busy when its horizon ends takes on the next one: the run that cron started
    meanwhile has been turned away. ``send`` False (a dry run) judges every target once and stays for
    nothing. ``heard`` gets every round.
    """
    start = clock.now()
    run = Run(start, start)
    deadline = patience = start + horizon
    steps = StepDetector(clock)
    while not clock.stopped:
        if steps.step() is not None:
            watch.review_all(clock.now())
        done = tick(watch, clock.now(), port, journal, send=send)
        run.sights.update({sight.target.key: sight for sight in done.sights})
        run.records += done.records
        heard(done)
        now = clock.now()
        if done.next_at is not None and done.next_at <= now:
            continue
        if not send:
            break
        if now > deadline - OVERLAP and horizon > OVERLAP:
            deadline += horizon
        awaited = _awaited(watch, deadline, patience)
        if awaited is None:
            break
        wait_until(clock, awaited)
    run.ended_at = clock.now()
    return run


def _awaited(watch: Watch, deadline: datetime, patience: datetime) -> datetime | None:
    """What to stay for: transitions up to ``deadline``, troubles up to ``patience``, sent commands.

    Troubles do not keep a run beyond its own horizon: the next run of cron takes them up.
    """
    found = (
        (watch.transition_at(), deadline),
        (watch.trouble_at(), patience),
        (watch.confirming_at(), deadline + pace.CONFIRM_WITHIN),
    )
    return min((at for at, limit in found if at is not None and at <= limit), default=None)
