"""``sandbox``: run the CHeKT simulator as a server, look into it, empty it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from reconciler.cli import options
from reconciler.cli.console import Console
from reconciler.errors import ConfigError
from reconciler.model import JsonObject


@click.group()
def sandbox() -> None:
    """Run the CHeKT simulator: both API surfaces, tokens, rate limits, faults; no account needed."""


@sandbox.command(
    epilog="""\b
Examples:
  reconciler sandbox serve                       on http://127.0.0.1:8787, in memory
  reconciler sandbox serve --db account.db --dealer 777
  reconciler sandbox serve --shape page --switch list_page_limit=50"""
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8787, show_default=True, help="0 takes a free one."
)
@click.option("--db", type=click.Path(path_type=Path), metavar="FILE", help="Keep the data in FILE.")
@click.option(
    "--shape",
    type=click.Choice(("live", "page")),
    help="Answers of /ext/v1: as clients see them (live) or as the documentation pages show (page).",
)
@click.option(
    "--dealer",
    "dealers",
    type=click.IntRange(1),
    multiple=True,
    metavar="ID",
    help="Connect this dealer too.",
)
@click.option(
    "--switch",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a switch, such as rate_limits=false; GET /sim/v0/switches lists them.",
)
@click.pass_obj
def serve(
    console: Console,
    host: str,
    port: int,
    db: Path | None,
    shape: str | None,
    dealers: tuple[int, ...],
    pairs: tuple[str, ...],
) -> None:
    """Serve the simulator until Ctrl-C. Its credentials are printed; they open nothing else."""
    from reconciler.sandbox import Sandbox, credentials, serve

    app = Sandbox(db if db is not None else ":memory:")
    try:
        app.switches = app.switches.changed(_switches(pairs, shape))
        for dealer in dealers:
            app.seed_dealer(dealer)
        try:
            server = serve(app, host=host, port=port)
        except OSError as exc:
            raise ConfigError(
                f"{host}:{port} cannot be listened on: {exc.strerror or exc}", hint="Choose another --port."
            ) from exc
        keys = "\n".join(
            f"  export CHEKT_API_KEY={credentials.dealer_key(dealer)}   # dealer surface, dealer {dealer}"
            for dealer in dict.fromkeys((credentials.DEALER_ID, *dealers))
        )
        console.out(
            f"CHeKT sandbox on {server.url}\n"
            f"  export CHEKT_BASE_URL={server.url}\n"
            f"  export CHEKT_TOKEN_URL={server.url}/oauth/token\n"
            f"  export CHEKT_AUDIENCE={app.switches.audience}\n"
            f"  export CHEKT_CLIENT_ID={credentials.CLIENT_ID}\n"
            f"  export CHEKT_CLIENT_SECRET={credentials.CLIENT_SECRET}\n{keys}\n"
            f"Switches, faults, clock, requests: {server.url}/sim/v0/switches, "
            ".../faults, .../clock, .../requests"
        )
        with server:
            server.wait()
    except ValueError as exc:
        raise ConfigError(str(exc), hint="GET /sim/v0/switches lists the switches.") from exc
    finally:
        app.close()


@sandbox.command(
    epilog="""\b
Examples:
  reconciler sandbox reset examples/quickstart
  reconciler sandbox reset --db account.db --yes"""
)
@options.directory_argument
@click.option("--db", type=click.Path(path_type=Path), metavar="FILE", help="This file instead of DIR's.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_obj
def reset(console: Console, directory: Path, db: Path | None, *, yes: bool) -> None:
    """Empty the embedded sandbox of DIR. The ledger is left alone: the next plan recreates."""
    from reconciler.sandbox import Sandbox

    file = _file(directory, db)
    if not yes and not (console.interactive and console.confirm(f"Empty the sandbox {file}?")):
        raise ConfigError("the sandbox was not emptied", hint="Answer yes, or run again with --yes.")
    app = Sandbox(file)
    try:
        app.reset()
    finally:
        app.close()
    console.out(f"Emptied {file}.")


@sandbox.command(
    epilog="""\b
Examples:
  reconciler sandbox show examples/quickstart
  reconciler sandbox show --db account.db"""
)
@options.directory_argument
@click.option("--db", type=click.Path(path_type=Path), metavar="FILE", help="This file instead of DIR's.")
@click.pass_obj
def show(console: Console, directory: Path, db: Path | None) -> None:
    """Print everything the embedded sandbox of DIR holds, as JSON."""
    from reconciler.sandbox import Sandbox

    app = Sandbox(_file(directory, db))
    try:
        console.document(app.state())
    finally:
        app.close()


def _file(directory: Path, db: Path | None) -> Path:
    file = db if db is not None else directory / ".reconciler" / "sandbox.db"
    if not file.is_file():
        raise ConfigError(
            f"{file}: there is no sandbox here", hint="Run plan or apply first, or name --db FILE."
        )
    return file


def _switches(pairs: tuple[str, ...], shape: str | None) -> JsonObject:
    """Switches from ``NAME=VALUE`` options; a value that is no JSON is text."""
    chosen: JsonObject = {} if shape is None else {"shape": shape}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"--switch {pair!r} is not NAME=VALUE", hint="write --switch rate_limits=false")
        try:
            chosen[name] = json.loads(value)
        except ValueError:
            chosen[name] = value
    return chosen
