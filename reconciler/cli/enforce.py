"""``enforce``: see that sites are armed and disarmed on time, from cron or as a daemon."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.console import Console, printable
from reconciler.cli.enforce_alerts import tell, tell_broken
from reconciler.cli.enforce_daemon import run_daemon
from reconciler.cli.moments import length, moment
from reconciler.cli.signals import stop_on_signal
from reconciler.errors import ConfigError, LockedError, ManifestError

if TYPE_CHECKING:  # start-up stays instant
    from datetime import datetime

    from reconciler.enforcer.once import Run
    from reconciler.enforcer.session import Session
    from reconciler.manifests import Project
    from reconciler.model import Address
    from reconciler.planning.scope import Scope
    from reconciler.runtime import Runtime


_DAY = 86400
_ONCE = "enforce --once"
_HANGS_AFTER = timedelta(minutes=15)
"""A run for cron that has held the lock for longer than this is worth a look by a person."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options of a run ask for, beside --once or --daemon. ``horizon``: as it was written.

    ``listen``: where, empty for where reconciler.yaml says; None for no webhooks. ``clock``: whose.
    """

    targets: tuple[str, ...]
    at: str | None
    horizon: str
    metrics: Path | None
    heartbeat: Path | None
    output_format: str
    lock_timeout: float
    dry_run: bool
    listen: str | None
    clock: str

    @property
    def scope(self) -> Scope:
        """The targets asked for."""
        from reconciler.planning.scope import Scope

        return Scope(self.targets)


asked_for = options.gathered_as(
    "asked",
    Asked,
    click.option(
        "--target",
        "-t",
        "targets",
        metavar="GLOB",
        multiple=True,
        help="Only these sites, such as 'site:acme/*'.",
    ),
    click.option("--at", metavar="T", help="Act as if it were this time (dry runs and the sandbox only)."),
    click.option("--dry-run", is_flag=True, help="With --once: look and judge; send and record nothing."),
    click.option(
        "--horizon",
        metavar="TIME",
        default="60s",
        show_default=True,
        help="How far ahead --once stays for transitions; cron's own interval.",
    ),
    options.metrics,
    click.option(
        "--heartbeat",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write FILE as long as all goes on; --daemon: .reconciler/heartbeat-ENV.json by default.",
    ),
    click.option(
        "--listen",
        metavar="[HOST:PORT]",
        is_flag=False,
        flag_value="",
        help="With --daemon: take the webhooks that reconciler.yaml lists under `listen`, and look at once "
        "where one says that somebody armed or disarmed.",
    ),
    click.option(
        "--clock",
        type=click.Choice(["machine", "server"]),
        default="machine",
        show_default=True,
        help="With --daemon: whose time counts; server: that of the `sandbox serve`, which can be moved.",
    ),
    options.output_format("text", "json"),
    options.lock_timeout,
    options.max_rate,
)
"""The options of ``Asked``, gathered as ``asked``."""


@click.group(cls=options.RunGroup)
def enforce() -> None:
    """See that sites are armed and disarmed on time."""


@enforce.command(
    epilog="""\b
