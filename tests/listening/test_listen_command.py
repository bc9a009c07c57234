"""``reconciler listen``: what people, systemd and other programs see of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import run
from reconciler.errors import ConfigError, SecretError
from reconciler.ledger import Delivery, Ledger
from reconciler.listening.figures import ENFORCER, left_to
from reconciler.listening.opening import place_of
from reconciler.listening.service import Ears, listening_lock, open_service
from reconciler.manifests import Project, load
from reconciler.redaction import Redactor
from reconciler.runtime import Runtime
from tests.listening import storm
from tests.listening.process import SECRETS, Connection, Listener
from tests.listening.rig import clock, wait_for
from tests.listening.test_consumers import url

ENDPOINTS = """\
    app:
      path: /app
      system: app
      secrets: [{env: APP_SECRET}]
      consumers: {log: {log: true}, crm: {command: ["false"], attempts: 1}}
"""


def write(directory: Path, endpoints: str = ENDPOINTS, **settings: str) -> Path:
    """A project that listens on a free port."""
    directory.mkdir()
    (directory / "dealer.yaml").write_text("kind: dealer\nid: acme\ndealer_id: 1\n", encoding="utf-8")
    lines = "".join(f"  {name}: {value}\n" for name, value in {"address": "127.0.0.1:0", **settings}.items())
    text = f"version: 1\nlisten:\n{lines}  endpoints:\n{endpoints}"
    (directory / "reconciler.yaml").write_text(text, encoding="utf-8")
    return directory


@dataclass
class Home:
    """The command line, in this process."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        texts = ["listen", *map(str, arguments)]
        code = run(texts, Console(json="json" in texts))
        said = self.capsys.readouterr()
        return code, said.out, said.err


@pytest.fixture
def listen(capsys: pytest.CaptureFixture[str]) -> Home:
    return Home(capsys)


def received(directory: Path) -> None:
    """Two events in the inbox of the project, one of them set aside by one of its consumers."""
    (directory / ".reconciler").mkdir()
    with Ledger.open(directory / ".reconciler" / "ledger.db", "embedded") as ledger:
        for event in ("evt_1", "evt_2"):
            new = Delivery("app", "app", event, event, "alarm.created", clock(), b"{}")
            number, _ = ledger.receive(new, ["log", "crm"])
            ledger.settle_consumption(number, "log", clock())
        ledger.begin_attempt(1, "crm")
        ledger.set_aside_consumption(1, "crm", "exit code 1: \x1b[31mno such site", clock())
        ledger.count_outcome("app", "", "received", 2, clock())
        ledger.count_outcome("app", "", "bad_signature", 3, clock())
        ledger.count_outcome("app", "log", "done", 2, clock())


def test_status_tells_what_came_and_what_was_set_aside(listen: Home, tmp_path: Path) -> None:
    directory = write(tmp_path / "p")
    assert listen("status", directory)[:2] == (0, "Nothing was ever delivered.\n")
    received_at = tmp_path / "q"
    write(received_at)
    received(received_at)
    code, out, _ = listen("status", received_at)
    assert code == 0
    assert "app: 2 received, 0 repeated, 0 unwanted; 3 refused (3 bad signature)" in out
    assert "crm: 0 done, 0 failed attempts, 1 waiting, 1 set aside" in out
    assert "app/crm  evt_1 (alarm.created), 1 attempt: exit code 1" in out
    assert "\x1b" not in out
    document = json.loads(listen("status", received_at, "--format", "json")[1])
    assert document["endpoints"]["app"]["refused"] == {"bad_signature": 3}
    assert [(each["delivery"], each["consumer"]) for each in document["set_aside"]] == [(1, "crm")]


def test_status_tells_what_waits_for_nobody_who_listens(listen: Home, tmp_path: Path) -> None:
    """A consumer that reconciler.yaml names no longer, and the enforcer, which listens for itself."""
    directory = write(tmp_path / "p", ENDPOINTS.replace(", crm: {", ", desk: {"))
    received(directory)
    with Ledger.open(directory / ".reconciler" / "ledger.db", "embedded") as ledger:
        ledger.receive(Delivery("app", "app", "3", "3", "arming.changed", clock(), b"{}"), ["log", ENFORCER])
        assert left_to({("app", "log"), ("app", "desk")}, ledger.delivery_figures()) == 1
    _, out, _ = listen("status", directory)
    lines = [line.strip() for line in out.splitlines()]
    assert "(enforcer): 1 waiting, looked into by enforce --daemon --listen" in lines
    assert "crm: 0 done, 0 failed attempts, 1 waiting, 1 set aside; no longer configured" in lines
    assert "log: 2 done, 0 failed attempts, 1 waiting, 0 set aside" in lines
    document = json.loads(listen("status", directory, "--format", "json")[1])
    consumers = document["endpoints"]["app"]["consumers"]
    assert {name: each["served_by"] for name, each in consumers.items()} == {
        "(enforcer)": "enforce --daemon --listen",
        "crm": None,
        "log": "listen",
    }


