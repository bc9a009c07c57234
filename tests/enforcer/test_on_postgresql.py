"""The rules of doubt with the ledger in a PostgreSQL database."""

from __future__ import annotations

import pytest

from tests import ledgers
from tests.enforcer.test_on_the_sandbox import (  # noqa: F401  the same statements, about another ledger
    armed,
    site,
    test_with_its_ledger_of_days_ago_it_does_not_disarm,
    test_without_its_ledger_it_arms_and_does_not_disarm,
)
from tests.postgresql import Server


@pytest.fixture(autouse=True)
def _kept_there(postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ledgers.SWITCH, "postgresql")
