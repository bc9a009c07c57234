"""Options that several commands share. Each decorator gathers its options into one argument."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.errors import ConfigError
from reconciler.model import MOST_IN_FLIGHT

if TYPE_CHECKING:  # start-up stays instant
    from _typeshed import DataclassInstance

    from reconciler.manifests import Project
    from reconciler.model import Address, ChangedSince
    from reconciler.workflows import Options

Command = TypeVar("Command", bound=Callable[..., Any])


class RunGroup(click.Group):
    """A group whose first argument is the DIR of its command ``run``, unless it names another command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a project is to be read: --env, --var, --allow-empty, and DIR where the command takes one."""

    environment: str | None
    variables: Sequence[str]
    allow_empty: bool
    directory: Path = Path()

    def load(self, directory: Path | None = None, environment: str | None = None) -> Project:
        """The project in ``directory`` (default: DIR). Raises ManifestError and ConfigError."""
        from reconciler.manifests import load

        return load(
            self.directory if directory is None else directory,
            environment=environment or self.environment,
            variables=parse_variables(self.variables),
            allow_empty=self.allow_empty,
            env=os.environ,
        )

    def settings_alone(self) -> Project:
        """The project in DIR as reconciler.yaml has it, without a resource. Raises ConfigError."""
        from reconciler.manifests import load_settings

        return load_settings(self.directory, environment=self.environment, env=os.environ)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run is limited to: --target, --exclude, --allow-deletes, --parallelism."""

    targets: tuple[str, ...]
    excludes: tuple[str, ...]
    allow_deletes: int | None
    parallelism: int

    def options(self, *, destroy: bool = False, changed_since: ChangedSince | None = None) -> Options:
        """The options of the flow."""
        from reconciler.planning.scope import Scope
        from reconciler.workflows import Options

        return Options(
            Scope(self.targets, self.excludes, changed_since), self.allow_deletes, self.parallelism, destroy
        )


_READING = (
    click.option(
        "--env",
        "-e",
        "environment",
        metavar="NAME",
        help="Environment of reconciler.yaml (or $RECONCILER_ENV). Default: embedded.",
    ),
    click.option(
        "--var",
        "variables",
        metavar="NAME=VALUE",
        multiple=True,
        help="Variable for templates; may be repeated; wins over reconciler.yaml.",
    ),
    click.option(
        "--allow-empty",
        is_flag=True,
        help="Accept files and templates that yield no document. Without it an emptied file is an error.",
    ),
)


def _keep_max_rate(ctx: click.Context, _: click.Parameter, value: int | None) -> None:
    ctx.obj.max_rate = value


max_rate = click.option(
    "--max-rate",
    type=click.IntRange(1),
    metavar="N",
    expose_value=False,
    callback=_keep_max_rate,
    help="Requests a minute, at most, in this run; the shared budget holds besides.",
)
"""Kept on the console, for whatever opens an account."""

metrics = click.option(
    "--metrics",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write Prometheus metrics to FILE, for node_exporter's textfile collector.",
)

_NARROWING = (
    click.option(
        "--target",
        "-t",
        "targets",
        metavar="GLOB",
        multiple=True,
        help="Only these addresses, such as 'site:acme/*'; a site takes its children along.",
    ),
    click.option(
        "--exclude",
        "excludes",
        metavar="GLOB",
        multiple=True,
        help="Leave out these addresses; may be repeated.",
    ),
)

_ALLOW_DELETES = click.option(
    "--allow-deletes",
    type=click.IntRange(0),
    metavar="N",
    help="Lift the delete caps for a plan with exactly N deletes and replaces.",
)

_PACE = (
    click.option(
        "--parallelism",
        type=click.IntRange(1, MOST_IN_FLIGHT),
        default=8,
        show_default=True,
        help="Requests in flight at the same time, at most.",
    ),
    max_rate,
)


