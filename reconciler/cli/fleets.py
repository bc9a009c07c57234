"""What the schedule commands share: the targets a person named, their overrides, and how answers stream."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

from reconciler.cli.console import Console

if TYPE_CHECKING:  # start-up stays instant
    from reconciler.arming.fleet import Fleet, Overrides
    from reconciler.manifests import Project
    from reconciler.planning.scope import Scope

BATCH = 2000
"""Lines written at once: long answers stream, whatever the size of the fleet."""

TARGETS = click.option(
    "--target",
    "-t",
    "targets",
    metavar="GLOB",
    multiple=True,
    help="Only these sites, such as 'site:acme/*'; may be repeated.",
)


def scope_of(globs: tuple[str, ...], *projects: Project) -> Scope:
    """The sites of ``projects`` that ``globs`` name. Raises PlanError for one that names none."""
    from reconciler.planning.scope import Scope

    scope = Scope(globs)
    scope.check(
        one.address for project in projects for one in project.resources if one.address.kind == "site"
    )
    return scope


def fleet_of(project: Project, globs: tuple[str, ...]) -> Fleet:
    """The targets of ``project`` that ``globs`` name, all without any. Raises PlanError, ManifestError."""
    from reconciler import timetable

    return timetable.fleet_of(project, scope_of(globs, project))


def overrides_of(console: Console, project: Project, fleet: Fleet) -> Overrides:
    """What the ledger holds; a project without a ledger has none, and asking makes none."""
    from reconciler import timetable
    from reconciler.runtime import store_of

    store = store_of(project, console.runtime())
    if not store.exists():
        return {}
    with store.open() as book:
        return timetable.overrides_of(book.overrides(), fleet)


def vanished(fleet: Fleet, start: dt.datetime, end: dt.datetime) -> list[str]:
    """The windows that clock changes in ``[start, end)`` skip, as sentences."""
    found = {str(window): window.at for line in fleet.timelines for window in line.vanished(start, end)}
    return sorted(found, key=lambda text: (found[text], text))


def say_if_empty(console: Console, fleet: Fleet) -> None:
    """Tell that no site here has a schedule, if so."""
    if not fleet.targets:
        console.note("No site here has a schedule: write `arming: {schedule: ID}` in a site.")


def stream(console: Console, lines: Iterator[str]) -> None:
    """Print ``lines``, some thousands at a time."""
    while batch := list(islice(lines, BATCH)):
        console.out("\n".join(batch))
