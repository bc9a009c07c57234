"""An event reaches a command on its stdin, a URL as it came, the log as a line; a failure says why."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.ledger import Delivery
from reconciler.listening.consumers import (
    Attempt,
    CommandConsumer,
    ForwardConsumer,
    LogConsumer,
    NotConsumedError,
)
from tests.listening.rig import wait_for

NINE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
BODY = '{"id": "evt_1", "type": "alarm.created", "data": {"name": "강남"}}'.encode()
DELIVERY = Delivery("app-events", "app", "evt_1", "evt_1", "alarm.created", NINE, BODY, id=7)
ATTEMPT = Attempt(DELIVERY, 2)
ENV = {"PATH": os.environ["PATH"]}


def script(text: str) -> list[str]:
    return [sys.executable, "-S", "-c", text]


def test_a_command_gets_the_event_on_stdin_and_what_it_is_about_in_variables(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    told = "{k: v for k, v in os.environ.items() if k.startswith('RECONCILER_')}"
    argv = script(f"import json, os, sys; json.dump([sys.stdin.read(), {told}], open({str(out)!r}, 'w'))")
    CommandConsumer(argv, 10, {**ENV, "RECONCILER_ENV": "dev"}).consume(ATTEMPT)
    body, variables = json.loads(out.read_text(encoding="utf-8"))
    assert body == BODY.decode()
    assert variables == {
        "RECONCILER_ENV": "dev",
        "RECONCILER_EVENT_ID": "evt_1",
        "RECONCILER_EVENT_TYPE": "alarm.created",
        "RECONCILER_SYSTEM": "app",
        "RECONCILER_ENDPOINT": "app-events",
        "RECONCILER_DELIVERY": "7",
        "RECONCILER_ATTEMPT": "2",
    }


@pytest.mark.parametrize(
    ("argv", "seconds", "expected"),
    [
        (["/bin/sh", "-c", "echo first; echo 'no such site' >&2; exit 3"], 10, "exit code 3: no such site"),
        (["/bin/sh", "-c", "printf '\\033[31mred'; exit 1"], 10, "exit code 1: \\u001b[31mred"),
        (["/bin/sh", "-c", "exit 1"], 10, "exit code 1"),
        (["/bin/sh", "-c", "kill -9 $$"], 10, "ended by signal 9"),
        (["/bin/sh", "-c", "sleep 60"], 0.2, "did not end within 0.2 s"),
        (["/does/not/exist"], 10, "cannot be started: "),
        (["$(reboot); true"], 10, "cannot be started: "),
    ],
)
def test_a_command_that_fails_says_how(argv: list[str], seconds: float, expected: str) -> None:
    with pytest.raises(NotConsumedError) as failed:
        CommandConsumer(argv, seconds, ENV).consume(ATTEMPT)
    assert str(failed.value).startswith(expected)


def test_a_command_that_reads_nothing_and_ends_well_has_taken_the_event() -> None:
    large = Delivery("app", "app", "k", "k", "", NINE, b"x" * 1_000_000)
    CommandConsumer(["/bin/true"], 10, ENV).consume(Attempt(large, 1))


def test_a_command_that_prints_much_fills_no_disk_and_its_last_words_are_kept() -> None:
    much = "import os, sys; [sys.stdout.write('x' * 99 + '\\n') for _ in range(100_000)]; sys.stdout.flush()"
    kept = "on_disk = os.fstat(1).st_size; print('last words', on_disk, end=''); sys.exit(3)"
    with pytest.raises(NotConsumedError, match=r"^exit code 3: last words 0$"):
        CommandConsumer(script(f"{much}; {kept}"), 30, ENV).consume(ATTEMPT)


def test_a_command_that_prints_without_end_is_ended_in_time() -> None:
    with pytest.raises(NotConsumedError, match=r"did not end within 0\.2 s"):
        CommandConsumer(["yes"], 0.2, ENV).consume(ATTEMPT)


def test_what_a_command_leaves_running_with_its_output_keeps_nobody(tmp_path: Path) -> None:
    marks = tmp_path / "child"
    started = time.monotonic()
    consumer = CommandConsumer(["/bin/sh", "-c", f"sleep 60 & echo $! > {marks}; exit 4"], 30, ENV)
    try:
        with pytest.raises(NotConsumedError, match="exit code 4"):
            consumer.consume(ATTEMPT)
        assert time.monotonic() - started < 20
    finally:
        os.kill(int(marks.read_text()), signal.SIGKILL)


def test_a_command_under_way_is_ended_with_all_it_started_when_it_is_abandoned(tmp_path: Path) -> None:
    marks = tmp_path / "child"
    consumer = CommandConsumer(["/bin/sh", "-c", f"sleep 60 & echo $! > {marks}; wait"], 60, ENV)
    failures: list[str] = []

    def consume() -> None:
        try:
            consumer.consume(ATTEMPT)
        except NotConsumedError as exc:
            failures.append(str(exc))

    thread = threading.Thread(target=consume)
    thread.start()
    wait_for(lambda: marks.exists() and marks.read_text().strip() != "")
    started = time.monotonic()
    consumer.abandon()
    thread.join(10)
    assert time.monotonic() - started < 5
    assert failures == ["ended by signal 15"]
    child = int(marks.read_text())
    wait_for(lambda: not _alive(child))
    with pytest.raises(NotConsumedError, match="stopping"):
        consumer.consume(ATTEMPT)


def test_what_a_command_started_does_not_outlive_its_time_out(tmp_path: Path) -> None:
    marks = tmp_path / "child"
    deaf = f"(trap '' TERM; exec sleep 60) & echo $! > {marks}; wait"
    with pytest.raises(NotConsumedError, match="did not end within"):
        CommandConsumer(["/bin/sh", "-c", deaf], 1, ENV).consume(ATTEMPT)
    child = int(marks.read_text())
    wait_for(lambda: not _alive(child))


def _alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@contextmanager
def url(statuses: list[int]) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A server that answers with ``statuses`` in turn, and what it was sent."""
    seen: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(statuses.pop(0))
            self.send_header("Content-Length", "0")
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/events", seen
        finally:
            server.shutdown()
            thread.join()


