"""``fleet``: how the workers and lanes of a fleet are, and whether one worker lives."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from reconciler.cli import options
from reconciler.cli.console import Console, printable
from reconciler.cli.moments import length
from reconciler.errors import ConfigError


@click.group()
def fleet() -> None:
    """Show the lanes and workers of a fleet."""


@fleet.command(
    epilog="""\b
Examples:
  reconciler fleet status --ledger postgresql://db.example.com/fleet
  reconciler fleet status --env production --format json | jq '.environments[].lanes[].late_p99'"""
)
@options.ledger_url
@click.option("--env", "-e", "environment", metavar="NAME", help="Only this environment.")
@options.output_format("text", "json")
@click.pass_obj
def status(console: Console, ledger: str, environment: str | None, output_format: str) -> None:
    """Show workers, lanes, backlog and lateness.

    A lane is one dealer's sites; `apply:DEALER` is the same dealer's part of an apply.
    """
    from reconciler.cli.worker import base_of
    from reconciler.fleet.status import as_text, to_json
    from reconciler.fleet.status import status as look

    found = look(base_of(console, ledger), console.runtime().clock(), environment)
    if output_format == "json":
        console.document(to_json(found))
    else:
        console.out(printable(as_text(found)))


@fleet.command(
    epilog="""\b
Examples:
  reconciler fleet release --env production"""
)
@options.ledger_url
@click.option("--env", "-e", "environment", metavar="NAME", required=True, help="The environment.")
@click.pass_obj
def release(console: Console, ledger: str, environment: str) -> None:
    """Let workers arm in an environment no more.

    A single `enforce` may again. Lanes under way finish what they have sent.
    """
    from reconciler.cli.worker import base_of
    from reconciler.fleet.commissioning import release as end
    from reconciler.ledger import Ledger

    base = base_of(console, ledger)
    with Ledger(base.store(environment).database()) as book:
        did = end(book, console.runtime().clock())
    if not did:
        raise ConfigError(f"no fleet enforces {environment}", hint="See `reconciler fleet status`.")
    console.out(f"No worker arms or disarms in {environment} any more.")


@fleet.command(
    epilog="""\b
Examples:
  reconciler fleet probe /run/reconciler/beat.json              is it alive?
  reconciler fleet probe /run/reconciler/beat.json --ready      does it take lanes?"""
)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--max-age", metavar="TIME", default="30s", show_default=True, help="Of the last beat.")
@click.option("--ready", is_flag=True, help="Besides: the ledger is reached, and the worker does not drain.")
@click.pass_obj
def probe(console: Console, file: Path, max_age: str, *, ready: bool) -> int:
    """Judge a worker by the FILE of its --heartbeat.

    Exit code 0 where it lives, 1 where it does not. Liveness does not depend on the ledger:
    to restart a worker whose database is away helps nobody.
    """
    try:
        beat = json.loads(file.read_text(encoding="utf-8"))
        at = datetime.fromisoformat(beat["at"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ConfigError(
            f"{file} holds no heartbeat: {type(exc).__name__}",
            hint="Name the file of `reconciler worker --heartbeat`; it is gone once the worker has ended.",
        ) from exc
    age = (console.runtime().clock() - at).total_seconds()
    if age > length("--max-age", max_age):
        console.note(f"The last beat is {age:.0f} s old.")
        return 1
    if ready and (beat.get("draining") or not beat.get("ledger")):
        console.note("It drains." if beat.get("draining") else "The ledger cannot be reached.")
        return 1
    return 0
