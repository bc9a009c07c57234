"""``enforce``: see that sites are armed and disarmed on time, from cron or as a daemon."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.console import Console, printable
from reconciler.cli.moments import moment
from reconciler.errors import ConfigError, LockedError

if TYPE_CHECKING:  # start-up stays instant
    from reconciler.account import Runtime
    from reconciler.enforcer.once import Run
    from reconciler.enforcer.session import Session
    from reconciler.manifests import Project
    from reconciler.planning.scope import Scope

TARGETS = click.option(
    "--target",
    "-t",
    "targets",
    metavar="GLOB",
    multiple=True,
    help="Only these sites, such as 'site:acme/*'.",
)


class EnforceGroup(click.Group):
    """``enforce [DIR]`` runs; ``enforce history`` and its like are subcommands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=EnforceGroup)
def enforce() -> None:
    """See that sites are armed and disarmed on time."""


@enforce.command(
    epilog="""\b
Examples:
  reconciler enforce sites --once --env production          for cron, every minute
  reconciler enforce sites --once --dry-run                 what it would do now
  reconciler enforce sites --daemon --env production        as a service
  reconciler enforce history site:acme/hq sites             why each command was sent, or was not
  reconciler enforce resume site:acme/hq sites              after it stopped for a target"""
)
@options.project
@TARGETS
@click.option("--once", is_flag=True, help="One run: see to every target, and to what the horizon brings.")
@click.option("--at", metavar="T", help="Act as if it were this time (dry runs and the sandbox only).")
@click.option("--dry-run", is_flag=True, help="Look and judge; send and record nothing.")
@click.option(
    "--horizon",
    metavar="TIME",
    default="60s",
    show_default=True,
    help="How far ahead --once stays for transitions; cron's own interval.",
)
@options.output_format("text", "json")
@click.pass_obj
def run(
    console: Console,
    reading: options.Reading,
    targets: tuple[str, ...],
    at: str | None,
    horizon: str,
    output_format: str,
    *,
    once: bool,
    dry_run: bool,
) -> int:
    """Arm and disarm the sites of DIR by their schedules.

    With --once, exit code 0 says that every target is in its state or rightly left alone, 1 that one is
    not: it could not be armed, was left alone in doubt, or the enforcer has stopped for it.
    """
    if not once:
        raise ConfigError("nothing to do", hint="Write --once (for cron) or --daemon.")
    project = reading.load()
    runtime = _runtime(console, project, at, dry_run=dry_run)
    return _once(
        console, project, runtime, _scope(targets), _seconds(horizon), output_format, dry_run=dry_run
    )


def _runtime(console: Console, project: Project, at: str | None, *, dry_run: bool) -> Runtime:
    """What the run takes from this process; its clock starts at ``at``."""
    from dataclasses import replace  # noqa: PLC0415

    runtime = console.runtime()
    if at is None:
        return runtime
    if not dry_run and not project.environment.is_sandbox:
        raise ConfigError(
            "--at arms a real account at a wrong time", hint="Add --dry-run, or use the sandbox."
        )
    started = runtime.clock()
    ahead = moment("--at", at, started) - started
    clock = runtime.clock
    return replace(runtime, clock=lambda: clock() + ahead)


def _once(
    console: Console,
    project: Project,
    runtime: Runtime,
    scope: Scope,
    horizon: timedelta,
    output_format: str,
    *,
    dry_run: bool,
) -> int:
    from reconciler.enforcer.clock import SystemClock  # noqa: PLC0415  start-up stays instant
    from reconciler.enforcer.once import once  # noqa: PLC0415
    from reconciler.enforcer.report import exit_code, to_json  # noqa: PLC0415
    from reconciler.enforcer.session import check_model, enforcement_lock, open_session  # noqa: PLC0415

    check_model(project)
    try:
        with (
            enforcement_lock(project, runtime, "enforce --once"),
            open_session(project, runtime, scope) as session,
            stop_on_signal(console) as stop,
        ):
            clock = SystemClock(runtime.clock, stop)
            done = once(session.watch, session.port, session.journal, clock, horizon, send=not dry_run)
    except LockedError as exc:
        return _excluded(console, exc, output_format)
    if output_format == "json":
        document = to_json(done, session.watch, project.environment.name, dry_run=dry_run)
        console.out(json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True))
    else:
        _print(console, done, session, dry_run=dry_run)
    return exit_code(done)


def _excluded(console: Console, locked: LockedError, output_format: str) -> int:
    """Another run is at work, and goes on for as long as this one would have: there is nothing to do."""
    if output_format == "json":
        console.out(json.dumps({"excluded": locked.message}, ensure_ascii=False, indent=2))
    else:
        console.note(f"Left to the run that is under way: {locked.message}")
    return 0


def _print(console: Console, done: Run, session: Session, *, dry_run: bool) -> None:
    from reconciler.enforcer import report  # noqa: PLC0415

    verb = "would be commanded" if dry_run else "commanded"
    for target in session.watch.targets:
        sight = done.sights.get(target.key)
        if sight is None:
            continue
        name = (
            target.address if target.partition is None else f"{target.address} partition {target.partition}"
        )
        word = report.standing(sight)
        word = verb if word == "command" else word.replace("_", " ")
        seen = "-" if sight.seen.problem else sight.seen.status
        line = f"{name}: {word}: wanted {sight.wanted.state}, seen {seen} ({report.message(sight)})"
        console.out(printable(line))
    for row in report.commands_json(done.records):
        if row["result"] not in ("held", "respected"):
            note = f": {row['note']}" if row["note"] else ""
            line = f"  {row['at']}  {row['target']}  {row['before']} -> {row['decided']}  {row['result']}"
            console.out(printable(f"{line}, {row['late_seconds']} s late{note}"))
    counts = ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in report.summary(done).items())
    console.out(f"{len(session.watch.targets)} targets: {counts or 'nothing to look at'}.")


def _scope(targets: tuple[str, ...]) -> Scope:
    from reconciler.planning.scope import Scope  # noqa: PLC0415

    return Scope(targets)


def _seconds(text: str) -> timedelta:
    """``60s``, ``5m``, ``1h`` as a length of time. Raises ConfigError."""
    unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:])
    if unit is None or not text[:-1].isdecimal():
        raise ConfigError(f"--horizon {text!r} is not a length of time", hint="Write 60s or 5m.")
    return timedelta(seconds=int(text[:-1]) * unit)


@contextmanager
def stop_on_signal(console: Console) -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set while the block runs, in place of ending the process."""
    stop = threading.Event()

    def on_signal(number: int, frame: object) -> None:  # noqa: ARG001  # the signature is the system's
        if not stop.is_set():
            console.note("Stopping: what is under way is finished, nothing else is begun.")
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, action in before.items():
            signal.signal(number, action)
