"""``schedule diff``: the transitions that a change of manifests or of time-zone data makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import fleets, options
from reconciler.cli.console import Console
from reconciler.cli.moments import moment
from reconciler.errors import ConfigError

if TYPE_CHECKING:  # start-up stays instant
    from reconciler.arming.fleet import Fleet
    from reconciler.manifests import Project
    from reconciler.planning.scope import Scope
    from reconciler.render.comparison import Side


@click.command(
    epilog="""\b
Examples:
  reconciler schedule diff . --against ../main          what this working copy changes
  reconciler schedule diff . --tzdata tzdata-2026.2-py2.py3-none-any.whl --days 365""",
)
@options.project
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="OTHER_DIR",
    help="The project before the change. Default: DIR itself, where --tzdata is given.",
)
@click.option(
    "--tzdata",
    "release",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Decide DIR with this release of tzdata, a wheel or a directory, not with the installed one.",
)
@fleets.TARGETS
@click.option("--from", "start", default="now", show_default=True, metavar="T", help="The first instant.")
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="How long to look.")
@options.output_format("text", "json")
@click.pass_obj
def diff(
    console: Console,
    reading: options.Reading,
    against: Path | None,
    release: Path | None,
    targets: tuple[str, ...],
    start: str,
    days: int,
    output_format: str,
) -> None:
    """Show the transitions that a change adds, drops or moves: from OTHER_DIR to DIR, or to new tzdata.

    Overrides do not count. A transition has moved where it comes back within 12 hours.
    """
    from reconciler.arming.compare import compare
    from reconciler.render import comparison

    if against is None and release is None:
        raise ConfigError(
            "there is nothing to compare with", hint="give --against OTHER_DIR, --tzdata PATH, or both"
        )
    first = moment("--from", start, console.runtime().clock())
    last = moment("--from", f"+{days}d", first)
    project = reading.load()
    other = project if against is None else reading.load(against)
    scope = fleets.scope_of(targets, project, other)
    after, new_zones = _side(project, scope, release)
    before, old_zones = _side(other, scope, None)
    compared = comparison.Compared(compare(before, after, first, last), first, last, old_zones, new_zones)
    warnings = [*project.warnings, *fleets.vanished(after, first, last)]
    if output_format == "json":
        console.document({**comparison.to_json(compared), "warnings": warnings})
        return
    console.warn(warnings)
    fleets.stream(console, comparison.to_text(compared))


def _side(project: Project, scope: Scope, release: Path | None) -> tuple[Fleet, Side]:
    from reconciler.arming.days import LocalDays
    from reconciler.arming.fleet import Fleet
    from reconciler.arming.timeline import Timeline
    from reconciler.arming.zones import tzdata_version, zone
    from reconciler.cli.zone_data import zone_data
    from reconciler.render.comparison import Side
    from reconciler.timetable import fleet_of

    fleet = fleet_of(project, scope)
    if release is None:
        return fleet, Side(tzdata_version(), zone)
    data = zone_data(release)
    other = Fleet(
        fleet.targets,
        lambda schedule, calendars, name: Timeline(LocalDays(schedule, calendars), data.zone(name)),
    )
    return other, Side(data.release, data.zone)