def test_an_event_is_forwarded_as_it_came_signed_and_numbered() -> None:
    with url([204]) as (place, seen), httpx.Client(timeout=5) as http:
        ForwardConsumer(place, b"our own secret", http).consume(ATTEMPT)
    ((headers, body),) = seen
    assert body == BODY
    signed = hmac.new(b"our own secret", BODY, hashlib.sha256).hexdigest()
    assert headers["x-reconciler-signature"] == f"sha256={signed}"
    assert headers["x-reconciler-event-id"] == "evt_1"
    assert headers["x-reconciler-delivery"] == "7"
    assert headers["x-reconciler-attempt"] == "2"
    assert headers["content-type"] == "application/json"


def test_a_forward_that_is_not_answered_well_says_so() -> None:
    with url([500, 404, 302]) as (place, seen), httpx.Client(timeout=5) as http:
        consumer = ForwardConsumer(place, None, http)
        for expected in ("answered 500", "answered 404", "answered 302"):
            with pytest.raises(NotConsumedError, match=expected):
                consumer.consume(ATTEMPT)
        assert all("x-reconciler-signature" not in headers for headers, _ in seen)
    with httpx.Client(timeout=5) as http, pytest.raises(NotConsumedError, match="no answer: ConnectError"):
        ForwardConsumer(place, None, http).consume(ATTEMPT)


@pytest.mark.parametrize("part", [b"x", b"x" * 1_000_000], ids=["slow", "long"])
def test_an_answer_to_a_forward_without_end_keeps_nobody(part: bytes) -> None:
    """Only its status counts."""

    class Endless(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            until = time.monotonic() + 20
            try:
                while time.monotonic() < until:
                    self.wfile.write(part)
                    time.sleep(0.05)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Endless) as server, httpx.Client(timeout=0.5) as http:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        started = time.monotonic()
        ForwardConsumer(f"http://127.0.0.1:{server.server_port}/", None, http).consume(ATTEMPT)
        assert time.monotonic() - started < 5
        thread.join(30)
        assert not thread.is_alive()


def test_the_log_is_a_line_of_json_with_the_event_in_it() -> None:
    lines: list[str] = []
    LogConsumer(lines.append).consume(ATTEMPT)
    (line,) = lines
    assert "\n" not in line
    content = json.loads(line)
    assert (content["event_id"], content["attempt"]) == ("evt_1", 2)
    assert content["body"] == json.loads(BODY)
