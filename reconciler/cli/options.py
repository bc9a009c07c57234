"""Options that several commands share, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from reconciler.errors import ConfigError

Command = TypeVar("Command", bound=Callable[..., Any])


def directory(command: Command) -> Command:
    """DIR, the project directory; the current one when left out."""
    return click.argument("directory", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())(
        command
    )


def project(command: Command) -> Command:
    """DIR, --env, --var and --allow-empty: which project, in which environment."""
    for option in (
        click.option(
            "--allow-empty",
            is_flag=True,
            help="Accept files and templates that yield no document. Without it an emptied file is an error.",
        ),
        click.option(
            "--var",
            "variables",
            metavar="NAME=VALUE",
            multiple=True,
            help="Variable for templates; may be repeated; wins over reconciler.yaml.",
        ),
        click.option(
            "--env",
            "-e",
            "environment",
            metavar="NAME",
            help="Environment of reconciler.yaml (or $RECONCILER_ENV). Default: embedded.",
        ),
        directory,
    ):
        command = option(command)
    return command


def scope(command: Command) -> Command:
    """--target and --exclude: which resources."""
    for option in (
        click.option(
            "--exclude",
            "excludes",
            metavar="GLOB",
            multiple=True,
            help="Leave out these addresses; may be repeated.",
        ),
        click.option(
            "--target",
            "-t",
            "targets",
            metavar="GLOB",
            multiple=True,
            help="Only these addresses, such as 'site:acme/*'; a site takes its children along.",
        ),
    ):
        command = option(command)
    return command


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


def parallelism(command: Command) -> Command:
    """--parallelism N: how many requests at once."""
    return click.option(
        "--parallelism",
        type=click.IntRange(1, 64),
        default=8,
        show_default=True,
        help="Requests in flight at the same time, at most.",
    )(command)


def allow_deletes(command: Command) -> Command:
    """--allow-deletes N: the number of deletes a person has counted."""
    return click.option(
        "--allow-deletes",
        type=click.IntRange(0),
        metavar="N",
        help="Lift the delete caps for a plan with exactly N deletes and replaces.",
    )(command)


def parse_variables(pairs: Sequence[str]) -> Mapping[str, str]:
    """``NAME=VALUE`` options as a mapping. Raises ConfigError for one without a name or ``=``."""
    variables: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ConfigError(f"--var {pair!r} is not NAME=VALUE", hint="write --var region=west")
        variables[name] = value
    return variables
