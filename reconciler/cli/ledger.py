"""``ledger``: what this project owns in an environment, and what its runs did."""

from __future__ import annotations

import click

from reconciler.cli import options
from reconciler.cli.console import Console, printable


@click.group()
def ledger() -> None:
    """Show what this project owns and did. The ledger is the proof of ownership: keep it safe."""


@ledger.command(
    epilog="""\b
Examples:
  reconciler ledger show
  reconciler ledger show --env production --format json"""
)
@options.project
@options.output_format("text", "json")
@click.pass_obj
def show(console: Console, reading: options.Reading, output_format: str) -> None:
    """List the owned resources, the last runs, and writes whose outcome is unknown."""
    from reconciler.account import store_of

    project = reading.load()
    with store_of(project, console.runtime()).open() as book:
        owned, runs, unsettled = book.owned(), book.runs(10), book.unsettled()
    if output_format == "json":
        document = {
            "environment": project.environment.name,
            "owned": [
                {
                    "address": str(row.address),
                    "remote_id": row.remote_id,
                    "external_id": row.external_id,
                    "protect": row.protect,
                    "attested": row.attested is not None,
                }
                for row in owned.values()
            ],
            "runs": [run.to_json() for run in runs],
            "unsettled": [f"{intent.operation} {intent.address}" for intent in unsettled],
        }
        console.document(document)
        return
    lines = [f"{project.environment.name}: {len(owned)} owned"]
    for row in owned.values():
        marks = [f"id {row.remote_id}"] if row.remote_id is not None else []
        marks += ["protected"] if row.protect else []
        marks += ["attested"] if row.attested is not None else []
        lines.append(f"  {printable(str(row.address))}  ({', '.join(marks)})")
    lines += ["Last runs:"] if runs else ["No runs yet."]
    lines += [
        f"  {run.started_at:%Y-%m-%d %H:%M:%S} UTC  {run.command}  {run.result or 'broken off'}"
        for run in runs
    ]
    if unsettled:
        lines.append("Writes without a known outcome; the next apply looks them up first:")
        lines += [f"  {intent.operation} {intent.address}" for intent in unsettled]
    console.out("\n".join(lines))
