"""``enforce --daemon``: the enforcer as a service, fed by webhooks with ``--listen``."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from reconciler.cli.console import Console, printable
from reconciler.cli.listen import refusals
from reconciler.cli.signals import stop_on_signal
from reconciler.errors import ConfigError
from reconciler.times import utc_text

if TYPE_CHECKING:  # start-up stays instant
    from datetime import datetime

    from reconciler.cli import options
    from reconciler.cli.enforce import Asked
    from reconciler.enforcer.feed import Feed
    from reconciler.ledger import Ledger
    from reconciler.listening import Received, System
    from reconciler.manifests import Project
    from reconciler.runtime import Runtime
    from reconciler.sandbox import RemoteClock

_MOST_AT_START = 10_000
_LONGEST = 120
"""Characters kept of what an event names: a site, who did it, by what means."""

_NUMBER = re.compile("[0-9]{1,9}")


def run_daemon(
    console: Console, reading: options.Reading, project: Project, runtime: Runtime, asked: Asked
) -> None:
    """Enforce until a signal."""
    from reconciler.connecting import data_directory
    from reconciler.enforcer.clock import SystemClock
    from reconciler.enforcer.daemon import Files, Manifests, daemon, fingerprint
    from reconciler.enforcer.session import enforcement_lock
    from reconciler.listening.service import listening_lock
    from reconciler.manifests.arming_model import check_model

    check_model(project, "chekt_triggered")
    name = project.environment.name
    heartbeat = asked.heartbeat or data_directory(project) / f"heartbeat-{name}.json"
    bell = threading.Event()
    address = None if asked.listen is None else _address(asked.listen)
    with ExitStack() as stack:
        stack.enter_context(enforcement_lock(project, runtime, "enforce --daemon"))
        if asked.listen is not None:
            stack.enter_context(listening_lock(project, runtime, "enforce --daemon --listen"))
        stop = stack.enter_context(stop_on_signal(console, bell.set))
        if asked.clock == "server":
            remote = stack.enter_context(_clock_of(project, bell.set))
            runtime = replace(runtime, clock=remote.now)
            clock = SystemClock(remote.now, stop, bell, remote.elapsed)
        else:
            clock = SystemClock(runtime.clock, stop, bell)

        def note(text: str) -> None:
            console.note(printable(f"{utc_text(runtime.clock())} {text}"))

        feed = None
        if asked.listen is not None:
            feed = stack.enter_context(_fed(console, project, runtime, address, bell.set, note))
        manifests = Manifests(
            lambda: reading.load(environment=name), lambda: fingerprint(project.directory), project
        )
        daemon(manifests, runtime, asked.scope, clock, Files(heartbeat, asked.metrics), note, feed)


def _address(listen: str) -> str | None:
    """Where ``--listen`` says, None for where reconciler.yaml says. Raises ConfigError."""
    from reconciler.manifests.listen_settings import listen_address

    try:
        if listen:
            listen_address(listen)
    except ValueError as exc:
        raise ConfigError(
            f"--listen {listen}: not an address to listen on", hint=f"{exc}; DIR stands before --listen."
        ) from exc
    return listen or None


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


@contextmanager
def _fed(
    console: Console,
    project: Project,
    runtime: Runtime,
    address: str | None,
    wake: Callable[[], object],
    note: Callable[[str], None],
) -> Iterator[Feed]:
    """A feed of what the project's webhooks say of arming; what waits in the inbox comes first.

    The consumers that reconciler.yaml names are served too. Raises what ``open_service`` raises.
    """
    from reconciler.enforcer.feed import Feed
    from reconciler.listening.figures import ENFORCER
    from reconciler.listening.service import Ears, open_service

    def consumed(ids: Collection[str]) -> None:
        numbers, now = [int(each) for each in ids], runtime.clock()

        def settle(ledger: Ledger, _: object) -> None:
            for number in numbers:
                ledger.settle_consumption(number, ENFORCER, now)

        service.commits.submit(settle)

    feed = Feed(wake, consumed)

    def heard(received: Received) -> None:
        _put(feed, received.number, received.system, received.body, received.received_at)

    ears = Ears(note, refusals(console, runtime), console.out, heard)
    with open_service(project, runtime, ears, address=address, kept_for=(ENFORCER,)) as service:
        for endpoint in service.settings.endpoints:
            waiting = service.ledger.due_consumptions(endpoint, ENFORCER, runtime.clock(), _MOST_AT_START)
            for each in waiting:
                kept = service.ledger.delivery(each.delivery)
                if kept is not None:
                    _put(feed, kept.id, cast("System", kept.system), kept.body or b"", kept.received_at)
        note(f"Listening for arming events at {service.receiver.url}.")
        yield feed


def _put(feed: Feed, number: int, system: System, body: bytes, received_at: datetime) -> None:
    """Hand an event to the daemon."""
    from reconciler.enforcer.feed import Notice
    from reconciler.listening import arming_event

    event = arming_event(system, body)
    if event is None:
        feed.pass_over(str(number))
        return
    partition = event.partition or ""
    feed.put(
        Notice(
            str(number),
            event.site_id[:_LONGEST],
            int(partition) if _NUMBER.fullmatch(partition) else None,
            event.state,
            event.at or received_at,
            (event.triggered_by or "")[:_LONGEST],
            (event.source or "")[:_LONGEST],
        )
    )
