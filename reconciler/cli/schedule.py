"""``schedule``: when sites are armed. Reads manifests, and overrides from the ledger; changes nothing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.console import Console, printable
from reconciler.cli.moments import FORMS, moment, written_date
from reconciler.errors import ConfigError

if TYPE_CHECKING:  # start-up stays instant
    from reconciler.arming.fleet import Fleet, Overrides
    from reconciler.arming.states import State
    from reconciler.manifests import Project
    from reconciler.planning.scope import Scope
    from reconciler.render.comparison import Side
    from reconciler.render.timeline import Standing

BATCH = 2000
"""Lines written at once: long answers stream, whatever the size of the fleet."""

MOST_DAYS = 92
"""Days of an HTML page: a quarter."""

TARGETS = click.option(
    "--target",
    "-t",
    "targets",
    metavar="GLOB",
    multiple=True,
    help="Only these sites, such as 'site:acme/*'; may be repeated.",
)


@click.group(epilog=f"Times are written {FORMS}.")
def schedule() -> None:
    """Show when sites are armed and disarmed, and why."""


@schedule.command(
    epilog="""\b
Examples:
  reconciler schedule show
  reconciler schedule show sites --at 2026-12-25T09:00+09:00 --target 'site:acme/*'"""
)
@options.project
@click.option("--at", default="now", show_default=True, metavar="T", help="The instant to ask about.")
@TARGETS
@options.output_format("text", "json")
@click.pass_obj
def show(
    console: Console, reading: options.Reading, at: str, targets: tuple[str, ...], output_format: str
) -> None:
    """Show what should be armed at an instant, why, and until when, overrides included."""
    from reconciler.arming.zones import tzdata_version  # noqa: PLC0415  start-up stays instant
    from reconciler.render import timeline  # noqa: PLC0415

    instant = moment("--at", at, console.runtime().clock())
    project = reading.load()
    fleet = _fleet(project, targets)
    standings = _standings(fleet, instant, _overrides(project, fleet))
    if output_format == "json":
        document = timeline.standings_json(standings, instant, tzdata_version())
        console.out(_document({**document, "warnings": list(project.warnings)}))
        return
    _warn(console, project.warnings)
    _without_targets(console, fleet)
    _stream(console, timeline.standings_text(standings, instant, tzdata_version()))


@schedule.command(
    epilog="""\b
