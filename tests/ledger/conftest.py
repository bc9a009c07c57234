"""A remote for the ledgers on a branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ledger.repositories import Origin, make_origin


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return make_origin(tmp_path)
