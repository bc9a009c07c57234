"""``arming``: the states that a partner's own system reports to CHeKT, and the record of them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.console import Console, printable
from reconciler.cli.moments import FORMS, moment
from reconciler.errors import AmbiguousError, ConfigError, ReportError, UnsupportedError
from reconciler.times import spoken_utc, utc_text

if TYPE_CHECKING:  # start-up stays instant
    from collections.abc import Callable, Iterable, Iterator

    from reconciler.ledger import ArmingReport
    from reconciler.manifests import Project
    from reconciler.model import JsonObject
    from reconciler.runtime import Runtime
    from reconciler.upstream.batch import Summary
    from reconciler.upstream.reporting import Reporting, Told

_WORKERS = 16
_SOURCE = "reconciler"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options of a report say, as they were written."""

    state: str | None
    partition: str
    source: str
    user: str | None
    at: str | None
    zones: tuple[str, ...]
    resync: bool


asked_for = options.gathered_as(
    "asked",
    Asked,
    click.option("--state", metavar="STATE", help="disarmed, armed_away, arm_failure and the like."),
    click.option(
        "--partition", metavar="N|all", default="all", show_default=True, help="CHeKT's number of it."
    ),
    click.option("--source", default=_SOURCE, show_default=True, help="How it was done, such as keypad."),
    click.option("--user", metavar="U", help="Who did it. Default: who runs this."),
    click.option("--at", metavar="T", help="Since when it is so, at most 60 s ahead. Default: now."),
    click.option("--zone", "zones", metavar="N", multiple=True, help="An open zone, of an arm_failure."),
    click.option(
        "--resync", is_flag=True, help="Let CHeKT take a lasting state, whatever was reported before."
    ),
)


@click.group()
def arming() -> None:
    """Report arming states, in a project whose partner arms (arming_model: partner_triggered)."""


@arming.command(
    epilog=f"""\b
Examples:
  reconciler arming report site:acme/hq sites --state armed_away --user "keyholder 4" --source keypad
  reconciler arming report hq sites --state ARM_FAILURE --partition 2 --zone 003
  platform-events | reconciler arming report sites --from -
      lines such as {{"site": "site:acme/hq", "state": "disarmed", "at": "2026-11-20T18:00:05Z"}}, and with
      partition, user, source, zones or resync where they differ from the options

Times are written {FORMS}.""",
    short_help="Tell CHeKT the arming state of a site, or of many.",
)
@click.argument("arguments", metavar="[SITE] [DIR]", nargs=-1)
@options.reading
@asked_for
@click.option(
    "--from", "source_file", type=click.File("rb"), metavar="FILE", help="JSON lines to report; - is stdin."
)
@options.output_format("text", "json")
@options.max_rate
@click.pass_obj
def report(
    console: Console,
    arguments: tuple[str, ...],
    reading: options.Reading,
    asked: Asked,
    source_file: Iterable[bytes] | None,
    output_format: str,
) -> int:
    """Report the state of SITE, or every line of --from, in order for each site.

    CHeKT is told within 5 seconds, or people are alerted. A state that cannot follow on the one reported
    before is refused before anything is sent. Exit code 1 says that a report did not arrive, or may not have.
    A lasting state that nobody took, since CHeKT was out of reach or too busy, stays queued: it goes out
    before the next report of its site, or of a batch, and the alert stays open until then.
    """
    from reconciler.account import open_account
    from reconciler.manifests.arming_model import check_model
    from reconciler.upstream.batch import Lines, report_all
    from reconciler.upstream.reporting import Reporting

    site, directory = _places(arguments, batch=source_file is not None)
    if source_file is not None and asked.state is not None:
        raise ConfigError("--state and --from exclude each other", hint="Write the state in each line.")
    project, runtime = reading.load(directory), console.runtime()
    check_model(project, "partner_triggered")
    _check_ledger(project)
    told = None if site is None else _told(project, runtime, site, asked)
    if told is not None and told.zones and project.environment.report_zones_as is None:
        unsent = "the zones are recorded and not sent: no document shows a field for them"
        console.warn([f"{unsent}, and environments.NAME.report_zones_as names none"])
    with _interrupts_told(console), open_account(project, runtime, "partner") as account:
        reporting = Reporting(account)
        if told is not None:
            _one(console, reporting, told, output_format)
            return 0
        assert source_file is not None
        lines = Lines(source_file, _reader(project, asked))
        summary = report_all(reporting, lines, 1 if project.environment.is_embedded else _WORKERS)
        for failure in reporting.untold:
            console.note(printable(failure))
    _print_summary(console, project, summary, output_format)
    return 1 if summary.failures else 0


@contextmanager
def _interrupts_told(console: Console) -> Iterator[None]:
    """Whoever interrupts a report has not called it off, and is told so."""
    try:
        yield
    except KeyboardInterrupt:
        console.note("What is queued and not sent stays in the ledger: the next report of its site sends it.")
        raise


def _places(arguments: tuple[str, ...], *, batch: bool) -> tuple[str | None, Path]:
    """SITE, which a batch names in its lines, and DIR. Raises ConfigError."""
    most = 1 if batch else 2
    if len(arguments) > most or (not batch and not arguments):
        raise ConfigError(
            f"{len(arguments)} arguments where there are {'[DIR]' if batch else 'SITE [DIR]'}",
            hint="see 'reconciler arming report --help'",
        )
    site = None if batch else arguments[0]
    return site, Path(*arguments[0 if batch else 1 :])