def _with(options: Sequence[Callable[[Any], Any]], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def gathered_as(
    name: str, record: type[DataclassInstance], *given: Callable[[Any], Any]
) -> Callable[[Command], Command]:
    """The options ``given``, gathered into one argument ``name``: a ``record`` with a field for each."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def gathered(*args: Any, **rest: Any) -> Any:
            values = {each.name: rest.pop(each.name) for each in fields(record)}
            return command(*args, **{name: record(**values)}, **rest)

        return _with(given, gathered)  # type: ignore[return-value]  # same command, other parameters

    return decorate


def reading(command: Command) -> Command:
    """--env, --var and --allow-empty, as ``reading``."""

    @functools.wraps(command)
    def gathered(
        *args: Any, environment: str | None, variables: tuple[str, ...], allow_empty: bool, **rest: Any
    ) -> Any:
        return command(*args, reading=Reading(environment, variables, allow_empty), **rest)

    return _with(_READING, gathered)  # type: ignore[return-value]  # same command, other parameters


def project(command: Command) -> Command:
    """DIR, --env, --var and --allow-empty, as ``reading``."""

    @functools.wraps(command)
    def gathered(
        *args: Any,
        directory: Path,
        environment: str | None,
        variables: tuple[str, ...],
        allow_empty: bool,
        **rest: Any,
    ) -> Any:
        return command(*args, reading=Reading(environment, variables, allow_empty, directory), **rest)

    return _with((directory_argument, *_READING), gathered)  # type: ignore[return-value]  # as above


def limits(command: Command) -> Command:
    """--target, --exclude, --allow-deletes and --parallelism, as ``limits``."""
    return _with((*_NARROWING, _ALLOW_DELETES, *_PACE), _limited(command))


def reading_limits(command: Command) -> Command:
    """Those of ``limits`` that mean something where nothing is deleted."""
    return _with((*_NARROWING, *_PACE), _limited(command))


def _limited(command: Command) -> Command:
    @functools.wraps(command)
    def gathered(
        *args: Any,
        targets: tuple[str, ...],
        excludes: tuple[str, ...],
        parallelism: int,
        allow_deletes: int | None = None,
        **rest: Any,
    ) -> Any:
        return command(*args, limits=Limits(targets, excludes, allow_deletes, parallelism), **rest)

    return gathered  # type: ignore[return-value]  # as above


def directory_argument(command: Command) -> Command:
    """DIR, the project directory; the current one when left out."""
    return click.argument("directory", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())(
        command
    )


def arming_target(command: Command) -> Command:
    """TARGET and --partition: one site, or one partition of it."""
    options = (
        click.argument("target", metavar="TARGET"),
        click.option(
            "--partition", type=int, metavar="N", help="Only this partition, by CHeKT's partition id."
        ),
    )
    return _with(options, command)


def written_address(text: str) -> Address:
    """The address that a person wrote. Raises ConfigError."""
    from reconciler.model import Address

    try:
        return Address.parse(text)
    except ValueError as exc:
        raise ConfigError(str(exc), hint="Write it as the plan does: site:acme/gangnam-hq.") from exc


LEDGER_URL = "RECONCILER_LEDGER_URL"


def ledger_url(command: Command) -> Command:
    """--ledger, the URL of the database that a fleet shares."""
    return click.option(
        "--ledger",
        metavar="URL",
        required=True,
        envvar=LEDGER_URL,
        help=f"The PostgreSQL ledger that the fleet shares (or ${LEDGER_URL}).",
    )(command)


def fleet(command: Command) -> Command:
    """--fleet."""
    return click.option(
        "--fleet",
        is_flag=True,
        help="Let workers (`reconciler worker`) do it, dealer by dealer; needs a ledger on PostgreSQL.",
    )(command)


def lock_timeout(command: Command) -> Command:
    """--lock-timeout, in seconds."""

    def seconds(_context: click.Context, _parameter: click.Parameter, text: str) -> float:
        from reconciler.cli.moments import length

        return length("--lock-timeout", text)

    return click.option(
        "--lock-timeout",
        metavar="TIME",
        default="0",
        show_default=True,
        callback=seconds,
        help="Wait this long, such as 30s or 5m, for a lock that another run holds.",
    )(command)


def output_format(*formats: str, default: str = "text") -> Callable[[Command], Command]:
    """--format, one of ``formats``."""
    return click.option(
        "--format",
        "-f",
        "output_format",
        type=click.Choice(formats),
        default=default,
        show_default=True,
        help="How to print the result. With json, errors are JSON on stdout too.",
    )


def parse_variables(pairs: Sequence[str]) -> Mapping[str, str]:
    """``NAME=VALUE`` options as a mapping. Raises ConfigError for one without a name or ``=``."""
    variables: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ConfigError(f"--var {pair!r} is not NAME=VALUE", hint="write --var region=west")
        variables[name] = value
    return variables
