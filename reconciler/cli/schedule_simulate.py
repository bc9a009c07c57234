"""``schedule simulate``: the enforcer on a simulated clock."""

from __future__ import annotations

import click

from reconciler.cli import fleets, options
from reconciler.cli.console import Console
from reconciler.cli.moments import moment

SIMULATED_FROM = "2026-01-01"
"""Not now: the same command gives the same output on another day."""


@click.command(
    epilog="""\b
Examples:
  reconciler schedule simulate --days 30
  reconciler schedule simulate sites --days 365 --seed 7 --sites 1000 --format json""",
)
@options.project
@fleets.TARGETS
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="How long.")
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="What chance is drawn from."
)
@click.option(
    "--sites", type=click.IntRange(1, 100_000), metavar="N", help="So many sites: the project's, repeated."
)
@click.option(
    "--faults",
    type=click.FloatRange(0, 1000),
    default=1.0,
    show_default=True,
    metavar="X",
    help="So many times the usual mishaps; 0: nothing goes wrong.",
)
@click.option(
    "--from", "start", default=SIMULATED_FROM, show_default=True, metavar="T", help="When it begins."
)
@options.output_format("text", "json")
@click.pass_obj
def simulate(  # noqa: PLR0913, PLR0917 - one parameter an option
    console: Console,
    reading: options.Reading,
    targets: tuple[str, ...],
    days: int,
    seed: int,
    sites: int | None,
    faults: float,
    start: str,
    output_format: str,
) -> None:
    """Run the enforcer on a simulated clock, among people, open doors, outages and 429s.

    Reports the seconds that sites were not as their schedules want them, by cause. The same command
    gives the same output, to the bit. Nothing is sent and nothing is written.
    """
    from reconciler.enforcer import simulation
    from reconciler.enforcer.simulation import report

    project = reading.load()
    setting = simulation.Setting(
        moment("--from", start, console.runtime().clock()),
        days,
        seed,
        simulation.documented_rate(),
        sites,
        simulation.Faults().times(faults),
    )
    found = simulation.simulate(fleets.fleet_of(project, targets), setting)
    if output_format == "json":
        console.document(report.to_json(found))
        return
    fleets.stream(console, report.to_text(found))
