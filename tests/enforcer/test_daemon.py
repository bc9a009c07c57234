"""The daemon, on the embedded sandbox and a clock that only its own waiting moves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.account import open_account
from reconciler.enforcer.daemon import Files, Manifests, daemon, fingerprint
from reconciler.errors import LedgerError, RemoteError
from reconciler.ledger import CommandRecord
from reconciler.manifests import load
from reconciler.model import Address, Owned
from reconciler.planning.scope import Scope
from reconciler.redaction import Redactor
from reconciler.runtime import Runtime, store_of
from reconciler.sandbox import DEALER_ID, Sandbox
from tests.enforcer.rig import EVENING, MORNING, NIGHT, NOON, TUESDAY, Clock, project

SITE = Address("site", ("acme", "hq"))


class Service:
    """One project and a daemon on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "p"
        self.project = project(self.directory)
        self.clock = Clock(NOON)
        self.notes: list[str] = []
        self.files = Files(directory / "heartbeat.json", directory / "metrics.prom")
        self.runtime = Runtime({}, Redactor(), self.clock.now)
        with open_account(self.project, self.runtime) as account:
            site_id = self._create()
            account.ledger.record(Owned(SITE, site_id, "hq"))

    def _create(self) -> str:
        sandbox = Sandbox(self.directory / ".reconciler" / "sandbox.db", clock=self.clock.now)
        try:
            with sandbox.store.transaction():
                row = sandbox.store.insert("site", str(DEALER_ID), "hq", {"name": "HQ"}, NOON.timestamp())
            return str(row.id)
        finally:
            sandbox.close()

    def run(self, until: timedelta) -> None:
        self.clock.stop_at = self.clock.now() + until
        manifests = Manifests(
            lambda: load(self.directory, env={}), lambda: fingerprint(self.directory), self.project
        )
        daemon(manifests, self.runtime, Scope(), self.clock, self.files, self.notes.append)

    def records(self) -> list[CommandRecord]:
        with store_of(self.project, self.runtime).open() as ledger:
            return ledger.commands()

    def write(self, text: str) -> Callable[[], None]:
        return lambda: (self.directory / "site.yaml").write_text(text, encoding="utf-8") and None

    def noted(self, text: str) -> int:
        return sum(text in note for note in self.notes)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_it_sleeps_to_the_exact_instants_of_a_day(service: Service) -> None:
    service.clock.set(EVENING - timedelta(minutes=30))
    service.run(timedelta(hours=1))
    service.clock.set(MORNING + TUESDAY - timedelta(minutes=30))
    service.run(timedelta(hours=1))
    assert [(row.decided, row.issued_at) for row in service.records()] == [
        ("armed_away", EVENING),
        ("disarmed", MORNING + TUESDAY),
    ]


def test_a_suspend_is_noticed_and_what_it_missed_is_made_up_for(service: Service) -> None:
    """The wall clock leaps while the monotonic one stands still."""
    service.clock.set(EVENING - timedelta(minutes=70))
    service.clock.at(EVENING - timedelta(hours=1), lambda: service.clock.step(timedelta(hours=3)))
    service.run(timedelta(hours=4))
    (row,) = service.records()
    assert row.issued_at < EVENING + timedelta(hours=2, seconds=10)
    assert service.noted("The clock moved by +10800") == 1


def test_a_clock_set_back_is_noticed(service: Service) -> None:
    service.clock.set(EVENING - timedelta(minutes=10))
    service.clock.at(EVENING - timedelta(minutes=5), lambda: service.clock.step(-timedelta(minutes=30)))
    service.run(timedelta(minutes=30))
    assert service.noted("The clock moved by -1800") == 1
    assert [row.issued_at for row in service.records()] == [EVENING]


def test_changed_manifests_are_taken_up(service: Service) -> None:
    text = (service.directory / "site.yaml").read_text(encoding="utf-8")
    service.clock.at(NOON + timedelta(hours=1), service.write(text.replace("18:00", "14:00")))
    service.run(timedelta(hours=3))
    assert [row.issued_at for row in service.records()] == [NOON + timedelta(hours=2)]


