"""``plan`` and ``drift``: what differs between manifests and account. Neither changes anything."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.console import Console
from reconciler.errors import PlanError

if TYPE_CHECKING:
    from reconciler.account import Account
    from reconciler.arming.weekly import WeekChange
    from reconciler.cli.progress import Progress
    from reconciler.cli.since import Base
    from reconciler.model import Plan
    from reconciler.workflows import Planned

PENDING = 2
"""Exit code: changes are pending and nothing else happened."""


@click.command(
    epilog="""\b
Examples:
  reconciler plan
  reconciler plan sites --env production --target 'site:acme/*'
  reconciler plan --out plan.json && reconciler apply plan.json
  reconciler plan --format html > plan.html      one page to review it by, arming weeks included
  reconciler plan --changed-since origin/main --format markdown      for a pull request
  reconciler plan --detailed-exitcode       0 nothing to do, 2 changes pending, 1 error"""
)
@options.project
@options.limits
@options.output_format("text", "json", "markdown", "html")
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Save the plan, to apply it."
)
@click.option(
    "--changed-since",
    metavar="REF",
    help="Only what the manifests say otherwise than where this checkout left the git branch, tag or commit "
    "REF, as `git diff REF...` counts; uncommitted changes included.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when changes are pending.")
@click.pass_obj
def plan(
    console: Console,
    reading: options.Reading,
    limits: options.Limits,
    output_format: str,
    out: Path | None,
    changed_since: str | None,
    *,
    detailed_exitcode: bool,
) -> int:
    """Show what an apply would change in the account that DIR describes."""
    made = _make(console, reading, limits, changed_since, weeks=output_format != "text" or out is not None)
    if out is not None:
        _save(made.plan, out)
    console.out(made.shown(output_format, console))
    if out is not None and output_format == "text":
        console.note(f"Saved to {out}. Apply it with: reconciler apply {shlex.quote(str(out))}")
    return PENDING if detailed_exitcode and not made.plan.empty else 0


@click.command(
    epilog="""\b
Examples:
  reconciler drift                      the differences as JSON; exit code 2 when there are any
  reconciler drift --format text"""
)
@options.project
@options.limits
@options.output_format("text", "json", "markdown", "html", default="json")
@click.pass_obj
def drift(console: Console, reading: options.Reading, limits: options.Limits, output_format: str) -> int:
    """Find where the account of DIR differs from the manifests; `before` is the live value.

    Exits with 0 when there is no difference, with 2 when there is one.
    """
    made = _make(console, reading, limits, weeks=output_format != "text")
    console.out(made.shown(output_format, console))
    return 0 if made.plan.empty else PENDING


@dataclass(frozen=True, slots=True)
class _Made:
    """A plan, which tells of the arming weeks it changes, and these weeks to be drawn."""

    plan: Plan
    weeks: Sequence[WeekChange] = ()

    def shown(self, output_format: str, console: Console) -> str:
        from reconciler import render

        return render.render_plan(
            self.plan, output_format, colour=console.colour, weeks=self.weeks, mask=console.redactor
        )


def _make(
    console: Console,
    reading: options.Reading,
    limits: options.Limits,
    ref: str | None = None,
    *,
    weeks: bool,
) -> _Made:
    """``weeks``: whether the output has a place for the arming weeks that change."""
    from reconciler.account import open_account
    from reconciler.cli.since import base_of

    project = reading.load()
    base = base_of(reading, project, ref) if ref is not None else None
    with open_account(project, console.runtime()) as account, console.progress() as progress:
        planned = _planned(account, limits, base, progress)
    if not weeks:
        return _Made(planned.plan)
    from reconciler.render.week_words import told
    from reconciler.timetable import weeks_of

    before = base.project if base is not None else None
    changed = weeks_of(planned.plan, project, planned.snapshot, planned.owned, before)
    return _Made(replace(planned.plan, weeks=tuple(map(told, changed))), changed)


def _planned(account: Account, limits: options.Limits, base: Base | None, progress: Progress) -> Planned:
    """The plan of what changed since ``base``; of everything where that cannot be planned alone."""
    from reconciler import workflows

    since = base.since if base is not None else None
    try:
        return workflows.make_plan(account, limits.options(changed_since=since), on_event=progress)
    except PlanError as exc:
        if since is None or not since.addresses or type(exc) is not PlanError:
            raise
        why = f"what changed cannot be planned alone ({exc.message})"
        everything = limits.options(changed_since=replace(since, addresses=None, why=why))
        return workflows.make_plan(account, everything, on_event=progress)


def _save(made: Plan, out: Path) -> None:
    """Write the plan in one step, its project relative to the file so that both can move together."""
    from reconciler.files import write_whole
    from reconciler.render.json import to_json

    project = os.path.relpath(made.project, out.resolve().parent)
    write_whole(out, to_json(replace(made, project=project)), mode=0o600)
