"""What a run of ``enforce --once`` tells besides its report: alerts to people, figures to monitoring."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from reconciler.cli.console import Console, error_text
from reconciler.errors import LockedError, ManifestError, ReconcilerError

if TYPE_CHECKING:  # start-up stays instant
    from reconciler.cli import options
    from reconciler.cli.enforce import Asked
    from reconciler.enforcer.once import Run
    from reconciler.enforcer.session import Session


def tell(console: Console, session: Session, done: Run, asked: Asked) -> bool:
    """Alerts to people, figures to monitoring. False where that failed: the run's own report still comes."""
    try:
        _alert(console, session, done)
        _write_files(session, done, asked)
    except ReconcilerError as exc:
        console.note(error_text(exc))
        return False
    return True


def _alert(console: Console, session: Session, done: Run) -> None:
    from reconciler.alerting.senders import receivers
    from reconciler.enforcer.alerts import Alerts

    account = session.account
    alerts = Alerts(account.ledger, receivers(account.project, account.runtime))
    console.warn(alerts.heed_others(session.scheduled, done.ended_at))
    alerts.heed(done.sights.values(), done.ended_at)
    alerts.heed_run({}, done.ended_at)
    for failure in alerts.tell():
        console.note(failure)


def _write_files(session: Session, done: Run, asked: Asked) -> None:
    from reconciler.enforcer.metrics import heartbeat_text, metrics_text
    from reconciler.files import write_whole

    account, watch = session.account, session.watch
    if asked.metrics is not None:
        write_whole(asked.metrics, metrics_text(watch, done.sights, account.ledger, done.ended_at))
    if asked.heartbeat is not None:
        beat = heartbeat_text(done.ended_at, len(watch.targets), watch.transition_at(), os.getpid())
        write_whole(asked.heartbeat, beat)


def tell_broken(console: Console, reading: options.Reading, broken: ManifestError) -> None:
    """Tell people that nothing is armed any more, since the manifests cannot be used.

    A daemon at work tells that itself. Nobody can be told where reconciler.yaml is broken too.
    """
    from reconciler.alerting.senders import receivers
    from reconciler.enforcer.alerts import MANIFESTS_BROKEN, Alerts
    from reconciler.enforcer.session import enforcement_lock
    from reconciler.runtime import store_of

    try:
        project, runtime = reading.settings_alone(), console.runtime()
        with (
            enforcement_lock(project, runtime, "enforce --once"),
            store_of(project, runtime).open() as book,
        ):
            alerts = Alerts(book, receivers(project, runtime))
            alerts.heed_run({MANIFESTS_BROKEN: broken.message}, runtime.clock())
            for failure in alerts.tell():
                console.note(failure)
    except LockedError:
        return
    except ReconcilerError as exc:
        console.note(error_text(exc))
