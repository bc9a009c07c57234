"""What was confirmed of an account: kept once, of this account only, on a branch too."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.errors import LedgerError
from reconciler.ledger import Confirmation, Ledger
from tests.ledger.repositories import Origin, store

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
LATER = datetime(2026, 11, 21, 9, tzinfo=UTC)
LIST = "GET /partner/v1/dealers/{dealer_id}/sites"
UPDATE = "PATCH /partner/v1/dealers/{dealer_id}/sites/{site_id}"


def _ledger(path: Path | str = ":memory:", account: str = "https://api.example.com") -> Ledger:
    ledger = Ledger.open(path, "production")
    ledger.bind(account)
    return ledger


def test_the_same_shape_keeps_its_time_and_another_one_takes_its_place() -> None:
    with _ledger() as ledger:
        ledger.confirm([Confirmation(LIST, "inferred", "a", NOW), Confirmation(UPDATE, "named", "", NOW)])
        ledger.confirm([Confirmation(LIST, "observed", "a", LATER)])
        assert ledger.confirmations() == [
            Confirmation(LIST, "inferred", "a", NOW),
            Confirmation(UPDATE, "named", "", NOW),
        ]
        ledger.confirm([Confirmation(LIST, "observed", "b", LATER)])
        assert ledger.confirmations()[0] == Confirmation(LIST, "inferred", "b", LATER)


def test_what_answers_otherwise_is_not_confirmed_any_more() -> None:
    with _ledger() as ledger:
        ledger.confirm([Confirmation(LIST, "inferred", "a", NOW), Confirmation(UPDATE, "named", "", NOW)])
        ledger.doubt([LIST, "GET /never/heard/of"])
        assert [each.endpoint for each in ledger.confirmations()] == [UPDATE]


def test_another_account_has_confirmed_nothing(tmp_path: Path) -> None:
    with _ledger(tmp_path / "ledger.db") as ledger:
        ledger.confirm([Confirmation(LIST, "inferred", "a", NOW)])
    with _ledger(tmp_path / "ledger.db", "https://api.example.net") as ledger:
        assert ledger.confirmations() == []
        ledger.confirm([Confirmation(LIST, "inferred", "a", LATER)])
    with _ledger(tmp_path / "ledger.db") as ledger:
        assert ledger.confirmations() == [Confirmation(LIST, "inferred", "a", NOW)]


def test_the_next_runner_knows_it(origin: Origin) -> None:
    with store(origin.clone("one")).open() as ledger:
        ledger.bind("https://api.example.com")
        ledger.confirm([Confirmation(LIST, "inferred", "a", NOW)])
    with store(origin.clone("two")).open() as ledger:
        assert ledger.confirmations() == [Confirmation(LIST, "inferred", "a", NOW)]


def test_a_grade_that_no_version_wrote_is_told_as_damage(tmp_path: Path) -> None:
    with _ledger(tmp_path / "ledger.db") as ledger:
        ledger.confirm([Confirmation(LIST, "certain", "a", NOW)])  # type: ignore[arg-type]
        with pytest.raises(LedgerError, match=r"Confirmation GET .*'certain'"):
            ledger.confirmations()
