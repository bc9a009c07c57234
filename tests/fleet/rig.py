"""An account of several dealers on a socket, a ledger on PostgreSQL, and real processes that share them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler import sandbox as simulator
from reconciler.cli.console import Console
from reconciler.cli.main import run
from reconciler.ledger import Ledger
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_store import PostgresStore
from reconciler.manifests.ledger_setting import database_place
from reconciler.sandbox import Sandbox, Switches, credentials

DEALERS = {"acme": 12341, "bravo": 12342, "delta": 12343}
SECRET = "a-secret-of-the-hook"
PATIENCE = 90.0
"""Seconds that a test waits for what must happen."""

SETTINGS = """\
version: 1
environments:
  far: {{base_url: "{url}", sandbox: true, dealers: {{{keys}}}}}
ledger: {ledger}
safety: {{max_delete_count: 100, max_delete_percent: 100}}
"""
ACCOUNT = """\
kind: schedule
id: nights
windows:
  - {days: [mon, tue, wed, thu, fri], arm: "18:00", disarm: "08:00", mode: away}
---
kind: webhook
id: feed
url: https://hooks.example.com/arming
events: [site.armed, site.disarmed]
secret: {env: HOOK_SECRET}
"""
DEALER = """\
kind: dealer
id: {dealer}
dealer_id: {number}
---
kind: monitoring_station
id: central
dealer: {dealer}
name: Station of {dealer}
"""
SITE = """\
---
kind: site
id: s{index}
dealer: {dealer}
name: Site {index} of {dealer}
timezone: UTC
monitoring_station: central
account_number: "{number}{index}"
security_type: video
devices:
  - {{id: door, device_type: camera, zone_number: "001", name: Door}}
contacts:
  - {{id: kim, first_name: Kim, last_name: Lee, email: kim@example.com}}
arming: {{schedule: nights}}
"""


def key_of(dealer: str) -> str:
    """The variable that holds the key of a dealer."""
    return f"KEY_{dealer.upper()}"


def manifests(dealers: Mapping[str, int], sites: int) -> dict[str, str]:
    """The files of a project, settings left out."""
    files = {"account.yaml": ACCOUNT}
    for dealer, number in dealers.items():
        text = DEALER.format(dealer=dealer, number=number)
        text += "".join(SITE.format(index=n, dealer=dealer, number=number) for n in range(sites))
        files[f"{dealer}.yaml"] = text
    return files


class Watched(Sandbox):
    """A sandbox that calls ``at[n]`` once it has carried out its ``n``-th write, before it answers.

    ``pace``: seconds that each write takes.
    """

    pace = 0.0

    def watch(self, at: Mapping[int, Callable[[], object]]) -> None:
        self._at, self._count, self._counting = dict(at), 0, threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        is_write = environ["REQUEST_METHOD"] != "GET" and environ["PATH_INFO"] != "/oauth/token"
        if not is_write:
            return super().__call__(environ, start_response)
        with self._counting:
            self._count += 1
            then = self._at.get(self._count)
        time.sleep(self.pace)
        answer = super().__call__(environ, start_response)
        if then is not None:
            then()
        return answer


@dataclass(slots=True)
class Fleet:
    """One account, its ledger, and a project that leads to both."""

    directory: Path
    ledger_url: str
    sandbox: Watched
    url: str
    home: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "CHEKT_TOKEN_URL": f"{self.url}/oauth/token",
            "CHEKT_AUDIENCE": simulator.AUDIENCE,
            "CHEKT_CLIENT_ID": simulator.CLIENT_ID,
            "CHEKT_CLIENT_SECRET": simulator.CLIENT_SECRET,
            "HOOK_SECRET": SECRET,
            **{key_of(name): credentials.dealer_key(number) for name, number in DEALERS.items()},
            "XDG_STATE_HOME": str(self.home),
        }

    def write(self, files: Mapping[str, str]) -> None:
        self.directory.mkdir(exist_ok=True)
        keys = ", ".join(f"{name}: {{api_key: {{env: {key_of(name)}}}}}" for name in DEALERS)
        settings = SETTINGS.format(url=self.url, ledger=self.ledger_url, keys=keys)
        for name, text in {**files, "reconciler.yaml": settings}.items():
            (self.directory / name).write_text(text, encoding="utf-8")

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """A command that goes on beside the test."""
        with (self.home / f"{len(self.processes)}.err").open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "reconciler", *arguments],
                env={**self.environment, **(env or {})},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.processes.append(process)
        return process

    def errors(self, process: subprocess.Popen[str]) -> str:
        """What ``process`` has said on stderr so far."""
        return (self.home / f"{self.processes.index(process)}.err").read_text()

    def worker(self, name: str, *options: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """A worker that is at work."""
        process = self.start("worker", "--ledger", self.ledger_url, "--name", name, *options, env=env)
        wait_for(lambda: any(each.name == name for each in self.workers()), lambda: self.errors(process))
        return process

    @property
    def apply_line(self) -> tuple[str, ...]:
        """An apply of the project that prints JSON."""
        return ("apply", str(self.directory), "--env", "far", "--yes", "--format", "json")

    def apply(self, *options: str) -> subprocess.Popen[str]:
        """An apply, under way."""
        return self.start(*self.apply_line, *options)

    def ended(self, process: subprocess.Popen[str], code: int = 0) -> Any:
        """What ``process`` printed, as JSON where it is some; it must end with ``code``."""
        out, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, out + self.errors(process)
        return json.loads(out) if out.startswith("{") else out

    def run(self, *arguments: str) -> Any:
        """What a command prints, in this process, as JSON where it is some; it must end well."""
        out, before = io.StringIO(), dict(os.environ)
        os.environ.update(self.environment)
        try:
            with redirect_stdout(out):
                code = run([*arguments], Console(json="json" in arguments))
        finally:
            os.environ.clear()
            os.environ.update(before)
        assert code == 0, out.getvalue()
        return json.loads(out.getvalue()) if "json" in arguments else out.getvalue()

    def plan(self) -> Any:
        """What is left to do, as a new plan says."""
        return self.run("plan", str(self.directory), "--env", "far", "--format", "json")

    def workers(self) -> list[Any]:
        with self.ledger() as ledger:
            return list(ledger.workers())

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        place = database_place(self.ledger_url)
        with PostgresStore(Place(place.url, place.schema), "far", {}).open() as ledger:
            yield ledger

    def writes(self) -> list[str]:
        """``METHOD path`` of every write to the account, as they came."""
        return [
            f"{each.method} {each.path}"
            for each in self.sandbox.requests()
            if each.method != "GET" and each.path != "/oauth/token" and "/sim/v0/requests" not in each.path
        ]

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


@contextmanager
def fleet(
    directory: Path, ledger_url: str, *, sites: int = 2, dealers: Mapping[str, int] = DEALERS
) -> Iterator[Fleet]:
    """A fleet on an empty account, its project written."""
    directory.mkdir(exist_ok=True)
    sandbox = Watched(switches=Switches(rate_limits=False))
    sandbox.watch({})
    for name, number in dealers.items():
        sandbox.seed_dealer(number, name)
    with simulator.serve(sandbox) as server:
        made = Fleet(directory / "project", ledger_url, sandbox, server.url, directory)
        made.write(manifests(dealers, sites))
        try:
            yield made
        finally:
            made.close()
    sandbox.close()


def wait_for(true: Callable[[], object], told: Callable[[], str] = str) -> None:
    """Until ``true`` says so; fails with what is ``told`` where it takes too long."""
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until, told()
        time.sleep(0.02)
