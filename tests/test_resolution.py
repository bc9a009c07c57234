"""What a person's word on a write does to ownership."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.errors import LedgerError
from reconciler.intents import IntentDraft
from reconciler.ledger import Ledger
from reconciler.model import Address, Operation, Owned
from reconciler.resolution import resolve
from tests.engine.account import site

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
HQ = Address("site", ("acme", "hq"))


def ledger_with(operation: Operation, *rows: Owned, remote_id: str | None = None) -> Ledger:
    ledger = Ledger.open(":memory:", "dev")
    for row in rows:
        ledger.record(row)
    run = ledger.begin_run("apply", "trace", "config", NOW)
    ledger.intend_all(run, [IntentDraft(HQ, operation, None, "d", remote_id, "hq")], NOW)
    return ledger


def say(ledger: Ledger, *, happened: bool, remote_id: str | None = None, protect: bool = False) -> None:
    declared = [site("depot", protect=not protect), site(protect=protect)]
    resolve(declared, ledger, HQ, happened=happened, remote_id=remote_id, by="kim", now=NOW)
    assert ledger.unsettled() == []


@pytest.mark.parametrize("protect", [True, False])
def test_what_was_created_is_owned_as_its_manifest_protects_it(*, protect: bool) -> None:
    with ledger_with("create") as ledger:
        say(ledger, happened=True, remote_id="17", protect=protect)
        assert ledger.owned() == {HQ: Owned(HQ, "17", "hq", protect=protect)}


def test_what_was_not_created_is_not_owned() -> None:
    with ledger_with("create") as ledger:
        say(ledger, happened=False)
        assert ledger.owned() == {}


@pytest.mark.parametrize(
    ("row", "happened", "owned"), [("17", True, False), ("18", True, True), ("17", False, True)]
)
def test_only_what_was_deleted_is_owned_no_longer(row: str, *, happened: bool, owned: bool) -> None:
    with ledger_with("delete", Owned(HQ, row, "hq"), remote_id="17") as ledger:
        say(ledger, happened=happened)
        assert (HQ in ledger.owned()) is owned


def test_an_id_may_be_its_own_already_or_that_of_something_elsewhere() -> None:
    elsewhere = Owned(Address("site", ("other", "hq")), "17", "hq")
    with ledger_with("create", Owned(HQ, "17", "hq"), elsewhere) as ledger:
        say(ledger, happened=True, remote_id="17")
        assert ledger.owned()[HQ].remote_id == "17"


def test_an_id_is_of_no_use_for_an_update() -> None:
    with ledger_with("update", remote_id="17") as ledger, pytest.raises(LedgerError, match="--id 17"):
        say(ledger, happened=True, remote_id="17")


def test_the_station_that_a_new_one_replaces_stays_owned_until_its_delete() -> None:
    central = Address("monitoring_station", ("acme", "central"))
    went = Address("monitoring_station", ("acme", "central#1"))
    with ledger_with("update") as ledger:
        ledger.record(Owned(central, "1", "central"))
        run = ledger.begin_run("apply", "trace", "config", NOW)
        ledger.intend_all(run, [IntentDraft(central, "create", None, "d", None, "central-2")], NOW)
        resolve([], ledger, central, happened=True, remote_id="2", by="kim", now=NOW)
        assert ledger.owned() == {
            central: Owned(central, "2", "central-2"),
            went: Owned(went, "1", "central"),
        }
