"""``event``: test events to the Event API, for the sandbox and CHeKT's development host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from reconciler.cli import options
from reconciler.cli.console import Console, printable
from reconciler.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options of an event say."""

    type: str
    location: str
    recorder: str
    camera: str
    event_id: str | None
    status: str
    media: tuple[Path, ...]


asked_for = options.gathered_as(
    "asked",
    Asked,
    click.option(
        "--type", required=True, type=click.Choice(("alarm", "trouble", "arming")), help="What it is."
    ),
    click.option("--location", required=True, metavar="L", help="The partner's own id of the location."),
    click.option("--recorder", required=True, metavar="R", help="The partner's own id of the recorder."),
    click.option("--camera", required=True, metavar="C", help="The partner's own id of the camera."),
    click.option("--event-id", metavar="ID", help="A repeat of an event has its id. Default: a new one."),
    click.option("--status", default="active", show_default=True, help="Of the event."),
    click.option(
        "--media",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A picture or clip, up to 32 MiB; may be repeated.",
    ),
)


@click.group()
def event() -> None:
    """Send test events, to the sandbox and to CHeKT's development host alone."""


@event.command(
    epilog="""\b
Examples:
  reconciler event send sites --type alarm --location Z6RSOG --recorder Z6RANV --camera door-1
  reconciler event send sites --env dev --type alarm --location Z6RSOG --recorder Z6RANV \\
      --camera door-1 --media door.jpg

CHeKT's documents show both a token and an X-API-KEY: environments.NAME.event_api_key chooses the latter."""
)
@options.project
@asked_for
@options.output_format("text", "json")
@options.max_rate
@click.pass_obj
def send(console: Console, reading: options.Reading, asked: Asked, output_format: str) -> int:
    """Send a test event, and its media to where CHeKT wants them.

    A real account is refused: there an event raises an alarm. Exit code 1 says that a file was not uploaded.
    """
    from reconciler.upstream.events import PartnerEvent
    from reconciler.upstream.events import send as send_event

    if not all((asked.location, asked.recorder, asked.camera)):
        raise ConfigError("--location, --recorder and --camera are the partner's own ids", hint="Write them.")
    project, runtime = reading.load(), console.runtime()
    made = PartnerEvent(
        asked.type,
        asked.location,
        asked.recorder,
        asked.camera,
        asked.event_id or str(int(runtime.clock().timestamp() * 1_000_000)),
        asked.status,
        asked.media,
    )
    sent = send_event(project, runtime, made)
    if output_format == "json":
        document = {"event": made.body(), "uploaded": [str(each) for each in sent.uploaded]}
        console.document({**document, "problems": list(sent.problems)})
    else:
        lines = [f"Sent event {made.id}, with {len(sent.uploaded)} of {len(made.media)} files."]
        console.out("\n".join(printable(line) for line in [*lines, *(f"  {each}" for each in sent.problems)]))
    return 1 if sent.problems else 0