def test_old_events_of_consumers_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    directory = write(tmp_path / "p", ENDPOINTS.replace(", crm: {", ", desk: {"))
    received(directory)
    project = load(directory, env=SECRETS)
    runtime = Runtime(SECRETS, Redactor(), lambda: clock() + timedelta(days=400))
    with open_service(project, runtime, Ears(print, lambda *_: None, print)) as opened:
        wait_for(lambda: not opened.ledger.deliveries())


def test_the_help_names_what_else_there_is(listen: Home) -> None:
    _, out, _ = listen("--help")
    shown = " ".join(out.partition("Options:")[0].split())
    assert "`listen status` shows" in shown
    assert "`listen retry` tries again" in shown


def test_retry_has_it_tried_again(listen: Home, tmp_path: Path) -> None:
    directory = write(tmp_path / "p")
    received(directory)
    assert listen("retry", directory, "--consumer", "app/log")[0] == 1
    assert listen("retry", directory, "--delivery", "9")[0] == 1
    assert json.loads(listen("retry", directory, "--delivery", "1", "--format", "json")[1]) == {
        "retried": [{"consumer": "crm", "delivery": 1, "endpoint": "app", "event_id": "evt_1"}]
    }
    assert listen("retry", directory)[:2] == (0, "Nothing is set aside.\n")


OPEN = "    dealer: {path: /dealer, system: dealer, allow: [203.0.113.0/24]}\n"
SECRET_STEP = "    dealer: {path: /dealer, system: dealer, secret_path: {env: STEP}}\n"


@pytest.mark.parametrize(
    ("settings", "options", "message", "hint"),
    [
        ({"address": "0.0.0.0:0"}, (), "in the clear", "behind_proxy: true"),
        ({"address": '"[::]:0"'}, (), "in the clear", "proxy that speaks TLS"),
        ({}, ("--address", "0.0.0.0:0"), "in the clear", "--behind-proxy"),
        ({}, ("--address", "example.com:80"), "--address example.com:80", "IP address and a port"),
        ({"behind_proxy": "true"}, (), "dealer.allow: behind a proxy", "trusted_proxies"),
        ({}, ("--behind-proxy",), "dealer.allow: behind a proxy", "trusted_proxies"),
        (
            {"address": "192.0.2.1:0", "behind_proxy": "true", "trusted_proxies": "[192.0.2.7]"},
            (),
            "cannot be listened on",
            "address",
        ),
    ],
)
def test_it_does_not_listen_where_that_would_be_wrong(
    listen: Home, tmp_path: Path, settings: dict[str, str], options: tuple[str, ...], message: str, hint: str
) -> None:
    code, _, err = listen(write(tmp_path / "p", OPEN, **settings), *options)
    assert code == 1
    assert message in err
    assert hint in err


