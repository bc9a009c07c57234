"""Test events to the Event API, as a partner's platform sends them (chekt-api/README.md section 4.10).

An event raises an alarm somewhere. So they go to the sandbox and to CHeKT's development host alone.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reconciler import chekt
from reconciler.account import served_by
from reconciler.chekt import telling
from reconciler.connecting import connection_to, simulator
from reconciler.errors import AmbiguousError, ConfigError, RemoteError, UnsupportedError
from reconciler.manifests import Project, secrets
from reconciler.model import JsonObject
from reconciler.planning.digest import digest
from reconciler.runtime import Runtime
from reconciler.urls import is_loopback

if TYPE_CHECKING:  # the type is httpx's
    from reconciler.connecting import Way

DEVELOPMENT = "api.chektdev.com"
"""Isolated data, no real monitoring centre (chekt-api/README.md section 1.1)."""

PRODUCTION = "api.chekt.com"
VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class PartnerEvent:
    """A test event, by the partner's own ids of location, recorder and camera. ``media``: files of it."""

    type: str
    location: str
    recorder: str
    camera: str
    id: str
    status: str = "active"
    media: tuple[Path, ...] = ()

    def body(self) -> JsonObject:
        """The event on the wire."""
        return {
            "version": VERSION,
            "location_id": self.location,
            "recorder_id": self.recorder,
            "camera_id": self.camera,
            "event_id": self.id,
            "event_type": self.type,
            "event_status": self.status,
        }


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of an event: ``uploaded`` of its media, and why others were not, as sentences."""

    event: PartnerEvent
    uploaded: tuple[Path, ...] = ()
    problems: tuple[str, ...] = field(default=())


def check_host(project: Project) -> None:
    """Raises UnsupportedError where an event would raise a real alarm, or might."""
    url = project.environment.base_url
    if url is None or is_loopback(url):
        return
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == DEVELOPMENT:
        return
    why = (
        "is production: people would be sent out" if host == PRODUCTION else "is not known to be one of these"
    )
    raise UnsupportedError(
        f"test events go to the sandbox and to {DEVELOPMENT} alone, and {host} {why}",
        hint="Choose an environment of these with --env; nothing lifts this.",
    )


def read_media(files: Sequence[Path]) -> list[bytes]:
    """The contents of ``files``. Raises ConfigError for one that cannot be read, or is too large."""
    from reconciler.chekt.media import LARGEST  # noqa: PLC0415  httpx loads with it

    found = []
    for file in files:
        try:
            if not file.is_file():
                raise ConfigError(f"--media {file} is no file", hint="Name a picture or a clip.")
            with file.open("rb") as opened:
                content = opened.read(LARGEST + 1)
        except OSError as exc:
            raise ConfigError(
                f"--media {file} cannot be read: {exc.strerror}", hint="Check the file."
            ) from exc
        if len(content) > LARGEST:
            raise ConfigError(
                f"--media {file} is larger than {LARGEST // 1024**2} MiB", hint="Send a shorter clip."
            )
        found.append(content)
    return found


def send(project: Project, runtime: Runtime, event: PartnerEvent) -> Sent:
    """Send ``event`` and upload its media to where the answer says.

    Raises UnsupportedError for a host that is neither the sandbox nor CHeKT's development host, ConfigError
    for a file that cannot be read, AmbiguousError and other RemoteErrors for an event that was not taken.
    """
    check_host(project)
    contents = read_media(event.media)
    environment = project.environment
    key = None
    if environment.event_api_key is not None:
        value = secrets.resolve(environment.event_api_key, project.directory, runtime.env)
        runtime.redactor.add(value)
        key = chekt.EventKey(value)
    served = served_by(project, "partner", sandbox=True)
    with ExitStack() as stack:
        way = stack.enter_context(simulator(project, runtime)) if environment.is_embedded else None
        client = stack.enter_context(
            chekt.connect(
                connection_to(project, runtime, "partner", key),
                served,
                redactor=runtime.redactor,
                transport=way,
                on_wait=runtime.waiting,
            )
        )
        body = event.body()
        intent = digest(["event", body]).removeprefix("sha256:")
        try:
            answered = telling.tell(client, served.operations["event.send"], {}, body, intent)
        except AmbiguousError as exc:
            again = f"Send it again with --event-id {event.id}: a repeat of an event has its id."
            raise AmbiguousError(exc.message, hint=again) from exc
        urls = telling.media_urls(answered)
        files = list(zip(event.media, contents, urls, strict=False))
        uploaded, problems = _upload(files, runtime, way)
        problems += [f"{file}: the answer held no URL for it" for file in event.media[len(urls) :]]
    return Sent(event, tuple(uploaded), tuple(problems))


def _upload(
    files: Sequence[tuple[Path, bytes, str]], runtime: Runtime, way: Way | None
) -> tuple[list[Path], list[str]]:
    """Upload each file's content to its URL; the files that arrived, and why others did not."""
    from reconciler.chekt import media  # noqa: PLC0415  httpx loads with it

    uploaded, problems = [], []
    for file, content, url in files:
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        try:
            media.upload(url, content, kind, redactor=runtime.redactor, observer=runtime.observer, way=way)
        except RemoteError as exc:
            problems.append(f"{file}: {exc.message}")
        else:
            uploaded.append(file)
    return uploaded, problems
