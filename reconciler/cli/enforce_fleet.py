"""``enforce --fleet``: puts a project in force for workers, and shows how its lanes are."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.by_fleet import fleet_store, publishable
from reconciler.cli.console import Console, printable
from reconciler.cli.moments import length
from reconciler.cli.signals import stop_on_signal
from reconciler.errors import ConfigError, ReconcilerError
from reconciler.files import write_whole
from reconciler.fleet.commissioning import Commissioned, commission
from reconciler.fleet.standing import LATE, Standing, metrics_text, standing, to_json
from reconciler.ledger import Ledger
from reconciler.times import utc_text

if TYPE_CHECKING:
    from rich.live import Live

    from reconciler.cli.enforce import Asked
    from reconciler.cli.options import Reading
    from reconciler.runtime import Runtime

LOOK_EVERY = 1.0
RELOAD_EVERY = 10
TELL_EVERY = 60
"""Looks between two reads of the manifests, and between two lines where nothing changes."""


def enforce_by_fleet(console: Console, reading: Reading, asked: Asked, *, once: bool) -> int:
    """Put the project in force; with ``once`` until its lanes have been looked after, else until a signal.

    Exit code 1 with ``once`` where something is late, or no worker is at work.
    """
    if asked.targets or asked.at is not None or asked.dry_run or asked.listen is not None:
        raise ConfigError(
            "--target, --at, --dry-run and --listen are for one process that enforces",
            hint="Leave them out, or leave out --fleet.",
        )
    runtime = console.runtime(asked.lock_timeout)
    project, published = publishable(reading, reading.directory, None)
    with Ledger(fleet_store(project, runtime).database()) as ledger, stop_on_signal(console) as stop:
        done = commission(project, published, ledger, runtime)
        _say(console, runtime, done)
        follower = _Follower(console, reading, asked, ledger, runtime, stop)
        return follower.once(length("--horizon", asked.horizon)) if once else follower.stay()


def _say(console: Console, runtime: Runtime, done: Commissioned) -> None:
    word = "in force" if done.changed else "in force already"
    console.note(f"{utc_text(runtime.clock())} The project is {word}: {done.lanes} lanes.")


class _Follower:
    """Shows how the lanes are, and takes up new manifests."""

    def __init__(
        self,
        console: Console,
        reading: Reading,
        asked: Asked,
        ledger: Ledger,
        runtime: Runtime,
        stop: threading.Event,
    ) -> None:
        self._console = console
        self._reading = reading
        self._asked = asked
        self._ledger = ledger
        self._runtime = runtime
        self._stop = stop
        self._said = ""

    def once(self, patience: float) -> int:
        """Until nothing is due and no lane is at work, at most ``patience`` seconds; then a report."""
        found = self._look()
        for _ in range(int(patience / LOOK_EVERY)):
            if not (found.due or found.held) or self._stop.wait(LOOK_EVERY):
                break
            found = self._look()
        if self._asked.output_format == "json":
            self._console.document(to_json(found))
        else:
            self._console.out(printable(found.text))
        return int(found.late > 0 or (found.lanes > 0 and not found.workers))

    def stay(self) -> int:
        """Until a signal; workers go on without it."""
        from reconciler.enforcer.daemon import fingerprint

        directory, looks, last = self._reading.directory, 0, ""
        seen = fingerprint(directory)
        with self._live() as live:
            while not self._stop.wait(LOOK_EVERY):
                looks += 1
                if looks % RELOAD_EVERY == 0 and (now := fingerprint(directory)) != seen:
                    seen = now
                    self._reload(directory)
                found = self._look()
                if live is not None:
                    live.update(found.text)
                elif (found.late > 0) != last.endswith("late") or looks % TELL_EVERY == 1:
                    last = "late" if found.late > 0 else ""
                    self._note(found.text)
        self._note("The workers go on; `reconciler fleet release` ends that.")
        return 0

    def _reload(self, directory: Path) -> None:
        """Put new manifests in force; broken ones are told and the last good ones stay."""
        try:
            project, published = publishable(self._reading, directory, None)
            _say(self._console, self._runtime, commission(project, published, self._ledger, self._runtime))
        except ReconcilerError as exc:
            self._note(f"The new manifests cannot be used, the last good ones stay in force: {exc.message}")

    def _look(self) -> Standing:
        found = standing(self._ledger, self._runtime.clock(), LATE)
        if self._asked.metrics is not None:
            write_whole(self._asked.metrics, metrics_text(found, self._runtime.clock()))
        return found

    def _note(self, text: str) -> None:
        self._console.note(printable(f"{utc_text(self._runtime.clock())} {text}"))

    @contextmanager
    def _live(self) -> Iterator[Live | None]:
        """One line that is kept up to date, on a terminal."""
        quiet = self._console.json or self._console.log_format is not None
        if quiet or not sys.stderr.isatty():
            yield None
            return
        from rich.console import Console as Terminal
        from rich.live import Live

        with Live(console=Terminal(stderr=True), transient=True, auto_refresh=False) as live:
            yield live
