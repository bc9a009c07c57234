"""Sandbox and daemon as processes of their own, over sockets: a disarm in the app is told and undone."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.ledger import CommandRecord, Delivery, Ledger
from reconciler.listening.figures import ENFORCER
from reconciler.sandbox import DEALER_ID, dealer_key
from tests.enforcer.rig import EVENING, MANIFEST, NIGHT, SITE

SECRET = "a secret of the partner webhook"
START = EVENING + timedelta(minutes=12)
SERVE = ("sandbox", "serve", "--port", "0", "--switch", "deliveries=loopback")
SETTINGS = """
version: 1
environments: {local: {surface: dealer, base_url: 'URL'}}
listen:
  endpoints:
    arming: {path: /chekt/partner, system: partner, secrets: [{env: HOOK_SECRET}]}
"""


@dataclass
class Running:
    """A process of the product and the lines that it has printed so far."""

    process: subprocess.Popen[str]
    log: Path

    def said(self, pattern: str) -> str:
        """The first group of ``pattern``, once the process has printed it."""
        return until(lambda: re.search(pattern, self.log.read_text(encoding="utf-8")), self.text)[1]

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


def until(found: Callable[[], Any], what: Callable[[], str] = str) -> Any:
    """What ``found`` gives, once it gives something."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited in vain: {what()}")


@dataclass
class Town:
    """A sandbox, a project, and the processes on them."""

    directory: Path
    running: list[Running] = field(default_factory=list)
    url: str = ""
    site_id: str = ""

    def start(self, *words: str) -> Running:
        log = self.directory / f"{len(self.running)}.log"
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "CHEKT_API_KEY": dealer_key(DEALER_ID),
            "HOOK_SECRET": SECRET,
        }
        command = [sys.executable, "-c", "from reconciler.cli.main import main; main()", *words]
        with log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT, text=True)
        self.running.append(Running(process, log))
        return self.running[-1]

    def admin(self, method: str, path: str, body: object = None) -> Any:
        answer = httpx.request(method, f"{self.url}/sim/v0{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    @property
    def project(self) -> Path:
        return self.directory / "project"

    def found(self) -> None:
        """A town at twelve past six, its one site disarmed."""
        self.url = self.start(*SERVE).said(r"CHeKT sandbox on (\S+)")
        self.admin("PUT", "/clock", {"now": START.isoformat(), "frozen": False})
        content = {"scope": str(DEALER_ID), "external_id": "hq", "body": {"name": "Headquarters"}}
        self.site_id = str(self.admin("POST", "/objects/site", content)["id"])
        self.project.mkdir()
        text = MANIFEST.format(policy="{rearm_after: 30m}", windows=NIGHT, arming="{schedule: nights}")
        (self.project / "site.yaml").write_text(text, encoding="utf-8")
        settings = SETTINGS.replace("URL", self.url)
        (self.project / "reconciler.yaml").write_text(settings, encoding="utf-8")

    def enforce(self, *words: str) -> Running:
        return self.start(
            *("enforce", str(self.project), "--daemon", "--env", "local", "--clock", "server"), *words
        )

    def subscribe(self, url: str) -> None:
        body = {"url": f"{url}/chekt/partner", "events": ["arming.state_changed"], "secret": SECRET}
        self.admin("POST", "/objects/webhook", {"scope": "", "external_id": url, "body": body})

    def by_hand(self, state: str, by: str) -> datetime:
        """A person acts in the app; when, by the sandbox's clock."""
        body = {"state": state, "by": by, "method": "app"}
        (now,) = self.admin("PUT", f"/sites/{self.site_id}/arming", body)
        return datetime.fromisoformat(now["since"])

    @property
    def state(self) -> str:
        return str(self.admin("GET", f"/sites/{self.site_id}/arming")[0]["state"])

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        with Ledger.open(self.project / ".reconciler" / "ledger.db", "local") as ledger:
            yield ledger

    def records(self) -> Sequence[CommandRecord]:
        with self.ledger() as ledger:
            return ledger.commands()

    def said_by(self, name: str) -> CommandRecord | None:
        rows = [row for row in self.records() if row.changed_by == name]
        return rows[0] if rows else None

    def waiting(self) -> int:
        with self.ledger() as ledger:
            return len(ledger.due_consumptions("arming", ENFORCER, datetime(2100, 1, 1, tzinfo=UTC), 100))


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path)
    try:
        made.found()
        yield made
    finally:
        for each in made.running:
            each.process.kill()
            each.process.wait()


def test_a_disarm_in_the_app_is_seen_in_seconds_told_by_name_and_undone_in_time(
    town: Town,
) -> None:
    daemon = town.enforce("--listen", "127.0.0.1:0")
    town.subscribe(daemon.said(r"Listening for arming events at (http\S+)\."))
    until(lambda: town.records() and town.state == "armed_away", daemon.text)

    disarmed_at = town.by_hand("disarmed", "jane")
    row: CommandRecord = until(lambda: town.said_by("jane"), daemon.text)
    took = (row.issued_at - disarmed_at).total_seconds()
    assert took < 5
    assert row.result == "respected"
    assert abs(row.changed_at - disarmed_at) < timedelta(seconds=0.01)  # type: ignore[operator]
    until(lambda: town.waiting() == 0)

    town.admin("PUT", "/clock", {"advance": 29 * 60})
    assert town.state == "disarmed"
    town.admin("PUT", "/clock", {"advance": 60})
    until(lambda: town.records()[-1].result == "confirmed" and town.records()[-1].changed_by, daemon.text)
    assert town.state == "armed_away"
    assert daemon.stop() == 0

    history = town.start("enforce", "history", SITE, str(town.project), "--env", "local")
    assert history.process.wait(30) == 0
    story = history.text()
    assert re.search(
        r"disarmed by jane through the app at 2026-11-23 18:1\d:\d\d UTC; "
        r"armed again at 2026-11-23 18:4\d:\d\d UTC",
        story,
    ), story
    assert re.search(r"30 min( \d+ s)? after it was disarmed by jane through the app", story), story


def test_an_event_that_was_kept_but_not_looked_into_is_looked_into_at_the_next_start(town: Town) -> None:
    """The process was killed between its answer to CHeKT and the look."""
    daemon = town.enforce("--listen", "127.0.0.1:0")
    until(lambda: town.records() and town.state == "armed_away", daemon.text)
    daemon.stop(signal.SIGKILL)
    at = town.by_hand("disarmed", "lee")
    event = {
        "event_type": "arming.state_changed",
        "site_id": town.site_id,
        "new_state": "disarmed",
        "timestamp": at.isoformat(),
        "triggered_by": "lee",
        "source": "keypad",
    }
    kept = [
        Delivery("arming", "partner", key, key, "arming.state_changed", at, json.dumps(body).encode())
        for key, body in (("1", event), ("2", {**event, "site_id": "999"}), ("3", {"event_type": "other"}))
    ]
    with town.ledger() as ledger:
        for each in kept:
            ledger.receive(each, (ENFORCER,))
    again = town.enforce("--listen", "127.0.0.1:0")
    row = until(lambda: town.said_by("lee"), again.text)
    assert row.changed_through == "keypad"
    until(lambda: town.waiting() == 0, again.text)
    assert "An arming event names site 999, which is not enforced here" in again.text()
    assert again.stop(signal.SIGINT) == 0
