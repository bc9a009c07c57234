"""``override``: a person's order that stands above the schedule of one site or partition, for a time."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.console import Console, printable
from reconciler.cli.moments import FORMS, moment
from reconciler.errors import ConfigError

if TYPE_CHECKING:  # start-up stays instant
    from reconciler.ledger import Override
    from reconciler.manifests import Project
    from reconciler.model import Address

STATES = ("disarmed", "armed_stay", "armed_night", "armed_away")


@click.group()
def override() -> None:
    """Arm or disarm against the schedule, until a stated time. The ledger keeps who ordered it and why.

    Nothing is sent: the next `reconciler enforce` obeys, and `reconciler schedule show` shows it at once.
    """


@override.command(
    "set",
    epilog=f"""\b
Examples:
  reconciler override set site:acme/hq --state armed_away --until +2h --reason "Evacuated"
  reconciler override set site:acme/hq sites --partition 2 --state disarmed \\
      --until 2026-11-20T23:00+09:00 --reason "Stocktaking"

Times are written {FORMS}.""",
)
@options.arming_target
@options.project
@click.option("--state", type=click.Choice(STATES), required=True, help="What the target should be.")
@click.option("--until", metavar="T", required=True, help="When the schedule decides again.")
@click.option("--reason", metavar="TEXT", required=True, help="Why; shown wherever the override decides.")
@click.pass_obj
def set_(
    console: Console,
    reading: options.Reading,
    target: str,
    partition: int | None,
    state: str,
    until: str,
    reason: str,
) -> None:
    """Put TARGET, such as site:acme/hq, into a state until a time; it replaces the one in force for it."""
    from reconciler.ledger import user_name
    from reconciler.manifests.arming_model import check_model
    from reconciler.runtime import store_of

    runtime = console.runtime()
    now = runtime.clock()
    end = moment("--until", until, now).replace(microsecond=0)
    if end <= now:
        raise ConfigError(f"--until {until} has passed", hint="give a time that is still to come")
    if not reason.strip():
        raise ConfigError("--reason is empty", hint="say why, for those who find the override later")
    project = reading.load()
    check_model(project, "chekt_triggered")
    site = _armed_site(project, target, partition)
    with store_of(project, runtime).open() as book:
        made = book.set_override(
            site, partition, state, until=end, reason=reason, made_by=user_name(), now=now
        )
    zones = _zones(project)
    console.out(_line(made, zones))


@override.command(
    "list",
    epilog="""\b
Examples:
  reconciler override list
  reconciler override list sites --format json""",
)
@options.project
@options.output_format("text", "json")
@click.pass_obj
def list_(console: Console, reading: options.Reading, output_format: str) -> None:
    """List the overrides in force, oldest first."""
    from reconciler.runtime import store_of

    runtime = console.runtime()
    now = runtime.clock()
    project = reading.load()
    store = store_of(project, runtime)
    found: list[Override] = []
    if store.exists():
        with store.open() as book:
            found = book.overrides(now)
    if output_format == "json":
        document = {
            "environment": project.environment.name,
            "overrides": [_json(one) for one in found],
        }
        console.document(document)
        return
    zones = _zones(project)
    lines = [_line(one, zones) for one in found] or ["No override is in force."]
    console.out("\n".join(lines))


@override.command(
    epilog="""\b
Examples:
  reconciler override clear site:acme/hq
  reconciler override clear site:acme/hq sites --partition 2"""
)
@options.arming_target
@options.project
@click.pass_obj
def clear(console: Console, reading: options.Reading, target: str, partition: int | None) -> None:
    """End the override of TARGET now; the schedule decides again."""
    from reconciler.runtime import store_of

    runtime = console.runtime()
    now = runtime.clock()
    project = reading.load()
    store = store_of(project, runtime)
    # A site that left the manifests, or its schedule, can still have an override to be rid of.
    site = _address(target)
    cleared = False
    if store.exists():
        with store.open() as book:
            held = any(one.target == site and one.partition == partition for one in book.overrides(now))
            cleared = book.clear_override(site, partition, now) and held
    if not cleared:
        raise ConfigError(
            f"no override is in force for {_named(site, partition)}",
            hint="see `reconciler override list`; an override of one partition is cleared with --partition N",
        )
    console.out(f"Cleared. The schedule of {printable(_named(site, partition))} decides again.")


def _address(text: str) -> Address:
    from reconciler.model import Address

    try:
        address = Address.parse(text)
    except ValueError as exc:
        raise ConfigError(f"TARGET {exc}", hint="write a site, such as site:acme/hq") from exc
    if address.kind != "site":
        raise ConfigError(f"TARGET {text} is no site", hint="write a site, such as site:acme/hq")
    return address


def _armed_site(project: Project, text: str, partition: int | None) -> Address:
    """The site that ``text`` names, if a schedule arms it, or ``partition`` of it. Raises ConfigError."""
    from reconciler.timetable import fleet_of

    address = _address(text)
    armed = fleet_of(project).targets
    partitions = [target.partition for target in armed if target.address == str(address)]
    if not partitions:
        if any(resource.address == address for resource in project.resources):
            raise ConfigError(
                f"no schedule arms {address}, so nothing would obey an override",
                hint="give the site a schedule: `arming: {schedule: ID}`",
            )
        near = difflib.get_close_matches(text, {target.address for target in armed}, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "write a site, such as site:acme/hq"
        raise ConfigError(f"there is no {address} in this project", hint=hint)
    if partition is not None and partition not in partitions:
        known = [number for number in partitions if number is not None]
        hint = (
            f"write one of {', '.join(map(str, known))}, or leave --partition out for all of them"
            if known
            else "leave --partition out: one schedule arms the whole site"
        )
        raise ConfigError(f"no schedule arms partition {partition} of {address}", hint=hint)
    return address


def _zones(project: Project) -> dict[str, str]:
    """The time zone of every armed site, for people."""
    from reconciler.timetable import fleet_of

    return {target.address: target.zone for target in reversed(fleet_of(project).targets)}


def _named(site: Address, partition: int | None) -> str:
    return str(site) if partition is None else f"{site} partition {partition}"


def _line(one: Override, zones: dict[str, str]) -> str:
    from reconciler.arming.zones import zone
    from reconciler.render.timeline import spoken
    from reconciler.times import utc_text

    utc = utc_text(one.until)
    known = zones.get(str(one.target))
    until = utc if known is None else f"{spoken(one.until, zone(known))} ({utc})"
    name = printable(_named(one.target, one.partition))
    why = printable(f"{one.reason} ({one.made_by}, {utc_text(one.created_at)})")
    return f"{one.state:<11}  {name}  until {until}: {why}" + ("" if known else "  [no schedule arms it]")


def _json(one: Override) -> dict[str, object]:
    from reconciler.times import utc_text

    return {
        "target": str(one.target),
        "partition": one.partition,
        "state": one.state,
        "until": utc_text(one.until),
        "reason": one.reason,
        "made_by": one.made_by,
        "created_at": utc_text(one.created_at),
    }
