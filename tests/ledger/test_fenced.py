"""Behind a fence nothing is written by who may not any more, and everything can still be read."""

from __future__ import annotations

import pytest

from reconciler.errors import LeaseLostError
from reconciler.ledger import Ledger
from reconciler.ledger.database import Database
from reconciler.ledger.fenced import FencedDatabase
from reconciler.ledger.sqlite import open_database
from reconciler.model import Address, Owned

HQ, DEPOT = (
    Owned(Address("site", ("acme", "hq")), "1", "hq"),
    Owned(Address("site", ("acme", "depot")), "2", None),
)


class Gate:
    """A fence that can be closed, and counts who asks."""

    def __init__(self) -> None:
        self.open, self.asked = True, 0

    def __call__(self, database: Database) -> None:
        self.asked += 1
        database.rows("SELECT count(*) FROM owned")  # it asks in the transaction under way
        if not self.open:
            raise LeaseLostError("another worker has it")


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def ledger(gate: Gate) -> Ledger:
    return Ledger(FencedDatabase(open_database(":memory:", "dev"), gate))


def test_a_transaction_asks_once(ledger: Ledger, gate: Gate) -> None:
    ledger.record(HQ)
    assert gate.asked == 1
    with ledger.transaction():
        ledger.record(HQ)
        ledger.record(DEPOT)
    assert gate.asked == 2
    assert set(ledger.owned()) == {HQ.address, DEPOT.address}


def test_whoever_lost_the_lane_writes_nothing_and_reads_on(ledger: Ledger, gate: Gate) -> None:
    ledger.record(HQ)
    gate.open = False
    with pytest.raises(LeaseLostError):
        ledger.forget(HQ.address)
    with pytest.raises(LeaseLostError), ledger.transaction():
        ledger.record(DEPOT)
    assert set(ledger.owned()) == {HQ.address}


def test_a_transaction_that_broke_is_asked_for_again(ledger: Ledger, gate: Gate) -> None:
    with pytest.raises(ValueError, match="broken"), ledger.transaction():
        raise ValueError("broken")
    gate.open = False
    with pytest.raises(LeaseLostError):
        ledger.record(HQ)
