"""Arming commands can only be added; an override lasts until it is cleared or over."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.errors import LedgerError
from reconciler.ledger import CommandRecord, Ledger
from reconciler.ledger.database import stamp
from reconciler.ledger.schema import APPLICATION_ID, MIGRATIONS
from reconciler.ledger.sqlite import open_database
from reconciler.model import Address, Owned

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SITE = Address("site", ("acme", "hq"))
OTHER = Address("site", ("acme", "depot"))


def command(target: Address = SITE, partition: int | None = None) -> CommandRecord:
    return CommandRecord(
        target=target,
        partition=partition,
        schedule="weeknights",
        revision="4f2c1d0",
        tzdata="2026a",
        reason="window mon-fri 18:00-08:00",
        state_before="disarmed",
        decided="armed_away",
        result="confirmed",
        state_after="armed_away",
        due=NOW,
        issued_at=NOW + timedelta(seconds=1.5),
        lateness=1.5,
    )


def test_commands_come_back_as_recorded_by_target() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        ledger.record_command(command())
        ledger.record_command(command(OTHER, partition=2))
        assert ledger.commands(SITE) == [command()]
        assert ledger.commands() == [command(), command(OTHER, 2)]


def test_a_command_of_an_older_format_comes_back_without_who_changed_what_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    connection.executescript(MIGRATIONS[0] + MIGRATIONS[1])
    connection.execute(
        "INSERT INTO commands VALUES (1, 'dev', ?, NULL, 'weeknights', '4f2c1d0', '2026a',"
        " 'window mon-fri 18:00-08:00', 'disarmed', 'armed_away', 'confirmed', 'armed_away', ?, ?, 1.5, '')",
        (str(SITE), stamp(NOW), stamp(NOW + timedelta(seconds=1.5))),
    )
    connection.commit()
    connection.executescript(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 2;")
    connection.close()
    with Ledger.open(path, "dev") as ledger:
        by_hand = replace(command(), changed_at=NOW, changed_by="kim", changed_through="app")
        ledger.record_command(by_hand)
        assert ledger.commands(SITE) == [command(), by_hand]


@pytest.mark.parametrize("statement", ["UPDATE commands SET reason = 'x'", "DELETE FROM commands"])
def test_commands_cannot_be_changed_or_removed(tmp_path: Path, statement: str) -> None:
    with Ledger.open(tmp_path / "ledger.db", "dev") as ledger:
        ledger.record_command(command())
        connection = sqlite3.connect(tmp_path / "ledger.db")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
        connection.close()
        assert ledger.commands() == [command()]


def test_an_override_replaces_the_one_before_it_for_the_same_target_and_partition() -> None:
    until = NOW + timedelta(hours=2)
    with Ledger.open(":memory:", "dev") as ledger:

        def put(target: Address, partition: int | None, state: str) -> None:
            ledger.set_override(target, partition, state, until=until, reason="works", made_by="kim", now=NOW)

        put(SITE, None, "disarmed")
        put(SITE, 1, "armed_stay")
        put(SITE, None, "armed_away")
        found = [(each.partition, each.state) for each in ledger.overrides()]
        assert found == [(1, "armed_stay"), (None, "armed_away")]
        assert ledger.clear_override(SITE, None, NOW)
        assert not ledger.clear_override(SITE, None, NOW)
        assert [each.partition for each in ledger.overrides()] == [1]
        assert ledger.overrides(until - timedelta(microseconds=1)) == ledger.overrides()
        assert ledger.overrides(until) == []


def test_an_override_in_the_past_is_refused() -> None:
    with Ledger.open(":memory:", "dev") as ledger, pytest.raises(LedgerError, match="before it starts"):
        ledger.set_override(SITE, None, "disarmed", until=NOW, reason="r", made_by="kim", now=NOW)


def test_a_part_of_a_ledger_is_what_whoever_enforces_it_has_to_do_with() -> None:
    foreign = Address("site", ("acme-west", "hq"))
    database = open_database(":memory:", "dev")
    with Ledger(database) as ledger:
        for site in (SITE, foreign):
            ledger.record(Owned(site, "1", "hq"))
            ledger.watch(str(site), None, "{}")
            ledger.open_alert("stuck", str(site), None, "it is stuck", NOW)
            until = NOW + timedelta(hours=2)
            ledger.set_override(site, None, "disarmed", until=until, reason="r", made_by="kim", now=NOW)
        assert len(ledger.watched()) == 2
        database.part = "site:acme/"
        assert list(ledger.owned()) == [SITE]
        assert list(ledger.watched()) == [(str(SITE), None)]
        assert [row.target for row in ledger.overrides_since(NOW)] == [SITE]
        assert [row.target for row in ledger.open_alerts()] == [str(SITE)]
        assert [row.target for row in ledger.untold_alerts()] == [str(SITE)]
