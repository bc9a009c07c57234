"""``enforce --daemon``: the enforcer as a service, fed by webhooks with ``--listen``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.cli.console import Console, printable
from reconciler.cli.signals import stop_on_signal
from reconciler.errors import ConfigError
from reconciler.times import utc_text

if TYPE_CHECKING:  # start-up stays instant
    from datetime import datetime
    from pathlib import Path

    from reconciler.account import Runtime
    from reconciler.cli import options
    from reconciler.enforcer.feed import Feed, Notice
    from reconciler.listening import System
    from reconciler.listening.service import Service
    from reconciler.manifests import Project
    from reconciler.planning.scope import Scope

CONSUMER = "(enforcer)"
"""Who the inbox keeps events for: a name that reconciler.yaml cannot give to another."""

_MOST_AT_START = 10_000
_LONGEST = 120
"""Characters kept of who did it, and through what."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked of the daemon. ``listen``: None for no webhooks, empty for where reconciler.yaml says.

    ``server_clock``: the sandbox tells the time.
    """

    scope: Scope
    heartbeat: Path | None
    metrics: Path | None
    listen: str | None
    server_clock: bool


def run_daemon(
    console: Console, reading: options.Reading, project: Project, runtime: Runtime, wishes: Wishes
) -> None:
    """Enforce until a signal."""
    from reconciler.account import data_directory
    from reconciler.enforcer.clock import SystemClock
    from reconciler.enforcer.daemon import Files, Manifests, daemon, fingerprint
    from reconciler.enforcer.session import enforcement_lock
    from reconciler.manifests.arming_model import check_model

    check_model(project, "chekt_triggered")
    name = project.environment.name
    heartbeat = wishes.heartbeat or data_directory(project) / f"heartbeat-{name}.json"
    bell = threading.Event()
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signal(console, bell.set))
        if wishes.server_clock:
            remote = stack.enter_context(_clock_of(project, bell.set))
            runtime = replace(runtime, clock=remote.now)
            clock = SystemClock(remote.now, stop, bell, remote.elapsed)
        else:
            clock = SystemClock(runtime.clock, stop, bell)

        def note(text: str) -> None:
            console.note(printable(f"{utc_text(runtime.clock())} {text}"))

        stack.enter_context(enforcement_lock(project, runtime, "enforce --daemon"))
        feed = None
        if wishes.listen is not None:
            feed = stack.enter_context(_fed(project, runtime, wishes.listen or None, bell.set, note))
        manifests = Manifests(
            lambda: reading.load(environment=name), lambda: fingerprint(project.directory), project
        )
        daemon(manifests, runtime, wishes.scope, clock, Files(heartbeat, wishes.metrics), note, feed)


def _clock_of(project: Project, moved: Callable[[], object]) -> RemoteClock:
    """The clock of the project's sandbox. Raises ConfigError where it is a real account, or in process."""
    from reconciler.sandbox import RemoteClock

    environment = project.environment
    if not environment.is_sandbox or environment.base_url is None:
        raise ConfigError(
            "--clock server follows a clock that can be moved: that of a sandbox on a port",
            hint="Leave it out, or choose an environment whose base_url is a `reconciler sandbox serve`.",
        )
    return RemoteClock(environment.base_url, moved)
