"""Workers in processes of their own, on one lane: killed, paused, cut off, and nothing is done twice."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.fleet.leases import LEASE
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_store import PostgresStore
from reconciler.sandbox import DEALER_ID, RequestRecord, Sandbox, Switches, dealer_key, serve
from tests.enforcer.rig import LATE
from tests.postgresql import Server
from tests.postgresql.keeper import make, start, stop

SITES = 36
PATIENCE = 40.0
"""Seconds that a test waits for what must happen."""

SCHEDULE = """\
kind: schedule
id: nights
windows: [{days: [mon, tue, wed, thu, fri, sat, sun], arm: '18:00', disarm: '08:00', mode: away}]
---
kind: dealer
id: acme
dealer_id: 12345
"""
SITE = (
    "---\nkind: site\nid: s{0}\ndealer: acme\nname: Site {0}\ntimezone: UTC\narming: {{schedule: nights}}\n"
)


@dataclass
class Worker:
    """A worker and what it has said so far, with the seconds of this machine at which it did."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    @property
    def takes(self) -> int:
        """How often it has taken the lane."""
        return self.said.count(" takes acme ")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


@dataclass
class Town:
    """The sites of one dealer on a socket, all disarmed at an hour at which they should be armed."""

    directory: Path
    url: str
    schema: str
    sandbox: Sandbox
    port: str
    ahead: timedelta
    workers: list[Worker] = field(default_factory=list)

    @property
    def store(self) -> PostgresStore:
        return PostgresStore(Place(self.url, self.schema), "far", {})

    def start(self) -> Worker:
        number = len(self.workers)
        output = self.directory / f"worker{number}.log"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.fleet.worker", self.directory / "p", self.url, self.schema],
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(self.directory / f"home{number}"),
                    "CHEKT_API_KEY": dealer_key(DEALER_ID),
                    "RECONCILER_ENV": "far",
                    "AHEAD": str(self.ahead.total_seconds()),
                },
                cwd=Path(__file__).parents[2],
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.workers.append(Worker(process, output))
        return self.workers[-1]

    def commands(self) -> list[RequestRecord]:
        """The commands that the server carried out, in order; repeats of one under its key are left out."""
        return [
            request
            for request in self.sandbox.requests()
            if request.method == "POST" and "/actions/" in request.path and not request.replayed
        ]

    def wait(self, what: str, done: Callable[[], bool]) -> float:
        """Seconds until ``done``; fails with what the workers said where that takes too long."""
        begun = time.monotonic()
        while not done():
            if time.monotonic() - begun > PATIENCE:
                told = "\n".join(worker.said for worker in self.workers)
                pytest.fail(f"{what}: not within {PATIENCE} s\n{told}")
            time.sleep(0.05)
        return time.monotonic() - begun

    def finished(self) -> bool:
        """Whether every site is armed and the lane has been given back."""
        with self.store.open() as ledger:
            [lane] = ledger.lanes()
            return not lane.holder and sum(row.result == "confirmed" for row in ledger.commands()) >= SITES

    def check(self) -> None:
        """Every site was armed once, nothing else was commanded, and the record says just that."""
        each = Counter(request.path for request in self.commands())
        assert set(each.values()) == {1}
        assert len(each) == SITES
        assert all(path.endswith("/actions/arm") for path in each)
        with self.store.open() as ledger:
            rows = ledger.commands()
        assert Counter(row.result for row in rows) == {"confirmed": SITES}
        assert len({row.target for row in rows}) == SITES


@pytest.fixture
def town(tmp_path: Path, postgresql: Server) -> Iterator[Town]:
    with opened(tmp_path, postgresql.url, postgresql.schema()) as made:
        yield made


@contextmanager
def opened(directory: Path, url: str, schema: str) -> Iterator[Town]:
    ahead = LATE - datetime.now(tz=UTC)
    sandbox = Sandbox(
        ":memory:",
        switches=Switches(rate_limits=False, arming_delay=0.3),
        clock=lambda: datetime.now(tz=UTC) + ahead,
    )
    sandbox.set_up(
        DEALER_ID, {"sites": [{"external_id": f"s{n}", "name": f"Site {n}"} for n in range(SITES)]}
    )
    project = directory / "p"
    project.mkdir()
    (project / "all.yaml").write_text(SCHEDULE + "".join(map(SITE.format, range(SITES))), encoding="utf-8")
    with serve(sandbox) as server:
        made = Town(directory, url, schema, sandbox, server.url, ahead)
        (project / "reconciler.yaml").write_text(
            f"version: 1\nenvironments: {{far: {{surface: dealer, base_url: '{server.url}'}}}}\n",
            encoding="utf-8",
        )
        with made.store.open() as ledger:
            ledger.declare_lanes(["acme"], datetime.now(tz=UTC) + ahead)
        try:
            yield made
        finally:
            for worker in made.workers:
                worker.signal(signal.SIGKILL)
                worker.process.wait()
            sandbox.close()


def in_the_middle(town: Town) -> tuple[Worker, Worker]:
    """Two workers, a fifth of the sites commanded: the one that has the lane, and the other."""
    one, other = town.start(), town.start()
    town.wait("the first commands", lambda: len(town.commands()) >= SITES / 5)
    assert one.takes + other.takes == 1
    return (one, other) if one.takes else (other, one)


def test_a_killed_workers_lane_is_taken_over_within_five_seconds(town: Town) -> None:
    holder, other = in_the_middle(town)
    holder.signal(signal.SIGKILL)
    assert town.wait("a take-over", lambda: other.takes > 0) < 5.0
    town.wait("all armed", town.finished)
    town.check()
    assert len({request.trace_id for request in town.commands()}) == 2


def test_a_worker_paused_past_its_lease_sends_nothing_when_it_wakes(town: Town) -> None:
    holder, other = in_the_middle(town)
    holder.signal(signal.SIGSTOP)
    assert town.wait("a take-over", lambda: other.takes > 0) < 5.0
    town.wait("all armed by the other one", town.finished)
    before = len(town.sandbox.requests())
    holder.signal(signal.SIGCONT)
    lost = re.compile(
        r"The lane of acme was left: worker \S+ stops the lane of acme: its lease was not renewed"
    )
    town.wait("the woken worker's sentence", lambda: bool(lost.search(holder.said)))
    assert len(town.sandbox.requests()) == before
    town.check()


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[tuple[Town, Callable[[], None]]]:
    """A town whose ledger is on a server of its own, and what restarts that as after a crash."""
    room = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    make(room)
    server = start(room)

    def restart() -> None:
        nonlocal server
        server.send_signal(signal.SIGQUIT)
        server.wait()
        server = start(room)

    try:
        with opened(tmp_path, f"postgresql://reconciler@/postgres?host={room / 'run'}", "ledger") as made:
            yield made, restart
    finally:
        stop(server)
        shutil.rmtree(room)


def test_a_ledger_that_restarts_in_the_middle_loses_nothing(
    fragile: tuple[Town, Callable[[], None]],
) -> None:
    town, restart = fragile
    in_the_middle(town)
    restart()
    town.wait("all armed", town.finished)
    town.check()


def test_two_workers_are_never_on_one_lane_even_if_one_pauses_for_less_than_its_lease(town: Town) -> None:
    holder, other = in_the_middle(town)
    holder.signal(signal.SIGSTOP)
    time.sleep(LEASE / 4)
    holder.signal(signal.SIGCONT)
    town.wait("all armed", town.finished)
    town.check()
    assert (holder.takes, other.takes) == (1, 0)
    assert len({request.trace_id for request in town.sandbox.requests()}) == 1
