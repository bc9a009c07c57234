"""``import``: take over what exists already, without changing it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.console import Console, printable
from reconciler.errors import ConfigError

if TYPE_CHECKING:
    from reconciler.importing.account import Imported
    from reconciler.model import Plan


@click.command(
    "import",
    epilog="""\b
Examples:
  reconciler import --into my-sites --dealer acme=12345            the embedded sandbox, as manifests
  reconciler import --into . --env production --dealer acme=12345 --target 'site:acme/seoul-*'
  reconciler import site:acme/gangnam-hq 17      site 17 of the account is this one from now on""",
)
@click.argument("address", metavar="[ADDRESS ID]", required=False)
@click.argument("remote_id", metavar="", required=False)
@options.project
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    metavar="NEW_DIR",
    help="Write the whole account as manifests there. It may hold a reconciler.yaml, and no manifest.",
)
@click.option(
    "--dealer",
    "dealers",
    metavar="[NAME=]ID",
    multiple=True,
    help="A dealer to read, by CHeKT's id, and what to call it; may be repeated.",
)
@click.option(
    "--timezone", metavar="ZONE", help="Time zone of the sites, where the surface does not show it."
)
@options.reading_limits
@options.output_format("text", "json")
@options.lock_timeout
@click.pass_obj
def import_(  # noqa: PLR0913  # one argument an option
    console: Console,
    address: str | None,
    remote_id: str | None,
    reading: options.Reading,
    limits: options.Limits,
    into: Path | None,
    dealers: tuple[str, ...],
    timezone: str | None,
    *,
    output_format: str,
    lock_timeout: float,
) -> None:
    """Take over what exists already. The account itself is only read, never changed.

    With --into, writes the account as manifests and records what they declare as owned, so that the
    next plan is empty. Secrets cannot be read: the manifests refer to environment variables, and their
    values are taken for what CHeKT holds. What manifests cannot say is listed.

    With ADDRESS and ID, takes over the one object with CHeKT's id ID as ADDRESS, which the manifests in
    DIR declare, and shows the plan that follows for it.
    """
    from reconciler import render

    if into is not None:
        if address is not None:
            raise ConfigError("--into writes a whole account", hint="Leave out ADDRESS and ID, or --into.")
        imported = _whole(console, reading, limits, into, dealers, timezone, lock_timeout)
        if output_format == "json":
            console.document(_document(imported))
        else:
            console.out(_told(imported, into, reading.environment))
    elif address is None or remote_id is None:
        raise ConfigError(
            "import needs --into NEW_DIR, or ADDRESS and ID", hint="see 'reconciler import --help'"
        )
    elif dealers or timezone or limits.targets or limits.excludes:
        raise ConfigError(
            "--dealer, --timezone, --target and --exclude are for a whole account",
            hint="Leave them out: ADDRESS and ID name the one object.",
        )
    else:
        made = _one(console, reading, address, remote_id, lock_timeout)
        if output_format == "text":
            console.out(f"Imported {address} as {remote_id}. What follows for it:\n")
        console.out(render.render_plan(made, output_format, colour=console.colour))


def _one(
    console: Console, reading: options.Reading, address: str, remote_id: str, lock_timeout: float
) -> Plan:
    from reconciler.account import open_account
    from reconciler.importing.one import take_over

    where = options.written_address(address)
    with (
        open_account(reading.load(), console.runtime(lock_timeout)) as account,
        account.lock("import"),
        console.progress() as progress,
    ):
        return take_over(account, where, remote_id, on_event=progress)


def _whole(
    console: Console,
    reading: options.Reading,
    limits: options.Limits,
    into: Path,
    dealers: tuple[str, ...],
    timezone: str | None,
    lock_timeout: float,
) -> Imported:
    from reconciler.account import open_account
    from reconciler.importing import account as accounts
    from reconciler.importing.directory import refuse_taken

    refuse_taken(into)
    made_it = not into.exists()
    into.mkdir(parents=True, exist_ok=True)
    try:
        project = replace(reading, allow_empty=True).load(into)
        named = accounts.dealers_named(dealers, list(project.environment.dealers))
        asked = accounts.Asked(named, limits.options().scope, timezone, limits.parallelism)
        with (
            open_account(
                accounts.without_resources(project, named), console.runtime(lock_timeout)
            ) as account,
            account.lock("import"),
            console.progress() as progress,
        ):
            return accounts.import_account(account, asked, on_event=progress)
    except BaseException:
        if made_it:
            shutil.rmtree(into, ignore_errors=True)
        raise


def _document(imported: Imported) -> dict[str, object]:
    return {
        "files": list(imported.files),
        "resources": dict(imported.counts),
        "variables": list(imported.variables),
        "omitted": {str(address): why for address, why in imported.omitted.items()},
        "unsaid": list(imported.unsaid),
        "requests": {"read": imported.requests, "write": 0},
    }


def _told(imported: Imported, into: Path, environment: str | None) -> str:
    """What was written, what must be set before the next plan, and what was left out."""
    lines = [
        f"Imported {_counted(imported.counts)} into {into}, with {imported.requests} reads and no write."
    ]
    lines += [f"  {file}" for file in imported.files if not file.startswith("sites/")]
    sites = sum(file.startswith("sites/") for file in imported.files)
    lines += [f"  sites/ ({sites} files)"] if sites else []
    if imported.variables:
        lines += ["", "Set these before the next plan, to what CHeKT holds (it cannot be read):"]
        lines += [f"  {name}" for name in imported.variables]
    left_out = [f"{address}: {why}" for address, why in imported.omitted.items()]
    left_out += imported.unsaid
    if left_out:
        lines += ["", "Not in the manifests:"]
        lines += [f"  {printable(line)}" for line in left_out]
    there = ["--env", environment] if environment else []
    return "\n".join([*lines, "", f"Next: {shlex.join(['reconciler', 'plan', str(into), *there])}"])


def _counted(counts: Mapping[str, int]) -> str:
    from reconciler.kinds import REGISTRY

    named = (f"{count} {name if count == 1 else REGISTRY[name].collection}" for name, count in counts.items())
    return ", ".join(named).replace("_", " ") or "nothing"