def test_it_says_what_is_missing(listen: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("APP_SECRET", raising=False)
    directory = write(tmp_path / "p")
    code, _, err = listen(directory)
    assert code == 1
    assert "listen.endpoints.app.secrets: the secret {env: APP_SECRET} is not set" in err
    monkeypatch.setenv("STEP", "too/short")
    _, _, err = listen(write(tmp_path / "r", SECRET_STEP))
    assert "dealer.secret_path: it is shorter than 16 characters" in err
    assert "too/short" not in err
    (directory / "reconciler.yaml").write_text("version: 1\n", encoding="utf-8")
    code, _, err = listen(directory)
    assert code == 1
    assert "no listen block" in err


@pytest.mark.parametrize("command", [(), ("status",), ("retry",)])
def test_a_ledger_on_a_git_branch_holds_no_inbox(
    listen: Home, tmp_path: Path, command: tuple[str, ...]
) -> None:
    directory = write(tmp_path / "p")
    with (directory / "reconciler.yaml").open("a", encoding="utf-8") as settings:
        settings.write("ledger: git+branch://book\nenvironments: {dev: {base_url: 'http://127.0.0.1:1'}}\n")
    code, _, err = listen(*command, directory, "--env", "dev")
    assert code == 1
    assert "cannot be kept in a ledger on a git branch" in err
    assert "is a file" in err


def test_proxies_that_are_named_are_believed(tmp_path: Path) -> None:
    project = load(write(tmp_path / "p", OPEN, behind_proxy="true", trusted_proxies="[10.0.0.0/8]"), env={})
    assert project.settings.listen is not None
    place = place_of(project.settings.listen, "0.0.0.0:80", behind_proxy=False)
    assert [str(each) for each in place.proxies] == ["10.0.0.0/8"]
    with pytest.raises(ConfigError):
        place_of(project.settings.listen, "nowhere", behind_proxy=True)


@contextmanager
def service(project: Project, env: dict[str, str]) -> Iterator[tuple[Any, list[str]]]:
    lines: list[str] = []
    ears = Ears(
        told=lines.append, refused=lambda refusal, _: lines.append(refusal.reason), write=lines.append
    )
    runtime = Runtime(env, Redactor(), clock)
    with listening_lock(project, runtime, "listen"), open_service(project, runtime, ears) as opened:
        yield opened, lines


def test_another_process_can_have_it_in_its_own(tmp_path: Path) -> None:
    project = load(write(tmp_path / "p"), env={})
    with service(project, {"APP_SECRET": storm.APP_SECRET}) as (opened, lines):
        connection = Connection(opened.receiver.port)
        assert connection.send(storm.app("evt_1", clock().timestamp())) == 200
        connection.close()
        wait_for(lambda: not any("waiting" in key for key in opened.ledger.delivery_figures().unsettled))
        assert json.loads(lines[0])["event_id"] == "evt_1" or json.loads(lines[1])["event_id"] == "evt_1"
    with pytest.raises(SecretError), service(project, {}):
        pass


FORWARD = """\
    app:
      path: /app
      system: app
      secrets: [{env: APP_SECRET}]
      consumers:
        crm: {forward: {env: CRM_URL}, secret: {env: CRM_SECRET}}
        shown: {command: [/bin/sh, -c, 'env > "$SHOWN"']}
"""


def test_an_event_goes_where_reconciler_yaml_says_and_secrets_stay(tmp_path: Path) -> None:
    project = load(write(tmp_path / "p", FORWARD), env={})
    shown = tmp_path / "env.txt"
    with url([200]) as (place, seen):
        secrets = {"APP_SECRET": storm.APP_SECRET, "CRM_URL": place, "CRM_SECRET": "between us"}
        with service(project, {**secrets, "SHOWN": str(shown)}) as (opened, _):
            connection = Connection(opened.receiver.port)
            assert connection.send(storm.app("evt_1", clock().timestamp())) == 200
            connection.close()
            wait_for(lambda: len(seen) == 1 and not opened.ledger.delivery_figures().unsettled)
    ((headers, body),) = seen
    assert headers["x-reconciler-event-id"] == "evt_1"
    assert json.loads(body)["id"] == "evt_1"
    text = shown.read_text(encoding="utf-8")
    assert "RECONCILER_EVENT_ID=evt_1" in text
    assert not any(name in text for name in secrets), "a command is not told what signs"


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path / "p")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_clean_and_no_secret_is_told(listener: Listener, number: signal.Signals) -> None:
    listener.start()
    connection = Connection(listener.port)
    now = clock().timestamp()
    shots = [storm.good(each, now) for each in range(12)] + [storm.bad(each, now) for each in range(7)]
    for shot in shots:
        assert connection.send(shot.request) == shot.status
    connection.close()
    listener.settle()
    assert listener.process is not None
    listener.process.send_signal(number)
    assert listener.process.wait(20) == 0
    err = listener.err.read_text(encoding="utf-8")
    assert f"Listening on http://127.0.0.1:{listener.port}" in err
    assert "every event that was answered is in the ledger, nothing is left to hand on" in err
    assert "refused at app: stale timestamp, from 127.0.0.1" in err
    for secret in (storm.APP_SECRET, storm.PARTNER_SECRET, storm.STEP, storm.STEP[:-1], "bad-", "X-CHeKT"):
        assert secret not in err
    assert "Traceback" not in err


def test_a_program_that_is_not_there_is_told_at_the_start(listener: Listener) -> None:
    settings = listener.directory / "reconciler.yaml"
    text = settings.read_text(encoding="utf-8").replace("/bin/sh", "/no/such/program")
    settings.write_text(text, encoding="utf-8")
    listener.start()
    assert listener.stop() == 0
    said = "Warning: dealer/command: there is no program /no/such/program; its events fail"
    assert said in listener.err.read_text(encoding="utf-8")


def test_two_do_not_hand_out_the_same_events(listener: Listener) -> None:
    listener.start()
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "listen", listener.directory, "--address", "127.0.0.1:0"],
        capture_output=True,
        env={**os.environ, **SECRETS},
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert "locked by `listen`" in done.stderr
    assert listener.stop() == 0


def test_a_reader_of_the_log_that_goes_away_ends_the_run(listener: Listener) -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", "listen", listener.directory, "--format", "json"],
        stdout=writing,
        stderr=subprocess.PIPE,
        env={**os.environ, **SECRETS, "SEEN": str(listener.seen)},
    )
    os.close(writing)
    os.close(reading)
    assert process.stderr is not None
    first = json.loads(process.stderr.readline())
    assert first["message"].startswith("Listening on")
    connection = Connection(listener.port)
    assert connection.send(storm.app("evt_1", clock().timestamp())) == 200
    connection.close()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGPIPE
    assert all(json.loads(line) for line in err.splitlines()), "every line of the log is JSON"
    with Ledger.open(listener.ledger, "embedded") as ledger:
        assert ledger.delivery_figures().unsettled == {("app", "log", "waiting"): 1}
