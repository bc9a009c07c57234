"""``worker``: carries out lanes that commands with ``--fleet`` hand out."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.console import Console, printable
from reconciler.errors import ConfigError

if TYPE_CHECKING:  # start-up stays instant
    from reconciler.fleet.serving import Base


@click.command(
    epilog="""\b
Examples:
  reconciler worker --ledger postgresql://db.example.com/fleet
  RECONCILER_LEDGER_URL=postgresql://... reconciler worker --lanes 8 --heartbeat /run/reconciler/beat.json
  kill -TERM PID                    drains: finishes the writes in flight, leaves the rest to others"""
)
@options.ledger_url
@click.option(
    "--lanes",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Lanes of each kind of work, applying and enforcing, at the same time.",
)
@click.option("--name", metavar="NAME", help="What the worker is called; host and process by default.")
@click.option(
    "--heartbeat",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write FILE every second; `reconciler fleet probe FILE` judges it.",
)
@options.metrics
@options.max_rate
@click.pass_obj
def worker(
    console: Console,
    ledger: str,
    lanes: int,
    name: str | None,
    heartbeat: Path | None,
    metrics: Path | None,
) -> int:
    """Carry out the lanes of every project that shares the ledger at URL.

    Projects come from the ledger; credentials and secrets come from this process's environment, as their
    manifests name them. SIGTERM drains; a second one gives up at once.
    """
    from reconciler.fleet.serving import worker as ready
    from reconciler.fleet.worker import Profile
    from reconciler.times import utc_text

    runtime = console.runtime()
    base = base_of(console, ledger)
    # The end of the name is for two of one process number on two machines of one name, as in containers.
    called = name or f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"

    def note(text: str) -> None:
        console.note(printable(f"{utc_text(runtime.clock())} {text}"))

    with ready(base, Profile(called, lanes, runtime.clock(), heartbeat, metrics), runtime, note) as serving:
        note(f"Worker {called}: {lanes} lanes of each kind of work.")
        serving.run()
    note(f"Worker {called}: ended.")
    return 0


def base_of(console: Console, url: str) -> Base:
    """The fleet's ledger at ``url``. Raises ConfigError for what is no URL of a PostgreSQL database."""
    from reconciler.fleet.serving import Base
    from reconciler.ledger.postgres_session import Place
    from reconciler.ledger.postgres_store import PostgresStore
    from reconciler.manifests.ledger_setting import database_place, passwords_in

    try:
        for password in (*passwords_in(url), os.environ.get("PGPASSWORD", "")):
            console.redactor.add(password)
        place = database_place(url)
    except ValueError as exc:
        raise ConfigError(
            f"--ledger: {exc}", hint="Name the database that reconciler.yaml names under `ledger`."
        ) from exc
    return Base(
        place.url,
        place.schema,
        lambda environment: PostgresStore(
            Place(place.url, place.schema, console.redactor), environment, os.environ
        ),
    )
