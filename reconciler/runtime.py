"""What a run takes from outside, and the ledger and the locks that it opens with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from reconciler.errors import LockedError
from reconciler.ledger import Lock, Store
from reconciler.manifests import Project
from reconciler.manifests.ledger_setting import DEFAULT_FILE, LedgerFile
from reconciler.observer import NOBODY, Observer
from reconciler.redaction import Redactor
from reconciler.stores import store_at

_LOCK_POLL = (0.2, 5.0)
"""Seconds between two attempts at a lock that another run holds: at first, and at most. A remote is asked."""

NOTICEABLE = 1.0
"""Seconds of waiting that a person is told of."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a run takes from outside: environment variables, redactor, clock, and how it sleeps.

    ``observer`` hears of the work, ``notice`` what a waiting person should know. ``stores``: the
    ledgers in use, by directory and environment, so that a ledger and its locks know of each other.
    ``lock_timeout``: seconds to wait for a lock that another run holds. ``max_rate``: requests a minute,
    at most. ``permit`` raises where this run may send nothing any more; it is asked before every request.
    """

    env: Mapping[str, str]
    redactor: Redactor
    clock: Callable[[], datetime]
    observer: Observer = NOBODY
    notice: Callable[[str], None] | None = None
    stores: dict[tuple[Path, str], Store] = field(default_factory=dict)
    lock_timeout: float = 0.0
    max_rate: int | None = None
    sleep: Callable[[float], object] = time.sleep
    permit: Callable[[], None] | None = None

    def wait_for_lists(self, seconds: float) -> None:
        """Wait for what was made just now, and tell that."""
        self.waiting("What was made just now is in no list yet", seconds)
        self.sleep(seconds)

    def waiting(self, why: str, seconds: float) -> None:
        """Tell that something is tried again, where the wait is long enough to wonder."""
        if self.notice is not None and seconds >= NOTICEABLE:
            self.notice(f"{why}; trying again in {seconds:.0f} s")


def store_of(project: Project, runtime: Runtime) -> Store:
    """Where the ledger of the project's environment is kept; the same one for all of a run."""
    name = project.environment.name
    key = (project.directory, name)
    if key not in runtime.stores:
        place = project.settings.ledger_place
        if project.environment.is_embedded and not isinstance(place, LedgerFile):
            place = LedgerFile(DEFAULT_FILE)  # this directory's own, as the simulator in process is
        runtime.stores[key] = store_at(place, project.directory, name, runtime.env, runtime.redactor)
    return runtime.stores[key]


def account_lock(project: Project, runtime: Runtime, command: str) -> AbstractContextManager[Lock]:
    """The right to change the account of ``project``, to be entered for the time of ``command``."""
    return held_lock(project, runtime, project.environment.name, command)


@contextmanager
def held_lock(project: Project, runtime: Runtime, name: str, command: str) -> Iterator[Lock]:
    """The lock ``name`` of the project's ledger, held until the block ends.

    Waits for it as long as the run was told to, and says so. Raises LockedError, naming the holder.
    """
    lock = store_of(project, runtime).lock(name, command=command, now=runtime.clock())
    with ExitStack() as stack:
        entered(stack, lock, runtime)
        yield lock


def entered(stack: ExitStack, lock: Lock, runtime: Runtime) -> None:
    """Hold ``lock`` until ``stack`` ends; waits for it as ``held_lock`` does. Raises LockedError."""
    notice = runtime.notice or (lambda _: None)
    _enter(stack, lock, runtime.lock_timeout, notice)
    if lock.took_over is not None:
        notice(f"Took over the lock of {lock.took_over}, which ended without releasing it.")


def _enter(stack: ExitStack, lock: Lock, patience: float, notice: Callable[[str], None]) -> None:
    until = time.monotonic() + patience
    pause, longest = _LOCK_POLL
    waiting = False
    while True:
        try:
            stack.enter_context(lock)
        except LockedError as exc:
            left = until - time.monotonic()
            if left <= 0:
                raise
            if not waiting:
                notice(f"Waiting up to {patience:g} s: {exc.message}.")
            waiting = True
            time.sleep(min(pause, left))
            pause = min(1.2 * pause, longest)
        else:
            return
