"""``doctor``: a read-only look at the account, and what to do about what is wrong."""

from __future__ import annotations

import click

from reconciler.cli import options
from reconciler.cli.console import Console


@click.command(
    epilog="""\b
Examples:
  reconciler doctor                          is everything set up?
  reconciler doctor --env production         before the first plan of a real account
  reconciler doctor --format json            the same for programs
  reconciler doctor && reconciler plan       exit code 0: nothing failed"""
)
@options.project
@options.output_format("text", "json")
@click.pass_obj
def doctor(console: Console, reading: options.Reading, output_format: str) -> int:
    """Look at the account of DIR: credentials, scopes, clock, shapes, limits and the ledger.

    Sends GETs and the token request only. Read endpoints that answer as expected are confirmed in the ledger,
    so that plans warn of them no more. Exits with 0 when nothing failed.
    """
    from reconciler.diagnosis.examine import examine
    from reconciler.diagnosis.report import as_text

    project = reading.load()
    console.warn(project.warnings)
    found = examine(project, console.runtime())
    if output_format == "json":
        console.document(found.to_json())
    else:
        console.out(as_text(found, colour=console.colour))
    return 0 if found.healthy else 1
