"""``schedule``: when sites are armed. Reads manifests, and overrides from the ledger; changes nothing."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import click

from reconciler.cli import fleets, options
from reconciler.cli.console import Console
from reconciler.cli.moments import FORMS, moment, written_date
from reconciler.cli.schedule_diff import diff
from reconciler.cli.schedule_simulate import simulate
from reconciler.errors import ConfigError
from reconciler.times import utc_text

if TYPE_CHECKING:  # start-up stays instant
    from reconciler.arming.fleet import Fleet, Overrides
    from reconciler.arming.states import State
    from reconciler.manifests import Project
    from reconciler.render.timeline import Standing

MOST_DAYS = 92
"""Days of an HTML page: a quarter."""


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
@fleets.TARGETS
@options.output_format("text", "json")
@click.pass_obj
def show(
    console: Console, reading: options.Reading, at: str, targets: tuple[str, ...], output_format: str
) -> None:
    """Show what should be armed at an instant, why, and until when, overrides included."""
    from reconciler.arming.zones import tzdata_version
    from reconciler.render import timeline

    instant = moment("--at", at, console.runtime().clock())
    project = reading.load()
    fleet = fleets.fleet_of(project, targets)
    standings = _standings(fleet, instant, fleets.overrides_of(console, project, fleet))
    if output_format == "json":
        document = timeline.standings_json(standings, instant, tzdata_version())
        console.document({**document, "warnings": list(project.warnings)})
        return
    console.warn(project.warnings)
    fleets.say_if_empty(console, fleet)
    fleets.stream(console, timeline.standings_text(standings, instant, tzdata_version()))


@schedule.command(
    epilog="""\b
Examples:
  reconciler schedule transitions --from now --to +7d
  reconciler schedule transitions --from 2026-11-01 --to 2026-12-01 --format jsonl
  reconciler schedule transitions --from now --to +28d --format ics > arming.ics
  reconciler schedule transitions --from 2026-11-16 --format html > week.html"""
)
@options.project
@fleets.TARGETS
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
    from reconciler.arming.zones import tzdata_version, zone
    from reconciler.render import timeline

    first, last = _span(console, start, end)
    project = reading.load()
    fleet = fleets.fleet_of(project, targets)
    overrides = fleets.overrides_of(console, project, fleet) if with_overrides else {}
    warnings = [*project.warnings, *fleets.vanished(fleet, first, last)]
    changes = fleet.transitions(first, last, overrides)
    if output_format == "json":
        rows = [timeline.change_json(target, zone(target.zone), change) for target, change in changes]
        document = {
            "from": utc_text(first),
            "to": utc_text(last),
            "tzdata": tzdata_version(),
            "transitions": rows,
            "warnings": warnings,
        }
        console.document(document)
        return
    console.warn(warnings)
    fleets.say_if_empty(console, fleet)
    if output_format == "html":
        first_date = written_date(start)
        console.out(_page(console, project, fleet, overrides, (first, last), first_date, warnings))
    elif output_format == "ics":
        from reconciler.arming.ical import armed_spans, calendar_text

        now = console.runtime().clock()
        console.out(calendar_text(armed_spans(fleet, first, last, overrides), now))
    elif output_format == "jsonl":
        fleets.stream(console, timeline.changes_jsonl(changes))
    else:
        fleets.stream(console, timeline.changes_text(changes, fleet.targets))


def _page(
    console: Console,
    project: Project,
    fleet: Fleet,
    overrides: Overrides,
    span: tuple[dt.datetime, dt.datetime],
    first: dt.date | None,
    warnings: list[str],
) -> str:
    from reconciler.arming.zones import tzdata_version
    from reconciler.render.week import Weeks, to_html

    start, end = span
    days = max(1, -((start - end) // dt.timedelta(days=1)))
    if days > MOST_DAYS:
        raise ConfigError(f"a page shows at most {MOST_DAYS} days, not {days}", hint="choose a nearer --to")
    names = {str(one.address): str(one.fields["name"]) for one in project.resources if "name" in one.fields}
    made = console.runtime().clock()
    return to_html(Weeks(fleet, overrides, names, start, first, days, made, tzdata_version(), warnings))


def _span(console: Console, start: str, end: str) -> tuple[dt.datetime, dt.datetime]:
    now = console.runtime().clock()
    first = moment("--from", start, now)
    last = moment("--to", end, now, after=first)
    if last < first:
        raise ConfigError(f"--to {end} lies before --from {start}", hint="write the earlier time in --from")
    return first, last


def _standings(fleet: Fleet, instant: dt.datetime, overrides: Overrides) -> list[Standing]:
    from reconciler.render.timeline import Standing

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


schedule.add_command(diff)
schedule.add_command(simulate)
