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
    deadline = start + horizon
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
        awaited = _awaited(watch, deadline)
        if awaited is None:
            break
        wait_until(clock, awaited)
    run.ended_at = clock.now()
    return run


def _awaited(watch: Watch, deadline: datetime) -> datetime | None:
    """What to stay for: transitions and troubles up to ``deadline``, and commands until they show."""
    pressing = watch.pressing_at()
    confirming = watch.confirming_at()
    found = [at for at in (pressing,) if at is not None and at <= deadline]
    found += [at for at in (confirming,) if at is not None and at <= deadline + pace.CONFIRM_WITHIN]
    return min(found, default=None)
