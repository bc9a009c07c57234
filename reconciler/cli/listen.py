"""``listen``: take webhooks, hand their events on, and look at what could not be handed on."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.console import Console, OutputError, printable
from reconciler.cli.signals import stop_on_signal
from reconciler.errors import ConfigError

if TYPE_CHECKING:  # start-up stays instant
    from collections.abc import Callable

    from reconciler.ledger import Consumption, Ledger
    from reconciler.listening.admission import Refusal
    from reconciler.listening.service import Ears, Service
    from reconciler.manifests import Project
    from reconciler.model import JsonObject
    from reconciler.runtime import Runtime

_METRICS_SECONDS = 15.0
_QUIET_SECONDS = 10.0
"""Between two lines about refusals of one kind: a flood of them must not fill the log."""


@click.group(cls=options.RunGroup)
def listen() -> None:
    """Take CHeKT's webhooks and hand their events on, at least once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options of a run ask for."""

    address: str | None
    behind_proxy: bool
    metrics: Path | None
    output_format: str
    lock_timeout: float


asked_for = options.gathered_as(
    "asked",
    Asked,
    click.option("--address", metavar="IP:PORT", help="Listen here instead of where reconciler.yaml says."),
    click.option(
        "--behind-proxy",
        is_flag=True,
        help="A proxy in front speaks TLS; needed to listen on more than this machine.",
    ),
    options.metrics,
    click.option(
        "--format",
        "-f",
        "output_format",
        type=click.Choice(("text", "json")),
        default="text",
        show_default=True,
        help="Of the log on stderr; stdout is for consumers that log.",
    ),
    options.lock_timeout,
)


@listen.command(
    epilog="""\b
Examples:
  reconciler listen sites --env production            as a service, behind a proxy that speaks TLS
  reconciler listen sites --address 127.0.0.1:0       on a free port
  reconciler listen status sites                      what was received, refused, done, set aside
  reconciler listen retry sites                       try again what was set aside

A delivery is answered 200 once its event is on disk; bad ones are refused and counted. reconciler.yaml
says under `listen` where CHeKT delivers, what proves its deliveries, and who is told of the events."""
)
@options.project
@asked_for
@click.pass_obj
def run(console: Console, reading: options.Reading, asked: Asked) -> None:
    """Listen for the webhooks of DIR until stopped.

    `listen status` shows what was received and handed on, `listen retry` tries again what was set aside.
    """
    from reconciler.listening.opening import settings_of
    from reconciler.listening.service import listening_lock, open_service

    if asked.output_format == "json":
        console.log_format = "json"
    project = reading.load()
    settings_of(project)
    runtime = console.runtime(asked.lock_timeout)
    lost = threading.Event()
    with listening_lock(project, runtime, "listen"), stop_on_signal(console) as stop:
        ears = _ears(console, runtime, stop, lost)
        opened = open_service(project, runtime, ears, address=asked.address, behind_proxy=asked.behind_proxy)
        with opened as service:
            _say(console, service)
            while not stop.wait(_METRICS_SECONDS if asked.metrics else None):
                _write_metrics(service.ledger, runtime, asked.metrics)
        _end(console, project, runtime, asked.metrics)
    if lost.is_set():
        raise BrokenPipeError


def _ears(console: Console, runtime: Runtime, stop: threading.Event, lost: threading.Event) -> Ears:
    """Where the service tells: its log on stderr, events on stdout; a reader that went away ends the run."""
    from reconciler.listening.service import Ears

    turn = threading.Lock()

    def write(line: str) -> None:
        try:
            with turn:
                console.out(line)
        except (BrokenPipeError, OutputError):
            lost.set()
            stop.set()
            raise

    return Ears(
        told=lambda text: console.warn([text]),
        refused=refusals(console, runtime),
        write=write,
    )


def refusals(console: Console, runtime: Runtime) -> Callable[[Refusal, str], None]:
    """Tells of refusals: at once of the first of its kind, then of how many more there were."""
    lock = threading.Lock()
    last: dict[Refusal, float] = {}
    silent: dict[Refusal, int] = {}

    def refused(refusal: Refusal, peer: str) -> None:
        now = runtime.clock().timestamp()
        with lock:
            if now - last.get(refusal, 0) < _QUIET_SECONDS:
                silent[refusal] = silent.get(refusal, 0) + 1
                return
            last[refusal] = now
            more = silent.pop(refusal, 0)
        at = f" at {refusal.endpoint}" if refusal.endpoint else ""
        others = f", and {more} more since the last line" if more else ""
        cause = f" ({refusal.cause})" if refusal.cause else ""
        console.warn([f"refused{at}: {refusal.reason.replace('_', ' ')}{cause}, from {peer}{others}"])

    return refused


