"""A ledger on PostgreSQL that workers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_store import PostgresStore
from tests.postgresql import Server


@pytest.fixture
def store(postgresql: Server) -> Iterator[PostgresStore]:
    made = PostgresStore(Place(postgresql.url, postgresql.schema()), "production", {})
    yield made
    made.close()
