"""An apply by workers is the apply of one process: same plan, same end, same history, whoever does it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.rig import DEALERS, Fleet, fleet
from tests.postgresql import Server


@pytest.fixture
def three(tmp_path: Path, postgresql: Server) -> Iterator[Fleet]:
    with fleet(tmp_path / "fleet", postgresql.ledger()) as made:
        yield made


def history(made: Fleet) -> dict[str, Any]:
    """What the ledger holds, without what another account numbers otherwise."""
    with made.ledger() as ledger:
        owned = {
            str(each.address): (each.external_id, each.protect, sorted(each.secrets), dict(each.replaced))
            for each in ledger.owned().values()
        }
        runs = [(run.command, run.result, run.ended_at is not None) for run in ledger.runs(10)]
        intents = ledger._database.rows(
            "SELECT run, address, operation, part, number, external_id, status FROM intents"
        )
        return {"owned": owned, "runs": runs, "intents": sorted(map(tuple, intents), key=str)}


def unnumbered(writes: list[str]) -> list[str]:
    """Writes without the numbers of what was created, in no order: dealers have longer ones."""
    return sorted(re.sub(r"/\d{1,3}\b", "/N", line) for line in writes)


def same(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan or a report without its time, its place and what it cost."""
    return {
        name: value
        for name, value in plan.items()
        if name not in ("created_at", "expires_at", "digest", "project", "config_digest", "requests")
    }


def test_a_fleet_of_one_does_what_one_process_does(tmp_path: Path, postgresql: Server) -> None:
    two = {name: number for name, number in DEALERS.items() if name != "delta"}
    found = []
    for name in ("plain", "fleet"):
        with fleet(tmp_path / name, postgresql.ledger(), dealers=two) as made:
            before = made.plan()
            if name == "fleet":
                made.worker("w1")
            report = made.run(*made.apply_line, *(["--fleet"] if name == "fleet" else []))
            found.append(
                (same(before), same(report), unnumbered(made.writes()), history(made), same(made.plan()))
            )
    plain, by_fleet = found
    assert by_fleet[0] == plain[0]
    assert by_fleet[1] == plain[1]
    assert by_fleet[2] == plain[2]
    assert by_fleet[3] == plain[3]
    assert by_fleet[4] == plain[4]
    assert by_fleet[4]["changes"] == []
