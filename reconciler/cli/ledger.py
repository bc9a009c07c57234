"""``ledger``: what this project owns in an environment, what its runs did, and what nobody knows."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.console import Console, printable
from reconciler.cli.ledger_copy import copy
from reconciler.errors import ConfigError
from reconciler.times import spoken_utc

if TYPE_CHECKING:
    from reconciler.intents import Intent, Resolution
    from reconciler.ledger import Run
    from reconciler.model import JsonObject, Owned


@click.group()
def ledger() -> None:
    """Show what this project owns and did. The ledger is the proof of ownership: keep it safe."""


@ledger.command(
    epilog="""\b
Examples:
  reconciler ledger show
  reconciler ledger show --open             only the writes without a known outcome
  reconciler ledger show --env production --format json""",
    short_help="List what is owned, the last runs, writes of unknown outcome.",
)
@options.project
@click.option("--open", "only_open", is_flag=True, help="Only the writes whose outcome is not known.")
@options.output_format("text", "json")
@click.pass_obj
def show(console: Console, reading: options.Reading, output_format: str, *, only_open: bool) -> None:
    """List the owned resources, the last runs, and writes whose outcome is not known.

    Such a write is looked up by the next run. Where the account proves nothing, it is `unknown`: nothing
    is sent for its address until a later look, or `ledger resolve`, settles it.
    """
    from reconciler.runtime import store_of

    project = reading.load()
    name = project.environment.name
    with store_of(project, console.runtime()).open() as book:
        unsettled = book.unsettled()
        owned, runs, resolutions = list(book.owned().values()), book.runs(10), book.resolutions()
    if output_format == "json":
        document: JsonObject = {"environment": name, "unsettled": [_intent_json(each) for each in unsettled]}
        if not only_open:
            document |= {
                "owned": [_owned_json(row) for row in owned],
                "runs": [run.to_json() for run in runs],
                "resolutions": [_resolution_json(each) for each in resolutions],
            }
        console.document(document)
        return
    lines = [] if only_open else [*_owned_lines(name, owned), *_run_lines(runs)]
    lines += _intent_lines(unsettled)
    if not only_open:
        lines += _resolution_lines(resolutions)
    console.out(printable("\n".join(lines) or f"{name}: the outcome of every write is known."))


@ledger.command(
    epilog="""\b
Examples:
  reconciler ledger resolve site:acme/hq --happened --id 1234
  reconciler ledger resolve site:acme/hq sites --env production --did-not-happen""",
    short_help="Settle a write of unknown outcome by a person's word.",
)
@click.argument("address")
@options.project
@click.option("--happened", is_flag=True, help="You found that the write took effect.")
@click.option("--did-not-happen", is_flag=True, help="You found that it did not; it may be sent again.")
@click.option("--id", "remote_id", metavar="ID", help="CHeKT's id of what a create made.")
@options.lock_timeout
@click.pass_obj
def resolve(
    console: Console,
    address: str,
    reading: options.Reading,
    remote_id: str | None,
    lock_timeout: float,
    *,
    happened: bool,
    did_not_happen: bool,
) -> None:
    """Say what became of the write of ADDRESS whose outcome the account does not prove.

    Look at the object in the portal first. What you say is kept in the ledger for good, with your name
    and the time; the account itself is not touched.
    """
    from reconciler.ledger import user_name
    from reconciler.resolution import resolve as settle
    from reconciler.runtime import account_lock, store_of

    where = options.written_address(address)
    if happened == did_not_happen:
        raise ConfigError(
            "it cannot both have happened and not" if happened else "did it happen?",
            hint="Write --happened or --did-not-happen.",
        )
    project, runtime = reading.load(), console.runtime(lock_timeout)
    with account_lock(project, runtime, "ledger resolve"), store_of(project, runtime).open() as book:
        settled = settle(
            project.resources,
            book,
            where,
            happened=happened,
            remote_id=remote_id,
            by=user_name(),
            now=runtime.clock(),
        )
    word = "happened" if happened else "did not happen"
    console.out(printable("\n".join(f"Settled: the {_write(each)} {word}." for each in settled)))


def _write(intent: Intent | Resolution) -> str:
    part = f" ({intent.part})" if intent.part is not None else ""
    return f"{intent.operation} of {intent.address}{part}"


def _way_out(intent: Intent) -> str:
    """What to do about an intent, as a command where it takes a person."""
    if not intent.seen:
        return "nothing; the next apply looks it up before it sends anything"
    made = " --id ID" if intent.operation == "create" else ""
    command = f"reconciler ledger resolve {shlex.quote(str(intent.address))}"
    return f"look at it in the portal, then: {command} --happened{made}, or --did-not-happen"


def _intent_json(intent: Intent) -> JsonObject:
    from reconciler.ledger import stamp

    return {
        "address": str(intent.address),
        "operation": intent.operation,
        "part": intent.part,
        "status": intent.status.value,
        "intended_at": stamp(intent.intended_at),
        "run": intent.run,
        "external_id": intent.external_id,
        "remote_id": intent.remote_id,
        "seen": intent.seen,
        "to_do": _way_out(intent),
    }


def _intent_lines(unsettled: Sequence[Intent]) -> list[str]:
    lines = ["Writes without a known outcome:"] if unsettled else []
    for intent in unsettled:
        ids = {"external id": intent.external_id, "id": intent.remote_id}
        known = "".join(f", {name} {value}" for name, value in ids.items() if value)
        lines += [
            f"  {_write(intent)}: {intent.status}",
            f"    {spoken_utc(intent.intended_at)}, run {intent.run}{known}",
            *([f"    seen: {intent.seen}"] if intent.seen else []),
            f"    to do: {_way_out(intent)}",
        ]
    return lines


def _resolution_json(resolution: Resolution) -> JsonObject:
    from reconciler.ledger import stamp

    return {
        "address": str(resolution.address),
        "operation": resolution.operation,
        "part": resolution.part,
        "happened": resolution.happened,
        "remote_id": resolution.remote_id,
        "seen": resolution.seen,
        "resolved_by": resolution.resolved_by,
        "resolved_at": stamp(resolution.resolved_at),
    }


def _resolution_lines(resolutions: Sequence[Resolution]) -> list[str]:
    lines = ["Settled by a person's word:"] if resolutions else []
    for each in resolutions:
        word = "happened" if each.happened else "did not happen"
        made = f" (id {each.remote_id})" if each.happened and each.remote_id is not None else ""
        when = spoken_utc(each.resolved_at)
        lines.append(f"  {when}  {_write(each)} {word}{made}, says {each.resolved_by}")
    return lines


def _owned_json(row: Owned) -> JsonObject:
    return {
        "address": str(row.address),
        "remote_id": row.remote_id,
        "external_id": row.external_id,
        "protect": row.protect,
        "attested": row.attested is not None,
    }


def _owned_lines(environment: str, owned: Sequence[Owned]) -> list[str]:
    lines = [f"{environment}: {len(owned)} owned"]
    for row in owned:
        marks = [f"id {row.remote_id}"] if row.remote_id is not None else []
        marks += ["protected"] if row.protect else []
        marks += ["attested"] if row.attested is not None else []
        lines.append(f"  {row.address}  ({', '.join(marks)})")
    return lines


def _run_lines(runs: Iterable[Run]) -> list[str]:
    lines = [f"  {spoken_utc(run.started_at)}  {run.command}  {run.result or 'broken off'}" for run in runs]
    return ["Last runs:", *lines] if lines else ["No runs yet."]


ledger.add_command(copy)