def _say(console: Console, service: Service) -> None:
    endpoints = service.settings.endpoints.items()
    lines = [
        f"Listening on {service.receiver.url}, plain http: only a proxy that speaks TLS should reach it."
    ]
    for name, each in endpoints:
        path = f"{each.path}/***" if each.secret_path is not None else each.path
        told = ", ".join(each.consumers) or "nobody; its events are kept in the ledger"
        lines.append(f"  {path}  {name} (system {each.system}): told to {told}")
    for line in lines:
        console.note(printable(line))
    for name, each in endpoints:
        for consumer, its in each.consumers.items():
            if its.command is not None and shutil.which(its.command[0]) is None:
                console.warn([f"{name}/{consumer}: there is no program {its.command[0]}; its events fail"])


def _write_metrics(ledger: Ledger, runtime: Runtime, path: Path | None) -> None:
    from reconciler.files import write_whole
    from reconciler.listening.figures import metrics_text

    if path is not None:
        write_whole(path, metrics_text(ledger.delivery_figures(), runtime.clock()))


def _end(console: Console, project: Project, runtime: Runtime, metrics: Path | None) -> None:
    """The last figures, and what is left to the next start."""
    from reconciler.listening.figures import left_to, named
    from reconciler.runtime import store_of

    with store_of(project, runtime).open() as ledger:
        _write_metrics(ledger, runtime, metrics)
        waiting = left_to(named(project.settings.listen), ledger.delivery_figures())
    left = f"{waiting} left for the next start" if waiting else "nothing is left to hand on"
    console.note(f"Stopped: every event that was answered is in the ledger, {left}.")


@listen.command(
    epilog="""\b
Examples:
  reconciler listen status sites
  reconciler listen status sites --format json"""
)
@options.project
@options.output_format("text", "json")
@click.pass_obj
def status(console: Console, reading: options.Reading, output_format: str) -> None:
    """What was received, refused and handed on since the ledger began, and every event set aside."""
    from reconciler.listening.figures import named, status_json, status_text

    project = reading.load()
    serving = named(project.settings.listen)
    with _inbox(console, project) as ledger:
        figures, aside = ledger.delivery_figures(), ledger.consumptions_set_aside()
    if output_format == "json":
        console.document(status_json(figures, aside, serving))
        return
    console.out(printable("\n".join(status_text(figures, aside, serving)) or "Nothing was ever delivered."))


@listen.command(
    epilog="""\b
Examples:
  reconciler listen retry sites
  reconciler listen retry sites --consumer app-events/crm
  reconciler listen retry sites --delivery 17 --delivery 21"""
)
@options.project
@click.option("--delivery", "numbers", type=int, multiple=True, metavar="N", help="Only this delivery.")
@click.option("--consumer", "consumers", multiple=True, metavar="ENDPOINT/NAME", help="Only this consumer.")
@options.output_format("text", "json")
@click.pass_obj
def retry(
    console: Console,
    reading: options.Reading,
    numbers: tuple[int, ...],
    consumers: tuple[str, ...],
    output_format: str,
) -> None:
    """Try again what was set aside; a receiver that runs does so within a second."""
    with _inbox(console, reading.load()) as ledger, ledger.transaction():
        now = console.runtime().clock()
        again = [
            each
            for each in ledger.consumptions_set_aside()
            if (not numbers or each.delivery in numbers)
            and (not consumers or f"{each.endpoint}/{each.consumer}" in consumers)
            and ledger.retry_consumption(each.delivery, each.consumer, now)
        ]
    if not again and (numbers or consumers):
        raise ConfigError("nothing that was asked for is set aside", hint="See `reconciler listen status`.")
    if output_format == "json":
        console.document({"retried": [_retried(each) for each in again]})
        return
    for each in again:
        console.out(printable(f"{each.delivery}  {each.endpoint}/{each.consumer}  {each.event_id}"))
    console.out(f"{len(again)} to try again." if again else "Nothing is set aside.")


def _retried(each: Consumption) -> JsonObject:
    return {
        "delivery": each.delivery,
        "endpoint": each.endpoint,
        "consumer": each.consumer,
        "event_id": each.event_id,
    }


def _inbox(console: Console, project: Project) -> Ledger:
    """The ledger that holds the inbox. Raises ConfigError for one on a git branch."""
    from reconciler.listening.opening import check_ledger
    from reconciler.runtime import store_of

    check_ledger(project)
    return store_of(project, console.runtime()).open()
