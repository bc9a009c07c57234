"""A share of the matrix with its ledgers in a PostgreSQL database.

``RECONCILER_TEST_LEDGER=postgresql pytest tests/faults tests/enforcer`` keeps all of them there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests import ledgers
from tests.faults.matrix import FAULTS, SERVERS, Stage, stage, strike
from tests.faults.processes import killed
from tests.faults.projects import SMALL_AFTER, SMALL_BEFORE
from tests.postgresql import Server

HARDEST = SERVERS["keys ignored, duplicates accepted"]


@pytest.fixture(scope="module")
def small(postgresql: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A small project, on the partner surface."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ledgers.SWITCH, "postgresql")
        yield stage(tmp_path_factory.mktemp("small"), SMALL_BEFORE, SMALL_AFTER)


@pytest.mark.parametrize("name", ["dropped after", "500 before", "cut", "sent twice"])
def test_one_more_run_heals_a_fault(small: Stage, tmp_path: Path, name: str) -> None:
    for number in small.struck_by(name)[:: 1 if name == "dropped after" else 3]:
        case = strike(small, tmp_path / "case", SERVERS["keys honoured"], [replace(FAULTS[name], nth=number)])
        assert case.good, (small.calls[number - 1], case)


def test_a_run_that_dies_anywhere_is_finished_by_the_next(small: Stage, tmp_path: Path) -> None:
    for at in range(1, small.boundaries + 1, 7):
        case = strike(small, tmp_path / "case", HARDEST, die_at=at)
        assert case.good, (at, case)


def test_a_killed_process_is_finished_by_the_next(small: Stage, tmp_path: Path) -> None:
    writes = [n for n, call in enumerate(small.calls, 1) if call.startswith("POST") and "oauth" not in call]
    assert killed(small, tmp_path / "case", writes[0], "after") == []
