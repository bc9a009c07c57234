"""``plan`` and ``drift``: what differs between manifests and account. Neither changes anything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.console import Console

if TYPE_CHECKING:
    from reconciler.model import Plan

PENDING = 2
"""Exit code: changes are pending and nothing else happened."""


@click.command(
    epilog="""\b
Examples:
  reconciler plan
  reconciler plan sites --env production --target 'site:acme/*'
  reconciler plan --out plan.json && reconciler apply plan.json
  reconciler plan --detailed-exitcode       0 nothing to do, 2 changes pending, 1 error"""
)
@options.project
@options.limits
@options.output_format("text", "json", "markdown", "html")
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Save the plan, to apply it."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when changes are pending.")
@click.pass_obj
def plan(
    console: Console,
    reading: options.Reading,
    limits: options.Limits,
    output_format: str,
    out: Path | None,
    *,
    detailed_exitcode: bool,
) -> int:
    """Show what an apply would change in the account that DIR describes."""
    made = _make(console, reading, limits)
    if out is not None:
        _save(made, out)
    console.out(_rendered(made, output_format, console))
    if out is not None and output_format == "text":
        console.note(f"Saved to {out}. Apply it with: reconciler apply {out}")
    return PENDING if detailed_exitcode and not made.empty else 0


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
    made = _make(console, reading, limits)
    console.out(_rendered(made, output_format, console))
    return 0 if made.empty else PENDING


def _make(console: Console, reading: options.Reading, limits: options.Limits) -> Plan:
    from reconciler import workflows
    from reconciler.account import open_account

    project = reading.load()
    with open_account(project, console.runtime()) as account, console.progress() as progress:
        return workflows.make_plan(account, limits.options(), on_event=progress).plan


def _save(made: Plan, out: Path) -> None:
    """Write the plan in one step, its project relative to the file so that both can move together."""
    from dataclasses import replace

    from reconciler.files import write_whole
    from reconciler.render.json import to_json

    project = os.path.relpath(made.project, out.resolve().parent)
    write_whole(out, to_json(replace(made, project=project)), mode=0o600)


def _rendered(made: Plan, output_format: str, console: Console) -> str:
    from reconciler import render

    return render.render_plan(made, output_format, colour=console.colour)
