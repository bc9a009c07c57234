"""Plan and apply against the account in memory, the way the product composes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.engine import Event, Recovery, execute, fetch_and_recover, touched, verify
from reconciler.engine.width import steady
from reconciler.kinds.surfaces import Surfaces
from reconciler.ledger import Ledger
from reconciler.model import Address, Plan, Reader, Resource, SecretRef, Snapshot
from reconciler.planning.plan import plan
from reconciler.planning.safety import Policy
from reconciler.planning.scope import Scope
from reconciler.writes import Outcome, OutcomeStatus, Report, Writer
from tests.engine.account import NOW, PARTNER, Account

GENEROUS = Policy(max_delete_percent=100, max_delete_count=1000, max_update_percent=100)
EVERYTHING = Scope()
SECRETS = {"HOOK_SECRET": "swordfish", "OTHER_SECRET": "marlin-1"}


def secret(reference: SecretRef) -> str:
    return SECRETS[reference.name]


@dataclass
class Rig:
    """One account and one ledger; every method is a new run."""

    account: Account
    ledger: Ledger = field(default_factory=lambda: Ledger.open(":memory:", "dev"))
    surfaces: Surfaces = PARTNER
    scope: Scope = EVERYTHING
    stop: threading.Event = field(default_factory=threading.Event)
    events: list[Event] = field(default_factory=list)
    on_event: Callable[[Event], None] = lambda _: None
    parallelism: int = 4
    now: datetime = NOW
    sleep: Callable[[float], object] = lambda _: None
    writer: Writer | None = None
    recovery: Recovery = field(default_factory=lambda: Recovery({}))
    snapshot: Snapshot = field(default_factory=lambda: Snapshot({}, frozenset()))

    @property
    def reader(self) -> Reader:
        return self.account

    def plan(self, desired: Sequence[Resource]) -> Plan:
        """Read, recover and plan; keeps the snapshot and the recovery."""
        self.snapshot, self.recovery = fetch_and_recover(
            self.reader,
            self.ledger,
            desired,
            self.ledger.owned(),
            self.surfaces,
            self.scope,
            now=NOW,
            width=steady(4),
            sleep=self.sleep,
        )
        return self.replan(desired, self.snapshot)

    def replan(self, desired: Sequence[Resource], snapshot: Snapshot) -> Plan:
        digests = {
            each.address: {
                name: self.ledger.secret_digest(secret(value))
                for name, value in each.fields.items()
                if isinstance(value, SecretRef)
            }
            for each in desired
        }
        return plan(
            desired,
            snapshot,
            self.ledger.owned(),
            surfaces=self.surfaces,
            policy=GENEROUS,
            scope=self.scope,
            secret_digests=digests,
            environment="dev",
            config_digest="config",
            now=NOW,
            lifetime=timedelta(hours=1),
            project=".",
            rate_per_minute=5000,
        )

    def apply(self, desired: Sequence[Resource]) -> Report:
        """One whole apply."""
        return self.carry_out(self.plan(desired), desired)

    def carry_out(self, planned: Plan, desired: Sequence[Resource]) -> Report:
        run = self.ledger.begin_run("apply", "trace", "config", NOW)

        def on_event(event: Event) -> None:
            self.events.append(event)
            self.on_event(event)

        return execute(
            planned,
            desired,
            self.snapshot,
            run=run,
            owned=self.recovery.owned,
            blocked=self.recovery.blocked,
            read_at=NOW,
            surfaces=self.surfaces,
            writer=self.writer or self.account,
            reader=self.reader,
            journal=self.ledger,
            secrets=secret,
            clock=lambda: self.now,
            stop=self.stop,
            width=steady(self.parallelism),
            on_event=on_event,
            patience=(0.0, 0.0, 0.0),
        )

    def left_after(self, report: Report, desired: Sequence[Resource]) -> Plan:
        """What a plan says after reading again what the run touched."""
        again = verify(
            self.reader,
            touched(report, self.snapshot),
            desired,
            self.ledger.owned(),
            self.surfaces,
            self.snapshot,
        )
        return self.replan(desired, again)


def outcomes(report: Report) -> dict[str, str]:
    """Address -> how it ended."""
    return {str(each.address): each.status.value for each in report.outcomes}


def outcome(report: Report, address: str) -> Outcome:
    return next(each for each in report.outcomes if each.address == Address.parse(address))


def all_done(report: Report) -> bool:
    return all(each.status is OutcomeStatus.DONE for each in report.outcomes)
