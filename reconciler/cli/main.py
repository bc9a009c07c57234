"""The ``reconciler`` command: finds the subcommand, turns every error into text or JSON and an exit code.

Exit codes (DESIGN section 6): 0 done, 1 error (a mistyped option too), 2 changes pending, 130 Ctrl-C.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise
from keyword import iskeyword
from pathlib import Path
from typing import Literal, NoReturn

import click

from reconciler import __version__
from reconciler.cli.console import Console, OutputError, discard
from reconciler.errors import ConfigError, ReconcilerError

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("project", "Write a commented starter project."),
    "validate": ("project", "Check the manifests, without an account."),
    "plan": ("plan", "Show what an apply would change."),
    "apply": ("apply", "Make the account what the manifests say."),
    "drift": ("plan", "Find what was changed by hand."),
    "destroy": ("apply", "Delete everything this project owns."),
    "doctor": ("doctor", "Look at the account: credentials, clock, shapes, limits, ledger."),
    "import": ("import_", "Write an existing account as manifests, or take over one object."),
    "attest": ("apply", "Record that a person did what only the portal can do."),
    "schedule": ("schedule", "Show when sites are armed and disarmed, and why."),
    "override": ("override", "Arm or disarm against the schedule, until a stated time."),
    "enforce": ("enforce", "Arm and disarm sites on time, from cron or as a daemon."),
    "arming": ("arming", "Report arming states, where the partner arms."),
    "event": ("event", "Send test events to the sandbox or the development host."),
    "verification": ("verification", "Answer alarm verifications, and show who answered what."),
    "listen": ("listen", "Take CHeKT's webhooks and hand their events on."),
    "worker": ("worker", "Carry out lanes that commands with --fleet hand out."),
    "fleet": ("fleet", "Show the lanes and workers of a fleet."),
    "certify": ("certify", "Run CHeKT's testing requirements for arming, on a sandbox."),
    "ledger": ("ledger", "Show what this project owns and did."),
    "fmt": ("fmt", "Lay manifests out the canonical way; comments stay."),
    "schema": ("schema", "Print the JSON schemas for editors."),
    "sandbox": ("sandbox", "Run the CHeKT simulator."),
}
"""Subcommand -> module of ``reconciler.cli`` and summary; a module is imported when it is used."""

FAILED = 1
INTERRUPTED = 130

_OUTPUT_LOST = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)


class LazyGroup(click.Group):
    """A group whose subcommands live in modules that are imported only when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"reconciler.cli.{COMMANDS[cmd_name][0]}")
        command = getattr(module, COMMANDS[cmd_name][0] if iskeyword(cmd_name) else cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as exc:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            raise click.UsageError(
                exc.message + (f" Did you mean {near[0]!r}?" if near else ""), ctx
            ) from exc


def _set_log_format(
    ctx: click.Context,
    _option: click.Parameter,
    chosen: Literal["text", "json"] | None,
) -> None:
    """Choose the log as soon as its option is read: a mistyped command is told of in it too."""
    console: Console = ctx.obj
    console.log_format = chosen


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  reconciler init my-sites && cd my-sites     start a project on the embedded sandbox
  reconciler plan                             what would change
  reconciler apply                            change it, after asking
  reconciler --log-format json apply --yes    one JSON object a request, on stderr
  reconciler plan --env production --out plan.json && reconciler apply plan.json

Shell completion: eval "$(_RECONCILER_COMPLETE=bash_source reconciler)"   (or zsh_source, fish_source)""",
)
@click.version_option(__version__, prog_name="reconciler", message="%(prog)s %(version)s")
@click.option(
    "--debug",
    is_flag=True,
    help="Log every request with headers and bodies, secrets masked, and the traceback of an error.",
)
@click.option(
    "--log-format",
    type=click.Choice(("text", "json")),
    callback=_set_log_format,
    expose_value=False,
    help="Log every request on stderr, one a line. With json all of stderr is JSON, one object a line.",
)
@click.option("--otel", is_flag=True, help="Send OpenTelemetry spans of the run, as OTEL_* variables say.")
@click.pass_context
def cli(ctx: click.Context, *, debug: bool, otel: bool) -> None:
    """CHeKT accounts as code: plan, apply and watch monitored sites from YAML in git."""
    console: Console = ctx.obj
    console.debug = debug
    if otel:
        from reconciler.cli import telemetry

        spans = ctx.with_resource(telemetry.spans(os.environ, console.redactor))
        ctx.with_resource(spans.run(ctx.invoked_subcommand or ""))
        console.spans = spans


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line ``argv`` (default: this process's) and exit."""
    _open_closed_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    console = Console(json=_wants_json(arguments))
    sys.exit(_quiet_on_lost_output(arguments, console))


def _open_closed_streams() -> None:
    """Give a process started with a stream closed (``<&-``, ``>&-``) an empty one."""
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115  # until the process ends
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # as above


def _quiet_on_lost_output(arguments: list[str], console: Console) -> int:
    try:
        code = run(arguments, console)
        sys.stdout.flush()
    except BrokenPipeError:
        discard(sys.stdout)  # the reader went away (``| head``): say nothing
        return 128 + signal.SIGPIPE
    except OSError as exc:
        discard(sys.stdout)
        console.note(f"Error: the output cannot be written: {exc.strerror or exc}")
        return FAILED
    return code


def run(arguments: list[str], console: Console) -> int:
    """Run one command line and return its exit code; prints its error, never raises one."""
    try:
        result = cli.main(arguments, prog_name="reconciler", standalone_mode=False, obj=console)
    except (BrokenPipeError, OutputError):
        raise
    except ReconcilerError as exc:
        return _failed(console, exc)
    except click.exceptions.NoArgsIsHelpError as exc:
        console.note(exc.format_message())
        return FAILED
    except click.ClickException as exc:
        where = exc.ctx.command_path if isinstance(exc, click.UsageError) and exc.ctx else "reconciler"
        return _failed(console, ConfigError(exc.format_message(), hint=f"see '{where} --help'"))
    except (KeyboardInterrupt, click.Abort):
        console.note("Interrupted; nothing more was done.")
        return INTERRUPTED
    except Exception as exc:  # the last line before the user: no traceback passes it
        if isinstance(exc, OSError) and exc.filename is None and exc.errno in _OUTPUT_LOST:
            raise OutputError(exc.errno, exc.strerror) from exc  # the help, which click prints itself
        problem = ReconcilerError(
            f"internal error: {type(exc).__name__}: {exc}",
            hint="this is a defect of reconciler; run again with --debug and report what it prints",
        )
        return _failed(console, problem, exc)
    return result if isinstance(result, int) else 0


def _failed(console: Console, error: ReconcilerError, cause: Exception | None = None) -> int:
    if console.debug:
        console.note("".join(traceback.format_exception(cause or error)))
    console.error(error)
    return FAILED


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether the user asked for JSON: needed even where the options themselves do not parse."""
    return any(
        a in ("--format=json", "-fjson") or (a in ("--format", "-f") and b == "json")
        for a, b in pairwise([*arguments, ""])
    )
