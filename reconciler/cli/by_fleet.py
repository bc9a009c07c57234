"""How a command with ``--fleet`` publishes its project, hands its lanes out and shows how far they are."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from reconciler.cli.options import Reading, parse_variables
from reconciler.errors import ConfigError
from reconciler.escape import visible
from reconciler.fleet.bundle import Bundle, bundle
from reconciler.fleet.commissioning import KEPT
from reconciler.fleet.following import Sight, apply_by_fleet
from reconciler.fleet.queue import Queue
from reconciler.fleet.status import workers_text
from reconciler.ledger.fleet import AssignmentStatus
from reconciler.ledger.postgres_store import PostgresStore

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from reconciler.account import Account
    from reconciler.cli.apply import Carry
    from reconciler.cli.console import Console
    from reconciler.cli.progress import Progress
    from reconciler.manifests import Project
    from reconciler.runtime import Runtime
    from reconciler.workflows import Applied, Options, Planned

_PATIENCE = 3.0
"""Seconds without any worker after which a person is told."""

_SHOWN = 8
"""Lanes with a bar of their own."""


def publishable(reading: Reading, directory: Path, environment: str | None) -> tuple[Project, Bundle]:
    """The project in ``directory``, and what of it workers are given."""
    return bundle(
        directory,
        env=os.environ,
        environment=environment or reading.environment,
        variables=parse_variables(reading.variables),
        allow_empty=reading.allow_empty,
    )


def fleet_store(project: Project, runtime: Runtime) -> PostgresStore:
    """The ledger that a fleet can share. Raises ConfigError for one that it cannot."""
    from reconciler.runtime import store_of

    store = store_of(project, runtime)
    if not isinstance(store, PostgresStore):
        raise ConfigError(
            "the ledger of this project is of this machine alone, so workers cannot share it",
            hint="Set ledger: postgresql://HOST/DATABASE in reconciler.yaml, or leave out --fleet.",
        )
    return store


def by_fleet(
    console: Console, reading: Reading, directory: Path, environment: str | None
) -> tuple[Project, Carry]:
    """The project, and what carries out its plan by workers."""
    project, published = publishable(reading, directory, environment)

    def carry(
        account: Account, planned: Planned, asked: Options, progress: Progress, stop: threading.Event
    ) -> Applied:
        place = fleet_store(account.project, account.runtime).place
        now = account.runtime.clock()
        account.ledger.publish(published.digest, published.packed, now)
        account.ledger.unpublish(now - KEPT)
        with Queue(place.url, place.schema) as queue, LanesView(console) as view:
            return apply_by_fleet(
                account,
                planned,
                asked,
                published.digest,
                queue,
                on_event=progress,
                heard=view,
                stop=stop,
            )

    return project, carry


class LanesView:
    """How far the lanes are: bars on a terminal, plain lines elsewhere, nothing with JSON.

    A context manager.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Bar | None = None
        self._tasks: dict[str, TaskID] = {}
        self._told: dict[str, tuple[AssignmentStatus, str | None]] = {}
        self._alone_since: float | None = None
        self._said_alone = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, sight: Sight) -> None:
        if self._console.json:
            return
        for each in sight.lanes:
            known = self._told.get(each.lane, (AssignmentStatus.WAITING, None))
            now = (each.status, each.worker)
            if now != known:
                self._told[each.lane] = now
                self._line(f"  lane {each.lane or '(no dealer)'}: {_word(now)}")
        self._notice_absence(sight)
        self._draw(sight)

    def _notice_absence(self, sight: Sight) -> None:
        """Tell that nobody is there to do it."""
        if sight.workers:
            self._alone_since, self._said_alone = None, False
            return
        now = time.monotonic()
        self._alone_since = self._alone_since or now
        if not self._said_alone and now - self._alone_since >= _PATIENCE:
            self._said_alone = True
            left = len(sight.lanes) - sight.count(AssignmentStatus.ENDED)
            self._line(
                f"  No worker is at work; {left} lanes wait. Start one: reconciler worker --ledger URL. "
                "Ctrl-C stops waiting."
            )

    def _draw(self, sight: Sight) -> None:
        if self._console.debug or self._console.log_format is not None or not sys.stderr.isatty():
            return
        if self._bar is None:
            from rich.console import Console as Terminal
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
            self._bar = Bar(*columns, console=Terminal(stderr=True), transient=True)
            self._bar.start()
        ended = sight.count(AssignmentStatus.ENDED)
        self._show("", f"Lanes, {workers_text(sight.workers)}", ended, len(sight.lanes))
        running = [each for each in sight.lanes if each.status is AssignmentStatus.RUNNING]
        names = {each.lane for each in running[:_SHOWN]}
        for lane in [name for name in self._tasks if name and name[1:] not in names]:
            self._bar.remove_task(self._tasks.pop(lane))
        for each in running[:_SHOWN]:
            self._show(f"/{each.lane}", f"  {visible(each.lane)}", each.done, each.total)

    def _show(self, key: str, text: str, done: int, total: int) -> None:
        assert self._bar is not None
        if key not in self._tasks:
            self._tasks[key] = self._bar.add_task(text, total=total)
        self._bar.update(self._tasks[key], description=text, completed=done, total=total)

    def _line(self, text: str) -> None:
        line = visible(self._console.redactor(text))
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            self._console.note(line)


def _word(now: tuple[AssignmentStatus, str | None]) -> str:
    status, worker = now
    return {
        AssignmentStatus.WAITING: "waits for a worker again",
        AssignmentStatus.RUNNING: f"begun by {worker}",
        AssignmentStatus.ENDED: "ended",
    }[status]