Examples:
  reconciler enforce sites --once --env production          for cron, every minute
  reconciler enforce sites --once --dry-run                 what it would do now
  reconciler enforce sites --daemon --env production        as a service
  reconciler enforce sites --daemon --listen                told by webhooks of changes by hand
  reconciler enforce sites --fleet --daemon                 by workers; stays to show how they are
  reconciler enforce history site:acme/hq sites             why each command was sent, or was not
  reconciler enforce resume site:acme/hq sites              after it stopped for a target"""
)
@options.project
@click.option("--once", is_flag=True, help="One run: see to every target, and to what the horizon brings.")
@click.option("--daemon", is_flag=True, help="Run until stopped, asleep until something is due.")
@options.fleet
@asked_for
@click.pass_obj
def run(
    console: Console, reading: options.Reading, asked: Asked, *, once: bool, daemon: bool, fleet: bool
) -> int:
    """Arm and disarm the sites of DIR by their schedules.

    With --once, exit code 0 says that every target is in its state or rightly left alone, 1 that one is
    not: it could not be armed, was left alone in doubt, or the enforcer has stopped for it. With --fleet
    --once, 1 says that a lane is late or no worker lives; `enforce history` tells of each target.
    """
    if once == daemon:
        raise ConfigError("once, or as a daemon?", hint="Write --once (for cron) or --daemon.")
    if daemon and (asked.at is not None or asked.dry_run):
        raise ConfigError("--at and --dry-run go with --once", hint="Leave them out, or write --once.")
    if once and (asked.listen is not None or asked.clock != "machine"):
        raise ConfigError("--listen and --clock go with --daemon", hint="Leave them out, or write --daemon.")
    if fleet:
        from reconciler.cli.enforce_fleet import enforce_by_fleet

        return enforce_by_fleet(console, reading, asked, once=once)
    try:
        project = reading.load()
    except ManifestError as exc:
        if once and not asked.dry_run:
            tell_broken(console, reading, exc)
        raise
    runtime = _runtime(console, project, asked)
    if not daemon:
        return _once(console, project, runtime, asked)
    run_daemon(console, reading, project, runtime, asked)
    return 0


def _runtime(console: Console, project: Project, asked: Asked) -> Runtime:
    """What the run takes from this process; its clock starts at ``--at``."""
    from dataclasses import replace

    runtime = console.runtime(asked.lock_timeout)
    if asked.at is None:
        return runtime
    if not asked.dry_run and not project.environment.is_sandbox:
        raise ConfigError(
            "--at arms a real account at a wrong time", hint="Add --dry-run, or use the sandbox."
        )
    started = runtime.clock()
    ahead = moment("--at", asked.at, started) - started
    clock = runtime.clock
    return replace(runtime, clock=lambda: clock() + ahead)


def _once(console: Console, project: Project, runtime: Runtime, asked: Asked) -> int:
    from reconciler.enforcer.clock import SystemClock
    from reconciler.enforcer.once import once
    from reconciler.enforcer.report import exit_code, to_json
    from reconciler.enforcer.session import enforcement_lock, open_session
    from reconciler.manifests.arming_model import check_model

    check_model(project, "chekt_triggered")
    horizon = _horizon(asked.horizon)
    try:
        with (
            nullcontext() if asked.dry_run else enforcement_lock(project, runtime, _ONCE),
            open_session(project, runtime, asked.scope) as session,
            stop_on_signal(console) as stop,
        ):
            clock = SystemClock(runtime.clock, stop)
            done = once(session.watch, session.port, session.journal, clock, horizon, send=not asked.dry_run)
            told = asked.dry_run or tell(console, session, done, asked)
    except LockedError as exc:
        return _excluded(console, exc, runtime.clock(), asked.output_format)
    if asked.output_format == "json":
        document = to_json(done, session.watch, project.environment.name, dry_run=asked.dry_run)
        console.out(json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True))
    else:
        _print(console, done, session, dry_run=asked.dry_run)
    return exit_code(done) if told else 1


def _excluded(console: Console, locked: LockedError, now: datetime, output_format: str) -> int:
    """Another run is at work, and goes on for as long as this one would have: there is nothing to do.

    A run of cron's that has been at it for very long may hang, and then nothing is armed: exit code 1.
    """
    hangs = locked.command == _ONCE and locked.since is not None and now - locked.since > _HANGS_AFTER
    message = (
        f"{locked.message}; it may hang: if nothing is armed, end that process" if hangs else locked.message
    )
    if output_format == "json":
        console.out(json.dumps({"excluded": message}, ensure_ascii=False, indent=2))
    else:
        console.note(f"Left to the run that is under way: {message}")
    return int(hangs)


def _print(console: Console, done: Run, session: Session, *, dry_run: bool) -> None:
    from reconciler.enforcer import report

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


def _horizon(text: str) -> timedelta:
    """How far ahead a run for cron looks. Raises ConfigError."""
    found = length("--horizon", text)
    if found > _DAY:
        raise ConfigError(
            f"--horizon {text} is longer than a day", hint="Write cron's own interval, or --daemon."
        )
    return timedelta(seconds=found)


@enforce.command(
    epilog="""\b
Examples:
  reconciler enforce history site:acme/hq
  reconciler enforce history site:acme/hq sites --env production --format json"""
)
@options.arming_target
@options.project
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, help="How many, at most.")
@options.output_format("text", "json")
@click.pass_obj
def history(
    console: Console,
    reading: options.Reading,
    target: str,
    partition: int | None,
    last: int,
    output_format: str,
) -> None:
    """Explain every command to TARGET, and every time one was held back, oldest first."""
    from reconciler.enforcer import history as rows
    from reconciler.runtime import store_of

    site = _site(target)
    with store_of(reading.load(), console.runtime()).open() as book:
        found = [row for row in book.commands(site) if partition is None or row.partition == partition][
            -last:
        ]
        stopped = rows.stops(book.watched(), str(site), partition)
    if output_format == "json":
        document = {"target": str(site), "stopped": stopped, "commands": rows.as_json(found)}
        console.out(json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True))
        return
    console.out(printable(rows.as_text(found, stopped) or f"Nothing was ever commanded to {site}."))


@enforce.command(
    epilog="""\b
Examples:
  reconciler enforce resume site:acme/hq
  reconciler enforce resume site:acme/hq sites --partition 2"""
)
@options.arming_target
@options.project
@options.lock_timeout
@click.pass_obj
def resume(
    console: Console, reading: options.Reading, target: str, partition: int | None, lock_timeout: float
) -> None:
    """Command TARGET again, after the enforcer has stopped for it because people kept undoing it."""
    from reconciler.cli.memories import memories_of
    from reconciler.enforcer.history import resumed
    from reconciler.enforcer.session import enforcement_lock

    site, project, runtime = _site(target), reading.load(), console.runtime(lock_timeout)
    lock = enforcement_lock(project, runtime, "enforce resume", with_fleet=True)
    with lock, memories_of(site, project, runtime) as book:
        changed = resumed(book.watched(), str(site), partition)
        for (address, number), memory in changed.items():
            book.watch(address, number, memory)
    if not changed:
        raise ConfigError(
            f"the enforcer has not stopped for {site}", hint="See `reconciler enforce history`."
        )
    console.out(printable(f"{site} is commanded again from the next run on."))


def _site(text: str) -> Address:
    from reconciler.model import Address

    try:
        address = Address.parse(text)
    except ValueError as exc:
        raise ConfigError(f"TARGET {exc}", hint="Write a site, such as site:acme/hq.") from exc
    if address.kind != "site":
        raise ConfigError(f"TARGET {text} is no site", hint="Write a site, such as site:acme/hq.")
    return address