def test_broken_manifests_are_told_and_the_last_good_ones_stay_in_force(service: Service) -> None:
    text = (service.directory / "site.yaml").read_text(encoding="utf-8")
    service.clock.at(NOON + timedelta(hours=1), service.write(text.replace("windows:", "window:")))
    service.run(timedelta(hours=7))
    assert [row.issued_at for row in service.records()] == [EVENING]
    assert service.noted("The manifests are broken") == 1
    with store_of(service.project, service.runtime).open() as ledger:
        assert [alert.code for alert in ledger.open_alerts()] == ["manifests_broken"]
    service.write(text)()
    service.run(timedelta(hours=1))
    with store_of(service.project, service.runtime).open() as ledger:
        assert ledger.open_alerts() == []


def test_manifests_of_another_arming_model_are_not_taken_up(service: Service) -> None:
    settings = service.directory / "reconciler.yaml"
    text = settings.read_text(encoding="utf-8") + "arming_model: partner_triggered\n"
    service.clock.at(NOON + timedelta(hours=1), lambda: settings.write_text(text, encoding="utf-8"))
    service.run(timedelta(hours=7))
    assert [row.issued_at for row in service.records()] == [EVENING]
    assert service.noted("stay in force") == 1


def test_an_override_set_while_it_sleeps_is_obeyed_within_seconds(service: Service) -> None:
    at = NOON + timedelta(hours=2)

    def override() -> None:
        with store_of(service.project, service.runtime).open() as ledger:
            until = at + timedelta(hours=1)
            ledger.set_override(SITE, None, "armed_away", until=until, reason="r", made_by="kim", now=at)

    service.clock.at(at, override)
    service.run(timedelta(hours=3, minutes=30))
    first, second = service.records()
    assert first.decided == "armed_away"
    assert first.issued_at - at <= timedelta(seconds=5)
    assert (second.decided, second.issued_at) == ("disarmed", at + timedelta(hours=1))


def test_monitoring_sees_that_it_lives_and_what_it_does(service: Service) -> None:
    service.clock.set(EVENING - timedelta(minutes=30))
    service.run(timedelta(minutes=90))
    assert service.files.heartbeat is not None
    assert service.files.metrics is not None
    beat = json.loads(service.files.heartbeat.read_text(encoding="utf-8"))
    assert beat["targets"] == 1
    assert beat["at"].startswith("2026-11-23T19:0")
    metrics = service.files.metrics.read_text(encoding="utf-8")
    assert "reconciler_enforce_targets_in_state 1\n" in metrics
    assert 'reconciler_enforce_commands_total{result="confirmed"} 1\n' in metrics
    assert "reconciler_enforce_late_seconds_sum 0.000\n" in metrics


def test_a_ledger_that_cannot_be_read_ends_it(service: Service) -> None:
    with store_of(service.project, service.runtime).open() as ledger:
        ledger.watch(str(SITE), None, "nonsense")
    with pytest.raises(LedgerError, match="cannot be read"):
        service.run(timedelta(hours=1))


def test_hidden_files_do_not_count_as_manifests(service: Service) -> None:
    before = fingerprint(service.directory)
    (service.directory / ".reconciler" / "note").write_text(NIGHT, encoding="utf-8")
    assert fingerprint(service.directory) == before


def test_an_outage_is_logged_when_it_begins_now_and_then_and_when_it_is_over(service: Service) -> None:
    """A line each, however often it is tried."""
    begins, ends = NOON + timedelta(hours=1), NOON + timedelta(hours=1, minutes=34)

    def permit() -> None:
        if begins <= service.clock.now() < ends:
            raise RemoteError("the host cannot be reached")

    service.runtime = replace(service.runtime, permit=permit)
    service.run(timedelta(hours=3))
    began, *rest, over = [note for note in service.notes if "looked at" in note]
    assert began.startswith("1 of 1 targets cannot be looked at; tried again at 2026-11-23T13:")
    assert began.endswith("Z: the host cannot be reached.")
    assert len(rest) in (2, 3)
    assert all(note.endswith(": the host cannot be reached.") for note in rest)
    assert over == "It can be looked at again."
