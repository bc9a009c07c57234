"""``apply``, ``destroy`` and ``attest``: the commands that change something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.console import Console
from reconciler.cli.signals import stop_on_signal
from reconciler.errors import (
    ApplyError,
    ConfigError,
    InterruptedApplyError,
    NotConvergedError,
    PartialApplyError,
    Problem,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from reconciler.account import Account
    from reconciler.cli.progress import Progress
    from reconciler.manifests import Project
    from reconciler.model import Plan
    from reconciler.workflows import Applied, Options, Planned

    Carry = Callable[[Account, Planned, Options, Progress, threading.Event], Applied]

LARGEST_PLAN = 256 * 2**20
"""Bytes; a change takes about one thousand."""

yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@click.command(
    epilog="""\b
Examples:
  reconciler apply                       plan, ask, change, verify
  reconciler apply --env production --target 'site:acme/hq' --yes
  reconciler apply plan.json             exactly what was planned, if it still fits
  reconciler apply --fleet --yes         dealer by dealer, by the workers that share the ledger"""
)
@click.argument("source", metavar="[DIR | PLAN.json]", type=click.Path(path_type=Path), default=Path())
@options.reading
@options.limits
@options.output_format("text", "json")
@yes_option
@options.fleet
@options.lock_timeout
@click.pass_obj
def apply(
    console: Console,
    source: Path,
    reading: options.Reading,
    limits: options.Limits,
    output_format: str,
    lock_timeout: float,
    *,
    yes: bool,
    fleet: bool,
) -> int:
    """Make the account what the manifests in DIR say, or carry out the saved PLAN.json.

    Asks before it changes anything, continues past a failure with everything that does not depend on
    it, and reads back what it did. Running it again finishes what is left. Ctrl-C finishes the writes
    in flight and stops.
    """
    saved = _saved(source) if source.is_file() else None
    if saved is None:
        project, carry = _how(console, reading, source, None, fleet=fleet)
        return _run(console, project, limits.options(), output_format, lock_timeout, carry=carry, yes=yes)
    if limits.targets or limits.excludes or reading.environment or limits.allow_deletes is not None:
        raise ConfigError(
            "a saved plan says itself what it is about",
            hint="Leave out --env, --target, --exclude and --allow-deletes, or apply the directory.",
        )
    from reconciler.workflows import check_saved_plan

    project, carry = _how(console, reading, source.parent / saved.project, saved.environment, fleet=fleet)
    check_saved_plan(project, saved, console.runtime().clock())
    asked = limits.options()
    return _run(console, project, asked, output_format, lock_timeout, saved=saved, carry=carry, yes=yes)


def _how(
    console: Console, reading: options.Reading, directory: Path, environment: str | None, *, fleet: bool
) -> tuple[Project, Carry]:
    """The project, and who carries out its plan: this process or, with --fleet, the workers."""
    if not fleet:
        return reading.load(directory, environment), _by_this_process
    from reconciler.cli.by_fleet import by_fleet

    return by_fleet(console, reading, directory, environment)


@click.command(
    epilog="""\b
Examples:
  reconciler destroy --env dev                    asks for the name of the environment
  reconciler destroy --env dev --yes --allow-deletes 120"""
)
@options.project
@options.limits
@options.output_format("text", "json")
@yes_option
@options.lock_timeout
@click.pass_obj
def destroy(
    console: Console,
    reading: options.Reading,
    limits: options.Limits,
    output_format: str,
    lock_timeout: float,
    *,
    yes: bool,
) -> int:
    """Delete everything that this project owns in the account, children first.

    Dealers stay connected. What is protected, or holds what is not ours, refuses the whole run; the
    delete caps hold here too.
    """
    project, asked = reading.load(), limits.options(destroy=True)
    return _run(console, project, asked, output_format, lock_timeout, yes=yes)


@click.command(
    epilog="""\b
