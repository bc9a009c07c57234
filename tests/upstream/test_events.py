"""Test events raise no real alarm, and their media go where the answer says, without our credentials."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.chekt.media import check_upload_url, upload
from reconciler.chekt.telling import media_urls
from reconciler.errors import RemoteError, UnsupportedError
from reconciler.manifests import load
from reconciler.redaction import Redactor
from reconciler.sandbox import EVENT_KEY, Fault, Switches
from reconciler.upstream.events import check_host
from tests.integration.conftest import Cli, Served

SEND = (
    "event",
    "send",
    "--type",
    "alarm",
    "--location",
    "Z6RSOG",
    "--recorder",
    "Z6RANV",
    "--camera",
    "door",
)


@pytest.fixture
def home(project: Callable[..., Path]) -> Path:
    return project(sites_yaml="kind: dealer\nid: acme\ndealer_id: 12345\n")


def pictures(home: Path, count: int) -> list[str]:
    """Options that name ``count`` files."""
    for number in range(count):
        (home / f"{number}.jpg").write_bytes(b"picture %d" % number)
    return [text for number in range(count) for text in ("--media", str(home / f"{number}.jpg"))]


def events(served: Served) -> list[dict[str, Any]]:
    return [dict(row.body) for row in served.sandbox.store.all("partner_event")]


@pytest.mark.parametrize("form", ["urls", "objects"])
@pytest.mark.parametrize("key", ["", EVENT_KEY])
def test_an_event_and_its_media_arrive(served: Served, cli: Cli, home: Path, form: str, key: str) -> None:
    served.sandbox.switches = Switches(rate_limits=False).changed({"event_uploads": 2, "upload_form": form})
    if key:
        (home / "key").write_text(key, encoding="utf-8")
        (home / "key").chmod(0o600)
        settings = "version: 1\nenvironments: {embedded: {event_api_key: {file: key}}}\n"
        (home / "reconciler.yaml").write_text(settings, encoding="utf-8")
    done = cli(*SEND, home, *pictures(home, 2), "--format", "json")
    assert (done.code, len(done.json["uploaded"])) == (0, 2), done.err
    [event] = events(served)
    assert {name: event[name] for name in done.json["event"]} == done.json["event"]
    digest = hashlib.sha256(b"picture 1").hexdigest()
    assert event["uploads"]["1"] == {"bytes": 9, "sha256": digest}
    sent = next(each for each in served.log() if each.path == "/partner/v1/events")
    assert (sent.credential == "event key") is bool(key)
    assert ("POST /oauth/token" in [f"{r.method} {r.path}" for r in served.log()]) is not bool(key)


def test_an_event_without_an_answer_is_repeated_by_its_id(served: Served, cli: Cli, home: Path) -> None:
    served.sandbox.add_fault(Fault("drop", "POST", "/partner/v1/events", when="after"))
    lost = cli(*SEND, home)
    [event] = events(served)
    assert (lost.code, f"--event-id {event['event_id']}" in lost.err) == (1, True)


def test_more_media_than_urls_is_told(served: Served, cli: Cli, home: Path) -> None:
    done = cli(*SEND, home, *pictures(home, 2))
    assert (done.code, "with 1 of 2 files" in done.out, "no URL for it" in done.out) == (1, True, True)


@pytest.mark.parametrize(
    "host",
    [
        "https://api.chekt.com",
        "https://API.CHEKT.COM.",
        "https://api.chektdev.com.example.com",
        "https://chektdev.com",
        "https://hooks.example.com",
    ],
)
def test_no_other_host_gets_an_event_and_no_setting_lifts_that(cli: Cli, home: Path, host: str) -> None:
    live = f"version: 1\nenvironments:\n  live: {{base_url: '{host}', sandbox: true, accept: inferred}}\n"
    (home / "reconciler.yaml").write_text(live, encoding="utf-8")
    refused = cli(*SEND, home, "--env", "live")
    assert (refused.code, "nothing lifts this" in refused.err) == (1, True)


def test_the_development_host_is_one(home: Path) -> None:
    live = "version: 1\nenvironments:\n  {dev: {base_url: 'https://api.chektdev.com'}, two: {}}\n"
    (home / "reconciler.yaml").write_text(live, encoding="utf-8")
    check_host(load(home, environment="dev", env={}))
    with pytest.raises(UnsupportedError):
        check_host(load(home, environment="dev", env={"CHEKT_BASE_URL": "https://api.chekt.com"}))


@pytest.mark.parametrize(
    "url",
    [
        "http://media.example.com/a?signature=abcdefgh",
        "ftp://127.0.0.1/a",
        "file:///etc/passwd",
        "https://user:password@media.example.com/a",
        "/relative",
        "https://",
    ],
)
def test_no_file_goes_in_the_clear_or_nowhere(url: str) -> None:
    with pytest.raises(RemoteError) as refused:
        check_upload_url(url, Redactor())
    assert "abcdefgh" not in refused.value.message


class Store(http.server.BaseHTTPRequestHandler):
    """A media store: keeps the headers of each PUT; ``/moved`` points elsewhere."""

    heard: list[dict[str, str]]

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append({name.lower(): value for name, value in self.headers.items()})
        moved = self.path.startswith("/moved")
        self.send_response(302 if moved else 200)
        if moved:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@contextmanager
def media_store() -> Iterator[tuple[str, list[dict[str, str]]]]:
    heard: list[dict[str, str]] = []
    kind = type("Kept", (Store,), {"heard": heard})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", heard
        server.shutdown()


def test_an_upload_carries_no_credential_and_follows_no_redirect() -> None:
    redactor = Redactor()
    with media_store() as (url, heard):
        upload(f"{url}/a?signature=abcdefgh", b"x", "image/jpeg", redactor=redactor)
        with pytest.raises(RemoteError, match="302"):
            upload(f"{url}/moved", b"x", "image/jpeg", redactor=redactor)
    assert len(heard) == 2, "the redirect was not followed"
    assert (
        not {"authorization", "x-api-key", "cookie", "idempotency-key", "x-partner-trace-id"}
        & heard[0].keys()
    )
    assert heard[0]["content-type"] == "image/jpeg"
    assert redactor("signature=abcdefgh") == "***"


def test_a_file_that_is_too_large_or_none_stops_the_event(
    served: Served, cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.chekt.media.LARGEST", 1024**2)
    (home / "big.mp4").write_bytes(bytes(1024**2 + 1))
    for file, said in (("big.mp4", "larger than 1 MiB"), ("none.jpg", "is no file"), (".", "is no file")):
        refused = cli(*SEND, home, "--media", home / file)
        assert (refused.code, said in refused.err) == (1, True)
    assert events(served) == []


def test_secrets_stay_out_of_the_debug_log(served: Served, cli: Cli, home: Path) -> None:
    (home / "key").write_text(EVENT_KEY, encoding="utf-8")
    (home / "key").chmod(0o600)
    settings = "version: 1\nenvironments: {embedded: {event_api_key: {file: key}}}\n"
    (home / "reconciler.yaml").write_text(settings, encoding="utf-8")
    done = cli("--debug", *SEND, home, *pictures(home, 1))
    assert done.code == 0
    assert "x-api-key: ***" in done.err.lower()
    assert EVENT_KEY not in done.err
    assert "PUT /sim/v0/uploads/" in done.err
    assert "signature=" not in done.err.replace("signature=***", "")


@pytest.mark.parametrize(
    ("answer", "urls"),
    [
        ({"upload_urls": ["a", "b"]}, ["a", "b"]),
        ({"data": {"media": [{"id": 1, "upload_url": "a"}]}}, ["a"]),
        ({"upload_url": "a"}, ["a"]),
        ({"media": [{"put_url": "a", "get_url": "b"}, 5]}, []),
        ({}, []),
        (None, []),
        ([], []),
    ],
)
def test_upload_urls_are_found_in_any_shape_that_is_clear(answer: Any, urls: list[str]) -> None:
    assert media_urls(answer) == urls


def test_the_embedded_sandbox_takes_events_and_media(cli: Cli, home: Path) -> None:
    done = cli(*SEND, home, *pictures(home, 1))
    assert (done.code, "with 1 of 1 files" in done.out) == (0, True), done.err