Examples:
  reconciler schedule transitions --from now --to +7d
  reconciler schedule transitions --from 2026-11-01 --to 2026-12-01 --format jsonl
  reconciler schedule transitions --from now --to +28d --format ics > arming.ics"""
)
@options.project
@TARGETS
@click.option("--from", "start", default="now", show_default=True, metavar="T", help="The first instant.")
@click.option(
    "--to",
    "end",
    default="+7d",
    show_default=True,
    metavar="T",
    help="The end, not included; +7d from --from.",
)
@click.option("--with-overrides", is_flag=True, help="Count the overrides that people have set.")
@options.output_format("text", "json", "jsonl", "ics", "html")
@click.pass_obj
def transitions(
    console: Console,
    reading: options.Reading,
    targets: tuple[str, ...],
    start: str,
    end: str,
    output_format: str,
    *,
    with_overrides: bool,
) -> None:
    """List the changes of state from one instant up to another, ascending."""
    from reconciler.arming.zones import tzdata_version, zone  # noqa: PLC0415
    from reconciler.render import timeline  # noqa: PLC0415

    first, last = _span(console, start, end)
    project = reading.load()
    fleet = _fleet(project, targets)
    overrides = _overrides(project, fleet) if with_overrides else {}
    warnings = [*project.warnings, *_vanished(fleet, first, last)]
    changes = fleet.transitions(first, last, overrides)
    if output_format == "json":
        rows = [timeline.change_json(target, zone(target.zone), change) for target, change in changes]
        document = {
            "from": timeline.utc_text(first),
            "to": timeline.utc_text(last),
            "tzdata": tzdata_version(),
            "transitions": rows,
            "warnings": warnings,
        }
        console.out(_document(document))
        return
    _warn(console, warnings)
    _without_targets(console, fleet)
    if output_format == "html":
        first_date = written_date(start)
        console.out(_page(console, project, fleet, overrides, (first, last), first_date, warnings))
    elif output_format == "ics":
        from reconciler.arming.ical import armed_spans, calendar_text  # noqa: PLC0415

        now = console.runtime().clock()
        console.out(calendar_text(armed_spans(fleet, first, last, overrides), now))
    elif output_format == "jsonl":
        _stream(console, timeline.changes_jsonl(changes))
    else:
        _stream(console, timeline.changes_text(changes, fleet.targets))


@schedule.command(
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
@TARGETS
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
    from reconciler.arming.compare import compare  # noqa: PLC0415
    from reconciler.render import comparison  # noqa: PLC0415

    if against is None and release is None:
        raise ConfigError(
            "there is nothing to compare with", hint="give --against OTHER_DIR, --tzdata PATH, or both"
        )
    first = moment("--from", start, console.runtime().clock())
    last = moment("--from", f"+{days}d", first)
    project = reading.load()
    other = project if against is None else reading.load(against)
    scope = _scope(targets, project, other)
    after, new_zones = _side(project, scope, release)
    before, old_zones = _side(other, scope, None)
    compared = comparison.Compared(compare(before, after, first, last), first, last, old_zones, new_zones)
    warnings = [*project.warnings, *_vanished(after, first, last)]
    if output_format == "json":
        console.out(_document({**comparison.to_json(compared), "warnings": warnings}))
        return
    _warn(console, warnings)
    _stream(console, comparison.to_text(compared))


def _page(
    console: Console,
    project: Project,
    fleet: Fleet,
    overrides: Overrides,
    span: tuple[dt.datetime, dt.datetime],
    first: dt.date | None,
    warnings: list[str],
) -> str:
    from reconciler.arming.zones import tzdata_version  # noqa: PLC0415
    from reconciler.render.week import Weeks, to_html  # noqa: PLC0415

    start, end = span
    days = max(1, -((start - end) // dt.timedelta(days=1)))
    if days > MOST_DAYS:
        raise ConfigError(f"a page shows at most {MOST_DAYS} days, not {days}", hint="choose a nearer --to")
    names = {str(one.address): str(one.fields["name"]) for one in project.resources if "name" in one.fields}
    made = console.runtime().clock()
    return to_html(Weeks(fleet, overrides, names, start, first, days, made, tzdata_version(), warnings))


def _side(project: Project, scope: Scope, release: Path | None) -> tuple[Fleet, Side]:
    from reconciler.arming.fleet import Fleet  # noqa: PLC0415
    from reconciler.arming.timeline import Timeline  # noqa: PLC0415
    from reconciler.arming.zones import tzdata_version, zone  # noqa: PLC0415
    from reconciler.cli.zone_data import zone_data  # noqa: PLC0415
    from reconciler.render.comparison import Side  # noqa: PLC0415
    from reconciler.timetable import fleet_of  # noqa: PLC0415

    fleet = fleet_of(project, scope)
    if release is None:
        return fleet, Side(tzdata_version(), zone)
    data = zone_data(release)
    other = Fleet(fleet.targets, lambda schedule, days, name: Timeline(schedule, days, data.zone(name)))
    return other, Side(data.release, data.zone)


def _span(console: Console, start: str, end: str) -> tuple[dt.datetime, dt.datetime]:
    now = console.runtime().clock()
    first = moment("--from", start, now)
    last = moment("--to", end, now, after=first)
    if last < first:
        raise ConfigError(f"--to {end} lies before --from {start}", hint="write the earlier time in --from")
    return first, last


def _scope(globs: tuple[str, ...], *projects: Project) -> Scope:
    """The sites of ``projects`` that ``globs`` name. Raises PlanError for one that names none."""
    from reconciler.planning.scope import Scope  # noqa: PLC0415

    scope = Scope(globs)
    scope.check(
        one.address for project in projects for one in project.resources if one.address.kind == "site"
    )
    return scope


def _fleet(project: Project, globs: tuple[str, ...]) -> Fleet:
    from reconciler.timetable import fleet_of  # noqa: PLC0415

    return fleet_of(project, _scope(globs, project))


def _overrides(project: Project, fleet: Fleet) -> Overrides:
    """What the ledger holds; a project without a ledger has none, and asking makes none."""
    from reconciler.account import ledger_path, open_ledger  # noqa: PLC0415
    from reconciler.timetable import overrides_of  # noqa: PLC0415

    if not ledger_path(project).exists():
        return {}
    with open_ledger(project) as book:
        return overrides_of(book.overrides(), fleet)


def _standings(fleet: Fleet, instant: dt.datetime, overrides: Overrides) -> list[Standing]:
    from reconciler.render.timeline import Standing  # noqa: PLC0415

    decisions = fleet.decisions(instant, overrides)
    following: dict[dt.datetime, list[State]] = {}
    for end in {decision.valid_until for decision in decisions}:
        if end is not None:
            following[end] = [state for state, _ in fleet.holding(end, overrides)]
    return [
        Standing(
            target, decision, None if decision.valid_until is None else following[decision.valid_until][index]
        )
        for index, (target, decision) in enumerate(zip(fleet.targets, decisions, strict=True))
    ]


def _vanished(fleet: Fleet, start: dt.datetime, end: dt.datetime) -> list[str]:
    found = {str(window): window.at for line in fleet.timelines for window in line.vanished(start, end)}
    return sorted(found, key=lambda text: (found[text], text))


def _warn(console: Console, warnings: Iterable[str]) -> None:
    for warning in warnings:
        console.note(f"Warning: {printable(warning)}")


def _without_targets(console: Console, fleet: Fleet) -> None:
    if not fleet.targets:
        console.note("No site here has a schedule: write `arming: {schedule: ID}` in a site.")


def _stream(console: Console, lines: Iterator[str]) -> None:
    while batch := list(islice(lines, BATCH)):
        console.out("\n".join(batch))


def _document(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True)
