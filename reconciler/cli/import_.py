"""``import``: take over what exists already, without changing it."""

from __future__ import annotations

import click

from reconciler.cli import options
from reconciler.cli.console import Console


@click.command(
    "import",
    epilog="""\b
Examples:
  reconciler import site:acme/gangnam-hq 17      site 17 of the account is this one from now on""",
)
@click.argument("address", metavar="ADDRESS")
@click.argument("remote_id", metavar="ID")
@options.project
@options.lock_timeout
@click.pass_obj
def import_(
    console: Console, address: str, remote_id: str, reading: options.Reading, lock_timeout: float
) -> None:
    """Take over what exists already. The account itself is only read, never changed.

    Takes over the one object with CHeKT's id ID as ADDRESS, which the manifests in DIR declare, and
    shows the plan that follows for it.
    """
    from reconciler import importing, render
    from reconciler.account import open_account

    where = options.written_address(address)
    with (
        open_account(reading.load(), console.runtime(lock_timeout)) as account,
        account.lock("import"),
        console.progress() as progress,
    ):
        made = importing.take_over(account, where, remote_id, on_event=progress)
    console.out(f"Imported {where} as {remote_id}. What follows for it:\n")
    console.out(render.render_plan(made, "text", colour=console.colour))