def _check_ledger(project: Project) -> None:
    """Raises UnsupportedError for a ledger that cannot order reports within seconds."""
    from reconciler.manifests.ledger_setting import LedgerBranch

    if isinstance(project.settings.ledger_place, LedgerBranch) and not project.environment.is_embedded:
        raise UnsupportedError(
            "arming reports are put in order through the ledger within seconds, and a git branch is too slow",
            hint="Name a file under `ledger:` in reconciler.yaml.",
        )


def _told(project: Project, runtime: Runtime, site: str, asked: Asked) -> Told:
    from reconciler.ledger import user_name
    from reconciler.upstream.batch import partition_of, state_of
    from reconciler.upstream.naming import named_site
    from reconciler.upstream.reporting import Told

    if asked.state is None:
        raise ConfigError("--state is missing", hint="Write --state, or --from - to report JSON lines.")
    return Told(
        named_site(project, site),
        state_of(asked.state),
        None if asked.at is None else moment("--at", asked.at, runtime.clock()),
        partition_of(asked.partition),
        user_name() if asked.user is None else asked.user,
        asked.source,
        asked.zones,
        asked.resync,
    )


def _reader(project: Project, asked: Asked) -> Callable[[bytes], Told]:
    from reconciler.ledger import user_name
    from reconciler.upstream.batch import read_line

    user = user_name() if asked.user is None else asked.user
    return lambda line: read_line(line, project, user, asked.source)


def _one(console: Console, reporting: Reporting, told: Told, output_format: str) -> None:
    """Report one state and print how it ended. Raises ReportError, AmbiguousError."""
    queued = reporting.queue(told)
    ended = None if queued is None else reporting.deliver(queued)
    for failure in reporting.untold:
        console.note(printable(failure))
    if ended is not None and ended.status == "failed":
        raise ReportError(
            f"{ended.state} of {ended.site} was not reported: {ended.note}",
            hint="Report it again once that is put right.",
            address=ended.site,
        )
    if ended is not None and ended.status == "queued":
        raise ReportError(
            f"{ended.state} of {ended.site} is queued and not reported yet: {ended.note}",
            hint="It goes out before the next report of this site, or of a batch; or now: report it again.",
            address=ended.site,
        )
    if ended is not None and ended.status == "unknown":
        raise AmbiguousError(
            f"nobody knows whether {ended.state} of {ended.site} was reported: {ended.note}",
            hint="Report it again with --resync, or the next state.",
            address=ended.site,
        )
    if output_format == "json":
        outcome: JsonObject = {"outcome": "unchanged"} if ended is None else _json(ended)
        console.document({"site": str(told.site), **outcome})
    elif ended is None:
        console.out(printable(f"{told.site}: {told.state} is what was reported before; nothing was sent."))
    else:
        console.out(printable(_line(ended)))


def _print_summary(console: Console, project: Project, summary: Summary, output_format: str) -> None:
    if output_format == "json":
        console.document({"environment": project.environment.name, **summary.to_json()})
        return
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(summary.counts.items()))
    rows = [
        f"  {'left behind' if each.line is None else f'line {each.line}'}  {each.site or '-'}  "
        f"{each.state or '-'}  {each.outcome}: {each.reason}"
        for each in sorted(summary.failures, key=lambda each: each.line or 0)
    ]
    console.out("\n".join(printable(line) for line in [f"Reports: {counts or 'none'}.", *rows]))


@arming.command(
    epilog="""\b
Examples:
  reconciler arming history site:acme/hq sites
  reconciler arming history hq sites --env production --format json"""
)
@click.argument("site", metavar="SITE")
@options.project
@options.output_format("text", "json")
@click.pass_obj
def history(console: Console, site: str, reading: options.Reading, output_format: str) -> None:
    """Show what was reported of SITE, in order: since when, by whom, and what came of it."""
    from reconciler.runtime import store_of
    from reconciler.upstream.naming import named_site

    project = reading.load()
    where = named_site(project, site)
    store = store_of(project, console.runtime())
    found: list[ArmingReport] = []
    if store.exists():
        with store.open() as book:
            found = book.reports(where)
    if output_format == "json":
        rows: list[JsonObject] = [_json(each) for each in found]
        console.document({"environment": project.environment.name, "site": str(where), "reports": rows})
        return
    console.out("\n".join(printable(_line(each)) for each in found) or f"Nothing was reported of {where}.")


def _line(one: ArmingReport) -> str:
    about = "" if one.partition == "all" else f"  partition {one.partition}"
    zones = f" (zones {', '.join(one.zones)})" if one.zones else ""
    by = f" by {one.user_id}" if one.user_id else ""
    how = f" ({one.source})" if one.source else ""
    mark = ", resynchronised" if one.resync else ""
    note = f": {one.note}" if one.note else ""
    return (
        f"{one.sequence:>4}  {spoken_utc(one.happened_at)}{about}  {one.state}{zones}{by}{how}{mark}  "
        f"{one.status}{note}"
    )


def _json(one: ArmingReport) -> JsonObject:
    settled = None if one.settled_at is None else utc_text(one.settled_at, "milliseconds")
    late = None if one.settled_at is None else (one.settled_at - one.happened_at).total_seconds()
    return {
        "sequence": one.sequence,
        "partition": one.partition,
        "state": one.state,
        "zones": list(one.zones),
        "since": utc_text(one.happened_at, "milliseconds"),
        "user": one.user_id,
        "source": one.source,
        "resync": one.resync,
        "outcome": one.status,
        "settled_at": settled,
        "seconds": late,
        "note": one.note,
        "idempotency_key": one.idempotency_key,
    }
