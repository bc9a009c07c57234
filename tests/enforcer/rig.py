"""The enforcer on the sandbox, in process, on a clock that only the test moves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from reconciler import chekt
from reconciler.arming.project import Target, TargetKey, targets
from reconciler.enforcer.journal import LedgerJournal
from reconciler.enforcer.memory import Memory
from reconciler.enforcer.once import Run, once
from reconciler.enforcer.pace import Pace
from reconciler.enforcer.surface import DealerSurface
from reconciler.enforcer.tick import Sight
from reconciler.enforcer.watch import Watch
from reconciler.kinds.surfaces import surfaces
from reconciler.ledger import CommandRecord, Ledger
from reconciler.manifests import Project, load
from reconciler.model import JsonValue
from reconciler.places import Sites
from reconciler.redaction import Redactor
from reconciler.sandbox import DEALER_ID, Sandbox, Switches, dealer_key, transport
from tests import ledgers

SITE = "site:acme/hq"
NIGHT = "{days: [mon, tue, wed, thu, fri, sat, sun], arm: '18:00', disarm: '08:00', mode: away}"

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
MORNING, EVENING = MONDAY.replace(hour=8), MONDAY.replace(hour=18)
NOON, LATE = MONDAY.replace(hour=12), MONDAY.replace(hour=20)
TUESDAY = timedelta(days=1)

MANIFEST = """
kind: dealer
id: acme
dealer_id: 12345
---
kind: schedule
id: nights
windows: [{windows}]
manual_change: {policy}
---
kind: site
id: hq
dealer: acme
name: Headquarters
timezone: UTC
arming: {arming}
"""


class Clock:
    """A wall clock and a monotonic clock that only ``wait`` and the test move."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._monotonic = 1000.0
        self.stop_at: datetime | None = None
        self.events: list[tuple[datetime, Callable[[], object]]] = []
        self._rung = False

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def wait(self, seconds: float) -> None:
        """Let time pass, up to a ``ring``; what was planned for its end happens."""
        end = self._now + timedelta(seconds=max(seconds, 0.001))
        while not self._rung and self.events:
            at, event = min(self.events, key=lambda each: each[0])
            if at > end:
                break
            self.events.remove((at, event))
            self._advance(max(at, self._now))
            event()
        if not self._rung:
            self._advance(end)
        self._rung = False

    def ring(self) -> None:
        """End the wait under way, or the next one."""
        self._rung = True

    def sleep(self, seconds: float) -> None:
        self.wait(seconds)

    def _advance(self, to: datetime) -> None:
        self._monotonic += (to - self._now).total_seconds()
        self._now = to

    def at(self, when: datetime, event: Callable[[], object]) -> None:
        """Let ``event`` happen when the clock has waited up to ``when``."""
        self.events.append((when, event))

    def set(self, now: datetime) -> None:
        """Move both clocks on to ``now``: the test does nothing in between."""
        self._monotonic += (now - self._now).total_seconds()
        self._now = now

    def step(self, by: timedelta) -> None:
        """Move the wall clock alone."""
        self._now += by

    @property
    def stopped(self) -> bool:
        return self.stop_at is not None and self._now >= self.stop_at


def project(
    directory: Path,
    *,
    policy: str = "respect_until_next",
    windows: str = NIGHT,
    arming: str = "{schedule: nights}",
    settings: str = "",
) -> Project:
    """A project of one site on a dealer-surface environment, read from files."""
    directory.mkdir(exist_ok=True)
    text = MANIFEST.format(policy=policy, windows=windows, arming=arming)
    (directory / "site.yaml").write_text(text, encoding="utf-8")
    (directory / "reconciler.yaml").write_text(
        f"version: 1\nenvironments: {{embedded: {{surface: dealer}}}}\n{settings}", encoding="utf-8"
    )
    return load(directory, env={})