Examples:
  reconciler attest app:acme/ai-verifier --env production"""
)
@click.argument("address")
@options.project
@options.lock_timeout
@click.pass_obj
def attest(console: Console, address: str, reading: options.Reading, lock_timeout: float) -> None:
    """Record that a person has made the manual change at ADDRESS in the portal.

    The next plan compares the manifests with what was attested.
    """
    from reconciler import attestation
    from reconciler.account import open_account

    where = options.written_address(address)
    with (
        open_account(reading.load(), console.runtime(lock_timeout)) as account,
        account.lock("attest"),
        console.progress() as progress,
    ):
        change = attestation.attest(account, where, on_event=progress)
    console.out(f"Attested {where}: {len(change.fields)} fields as the manifests say.")


def _run(
    console: Console,
    project: Project,
    asked: Options,
    output_format: str,
    lock_timeout: float,
    *,
    saved: Plan | None = None,
    carry: Carry | None = None,
    yes: bool,
) -> int:
    """Plan, show, ask, apply, verify, report; returns the exit code."""
    from reconciler import render, workflows
    from reconciler.account import open_account

    carry = carry or _by_this_process

    with (
        open_account(project, console.runtime(lock_timeout)) as account,
        account.lock("destroy" if asked.destroy else "apply"),
        console.progress() as progress,
    ):
        if saved is None:
            planned = workflows.make_plan(account, asked, on_event=progress, locked=True)
        else:
            planned = workflows.make_saved_plan(
                account, saved, parallelism=asked.parallelism, on_event=progress
            )
        progress.pause()
        asking = _writes(planned.plan) and not yes
        if output_format == "text":
            console.out(render.render_plan(planned.plan, "text", colour=console.colour))
        elif asking:
            console.note(render.render_plan(planned.plan, "text"))  # nobody agrees to what is not shown
        if asking:
            _ask(console, planned.plan, asked)
        with stop_on_signal(console) as stop, console.progress() as applying:
            applied = carry(account, planned, asked, applying, stop)
    failure = _failure(applied)
    if output_format == "json":
        report = json.loads(render.render_report(applied.report, "json"))
        document = {**(failure.to_json() if failure else {}), **report}
        console.document(document)
    else:
        if planned.plan.changes:
            console.out(render.render_report(applied.report, "text", colour=console.colour))
        if failure:
            console.error(failure)
    return 1 if failure else 0


def _by_this_process(
    account: Account, planned: Planned, asked: Options, progress: Progress, stop: threading.Event
) -> Applied:
    from reconciler.workflows import apply_plan

    return apply_plan(account, planned, asked, on_event=progress, stop=stop)


def _writes(plan: Plan) -> bool:
    """Whether an apply of ``plan`` does anything to the account or takes anything over."""
    from reconciler.model import Action

    return any(change.action is not Action.MANUAL for change in plan.changes)


def _ask(console: Console, plan: Plan, asked: Options) -> None:
    """Ask the person at the terminal.

    Raises ConfigError where there is none, InterruptedApplyError for a no.
    """
    if not console.interactive:
        raise ConfigError(
            "nobody is there to confirm the plan; nothing was changed",
            hint="Read the plan and run again with --yes.",
        )
    question = f"Make these changes in environment {plan.environment!r}?"
    if asked.destroy:
        question = f"Delete all of this in environment {plan.environment!r}? It cannot be undone."
    if not console.confirm(question):
        raise InterruptedApplyError("not confirmed; nothing was changed")


def _failure(applied: Applied) -> ApplyError | None:
    """The error an apply ends with, None where everything it could do was done."""
    from reconciler.writes import OutcomeStatus

    report = applied.report
    bad = (OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN, OutcomeStatus.SKIPPED)
    unfinished = [outcome for outcome in report.outcomes if outcome.status in bad]
    problems = [Problem(f"{o.address}: {o.status.value}: {o.message}", address=o.address) for o in unfinished]
    if report.interrupted:
        stopped = f"stopped: {report.count(OutcomeStatus.DONE)} changes made, {len(problems)} not"
        hint = "Run it again to finish the rest."
        wrong = [
            problem
            for problem, outcome in zip(problems, unfinished, strict=True)
            if outcome.status is not OutcomeStatus.SKIPPED  # the report lists what was not begun
        ]
        return InterruptedApplyError(stopped, hint=hint, problems=[*wrong, Problem(stopped, hint=hint)])
    if problems:
        return PartialApplyError(
            f"{report.count(OutcomeStatus.DONE)} changes made, {len(problems)} not",
            hint="Mend the causes and run it again: it goes on where it stopped.",
            problems=problems,
        )
    if applied.unverified is not None:
        return NotConvergedError(
            f"every call succeeded, yet the account could not be read again: {applied.unverified.message}",
            hint=applied.unverified.hint or "`reconciler plan` shows whether anything is left to change.",
        )
    if applied.remaining:
        names = ", ".join(str(change.address) for change in applied.remaining)
        return NotConvergedError(
            f"every call succeeded, yet something is left to change: {names}",
            hint="`reconciler plan` shows it; the account may be slow, or keep a value of its own.",
        )
    return None


def _saved(path: Path) -> Plan:
    from reconciler.manifests.files import NotTextError, read_bytes
    from reconciler.render.json import from_json

    try:
        return from_json(read_bytes(path, LARGEST_PLAN).decode("utf-8"))
    except (OSError, UnicodeDecodeError, NotTextError) as exc:
        raise ConfigError(
            f"{path} cannot be read as a saved plan: {exc}", hint="Make it with plan --out."
        ) from exc
