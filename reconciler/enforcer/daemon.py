"""The enforcer as a service: sleeps to the exact instants, follows the manifests, tells people."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from reconciler.alerting.senders import receivers
from reconciler.arming.project import TargetKey
from reconciler.enforcer.alerts import MANIFESTS_BROKEN, Alerts
from reconciler.enforcer.attention import Attention
from reconciler.enforcer.clock import Clock, StepDetector, wait_until
from reconciler.enforcer.feed import Feed
from reconciler.enforcer.metrics import heartbeat_text, metrics_text
from reconciler.enforcer.outage import Outages
from reconciler.enforcer.report import command_line
from reconciler.enforcer.session import Session, open_session
from reconciler.enforcer.tick import Sight, Tick, tick
from reconciler.errors import ReconcilerError
from reconciler.files import write_whole
from reconciler.manifests import Project
from reconciler.manifests.arming_model import check_model
from reconciler.planning.scope import Scope
from reconciler.runtime import Runtime

RELOAD_EVERY = timedelta(seconds=10)
HEARTBEAT_EVERY = timedelta(seconds=15)
METRICS_EVERY = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Files:
    """Where the daemon tells monitoring how it is; None: it does not."""

    heartbeat: Path | None = None
    metrics: Path | None = None


@dataclass(slots=True)
class Manifests:
    """The manifests on disk. ``load`` reads them, ``fingerprint`` is cheap and differs when they may."""

    load: Callable[[], Project]
    fingerprint: Callable[[], str]
    project: Project
    problem: str | None = None
    _seen: str = field(init=False)

    def __post_init__(self) -> None:
        self._seen = self.fingerprint()

    def changed(self) -> bool:
        """Whether there is a new good project. The last good one stays when the new one is broken."""
        now = self.fingerprint()
        if now == self._seen:
            return False
        self._seen = now
        try:
            project = self.load()
            check_model(project, "chekt_triggered")
        except ReconcilerError as exc:
            self.problem = exc.message
            return False
        self.problem = None
        self.project = project
        return True


def fingerprint(directory: Path) -> str:
    """Names, sizes and times of change of the files below ``directory``; hidden ones are left out."""
    rows: list[str] = []
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        rows += [_row(Path(folder) / name) for name in sorted(files) if not name.startswith(".")]
    return "\n".join(rows)


def _row(path: Path) -> str:
    try:
        known = path.stat()
    except OSError:
        return f"{path} gone"
    return f"{path} {known.st_size} {known.st_mtime_ns} {known.st_ino}"


def daemon(
    manifests: Manifests,
    runtime: Runtime,
    scope: Scope,
    clock: Clock,
    files: Files,
    note: Callable[[str], None],
    feed: Feed | None = None,
) -> None:
    """Enforce until ``clock.stopped``. The enforcement lock must be held. ``note`` takes log lines.

    ``feed``: what is heard from outside, None for nothing; its ``wake`` has to end ``clock.wait``.

    New manifests are taken up as they come; broken ones are told and the last good ones stay in force.
    Raises what opening the account raises the first time; later the daemon stays with what it has.
    """
    current, good = manifests.project, None
    heard, outages = feed or Feed(), Outages()
    while not clock.stopped:
        try:
            with open_session(current, runtime, scope) as session:
                loop = _Loop(session, manifests, runtime, clock, files, note, heard, outages)
                good = current
                loop.run()
            current = manifests.project
        except ReconcilerError as exc:
            if good is None or good is current:
                raise
            note(f"The new manifests cannot be used, the last good ones stay in force: {exc.message}")
            manifests.problem = exc.message
            current = manifests.project = good


class _Loop:
    """The rounds on one project, until it is replaced or the daemon stops."""

    def __init__(
        self,
        session: Session,
        manifests: Manifests,
        runtime: Runtime,
        clock: Clock,
        files: Files,
        note: Callable[[str], None],
        feed: Feed,
        outages: Outages,
    ) -> None:
        self._session = session
        self._manifests = manifests
        self._clock = clock
        self._files = files
        self._note = note
        self._feed = feed
        self._outages = outages
        outages.keep(target.key for target in session.watch.targets)
        self._attention = Attention(
            feed, session.watch, session.port.places, session.account.rate_per_minute, clock.now(), note
        )
        self._sights: dict[TargetKey, Sight] = {}
        ledger = session.account.ledger
        self._alerts = Alerts(ledger, receivers(session.account.project, runtime))
        for sentence in self._alerts.heed_others(session.scheduled, clock.now()):
            note(sentence)
        self._teller = ThreadPoolExecutor(1, thread_name_prefix="alerts")
        self._telling: Future[list[str]] | None = None
        self._after: dict[str, datetime] = {}

    def run(self) -> None:
        watch = self._session.watch
        steps = StepDetector(self._clock)
        self._note(f"Enforcing {len(watch.targets)} targets.")
        try:
            while not self._clock.stopped:
                moved = steps.step()
                if moved is not None:
                    self._note(
                        f"The clock moved by {moved.total_seconds():+.1f} s; everything is looked at anew."
                    )
                    self._after.clear()
                    watch.review_all(self._clock.now())
                done = self._round()
                self._hear(done)
                if self._reload():
                    return
                self._write(done.next_at)
                looks = [at for at in (done.next_at, self._attention.next_at) if at is not None]
                if looks:
                    wait_until(self._clock, min(looks))
                else:
                    self._clock.wait(RELOAD_EVERY.total_seconds() / 2)
        finally:
            self._teller.shutdown(wait=True)
            self._after.clear()
            self._write(None)

    def _round(self) -> Tick:
        """Look where it is due, or where something is said to have changed."""
        session, now = self._session, self._clock.now()
        self._attention.plan(now)
        done = tick(session.watch, now, session.port, session.journal, heard=self._attention.heard)
        self._attention.settle({sight.target.key: sight.seen for sight in done.sights}, now)
        return done

    def _hear(self, done: Tick) -> None:
        """Log what was done, and tell people of troubles while the loop goes on."""
        for row in done.records:
            self._note(command_line(row))
        now = self._clock.now()
        failing = self._outages.heed(done.sights, self._session.watch, now)
        if failing is not None:
            self._note(failing)
        if done.sights:
            self._sights.update({sight.target.key: sight for sight in done.sights})
            self._alerts.heed(done.sights, now)
        problem = self._manifests.problem
        if self._due("run", now, RELOAD_EVERY):
            found: Mapping[str, str] = {} if problem is None else {MANIFESTS_BROKEN: problem}
            self._alerts.heed_run(found, now)
        if self._telling is not None and self._telling.done():
            for failure in self._telling.result():
                self._note(failure)
            self._telling = None
        if self._telling is None and self._due("tell", now, timedelta(seconds=1)):
            self._telling = self._teller.submit(self._alerts.tell)

    def _reload(self) -> bool:
        """Whether new manifests are to be taken up."""
        if not self._due("reload", self._clock.now(), RELOAD_EVERY):
            return False
        before = self._manifests.problem
        changed = self._manifests.changed()
        problem = self._manifests.problem
        if problem is not None and problem != before:
            self._note(f"The manifests are broken, the last good ones stay in force: {problem}")
            self._after.pop("run", None)
        if changed:
            self._note("The manifests have changed.")
        return changed

    def _write(self, next_at: datetime | None) -> None:
        now = self._clock.now()
        watch, ledger = self._session.watch, self._session.account.ledger
        try:
            if self._files.heartbeat is not None and self._due("heartbeat", now, HEARTBEAT_EVERY):
                write_whole(
                    self._files.heartbeat, heartbeat_text(now, len(watch.targets), next_at, os.getpid())
                )
            if self._files.metrics is not None and self._due("metrics", now, METRICS_EVERY):
                events = self._feed.counts()
                write_whole(self._files.metrics, metrics_text(watch, self._sights, ledger, now, events))
        except ReconcilerError as exc:
            self._note(exc.message)

    def _due(self, what: str, now: datetime, every: timedelta) -> bool:
        """Whether ``what`` was last done at least ``every`` ago; counts it as done if so."""
        if now < self._after.get(what, now):
            return False
        self._after[what] = now + every
        return True