@dataclass
class Rig:
    """One enforced site. ``run`` is one run of cron: everything but the ledger's file is made anew."""

    directory: Path
    clock: Clock
    sandbox: Sandbox
    project: Project
    site_id: str
    transport: Callable[[Sandbox], httpx.BaseTransport] = transport
    sights: dict[TargetKey, Sight] = field(default_factory=dict)

    @property
    def targets(self) -> list[Target]:
        return targets(self.project.resources, self.project.attachments)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        with Ledger(ledgers.open_in(self.directory, "embedded")) as ledger:
            yield ledger

    @contextmanager
    def opened(self, ledger: Ledger) -> Iterator[tuple[Watch, DealerSurface, LedgerJournal]]:
        """Watch, port and journal of a run of its own."""
        connection = chekt.Connection(
            "http://sandbox.localhost",
            "dealer",
            chekt.DealerKeys(dealer_key(DEALER_ID)),
            dialect="page" if self.sandbox.switches.shape == "page" else "live",
            rate=chekt.Rate(6_000_000, 100_000),
        )
        with ExitStack() as stack:
            client = stack.enter_context(
                chekt.connect(
                    connection,
                    surfaces("dealer", sandbox=True),
                    redactor=Redactor(),
                    transport=self.transport(self.sandbox),
                    clock=lambda: self.clock.now().timestamp(),
                    sleep=self.clock.sleep,
                    jitter=lambda: 0.0,
                )
            )
            sites = Sites(self.project, {}, client)
            port = stack.enter_context(DealerSurface(client, sites, self.clock.now, workers=1))
            journal = LedgerJournal(ledger)
            yield Watch(self.targets, journal.recall(), self.clock.now(), Pace()), port, journal

    def run(self, at: datetime | None = None, *, horizon: float = 50, send: bool = True) -> Run:
        """One run of cron at ``at``."""
        if at is not None:
            self.clock.set(at)
        with self.ledger() as ledger, self.opened(ledger) as (watch, port, journal):
            done = once(watch, port, journal, self.clock, timedelta(seconds=horizon), send=send)
        self.sights = done.sights
        return done

    @property
    def sight(self) -> Sight:
        """The one target, as the last run saw it."""
        (sight,) = self.sights.values()
        return sight

    @property
    def rule(self) -> str:
        return self.sight.verdict.code

    def admin(self, method: str, path: str, body: JsonValue = None) -> JsonValue:
        """One operation of the simulator itself."""
        with httpx.Client(transport=transport(self.sandbox), base_url="http://sandbox.localhost") as http:
            answer = http.request(method, f"/sim/v0{path}", json=body)
            assert answer.is_success, answer.text
            return json.loads(answer.text)  # type: ignore[no-any-return]

    def by_hand(self, state: str, partition: int | None = None) -> None:
        """A person, or an alarm, puts the site into ``state``."""
        body: dict[str, JsonValue] = {"state": state, "by": "kim"}
        self.admin("PUT", f"/sites/{self.site_id}/arming", {**body, "partition_id": partition})

    def zone(self, status: str) -> None:
        """Open or close the dock's door."""
        self.admin("PUT", f"/sites/{self.site_id}/zones/001", {"status": status, "name": "Dock Door"})

    @property
    def state(self) -> str:
        """The true state of the site."""
        return self.states[0]

    @property
    def states(self) -> list[str]:
        found = self.admin("GET", f"/sites/{self.site_id}/arming")
        return [each["state"] for each in found]  # type: ignore[index,call-overload,union-attr]

    def commands(self) -> list[str]:
        """The commands that reached the server, in order."""
        return [
            request.path.rpartition("/")[2]
            for request in self.sandbox.requests()
            if request.method == "POST" and "/actions/" in request.path and not request.replayed
        ]

    def records(self) -> Sequence[CommandRecord]:
        with self.ledger() as ledger:
            return ledger.commands()

    def memories(self) -> Mapping[TargetKey, Memory]:
        with self.ledger() as ledger:
            return LedgerJournal(ledger).recall()

    def lose_ledger(self) -> None:
        ledgers.lose(self.directory)


@contextmanager
def rig(
    directory: Path,
    *,
    start: datetime = NOON,
    switches: Mapping[str, JsonValue] | None = None,
    partitions: int = 0,
    policy: str = "respect_until_next",
    windows: str = NIGHT,
    arming: str = "{schedule: nights}",
) -> Iterator[Rig]:
    """A rig whose site is disarmed at ``start``."""
    clock = Clock(start - timedelta(days=1))
    chosen = Switches(rate_limits=False).changed(dict(switches or {}))
    sandbox = Sandbox(":memory:", switches=chosen, clock=clock.now)
    made = Rig(
        directory, clock, sandbox, project(directory / "p", policy=policy, windows=windows, arming=arming), ""
    )
    try:
        body: JsonValue = {"scope": str(DEALER_ID), "external_id": "hq", "body": {"name": "Headquarters"}}
        made.site_id = str(made.admin("POST", "/objects/site", body)["id"])  # type: ignore[index,call-overload]
        if partitions:
            found = made.admin("PUT", f"/sites/{made.site_id}/partitions", {"count": partitions})
            numbers = [each["partition_id"] for each in found]  # type: ignore[index,call-overload,union-attr]
            arming = "{partitions: {" + ", ".join(f"{number}: nights" for number in numbers) + "}}"
            made.project = project(directory / "p", policy=policy, windows=windows, arming=arming)
        clock.set(start)
        yield made
    finally:
        sandbox.close()
