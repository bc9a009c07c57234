"""An apply by workers is the apply of one process: same plan, same end, same history, whoever does it."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.rig import DEALERS, Fleet, fleet, manifests, wait_for
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
                made.worker("w1", env={"HOOK_SECRET": ""})  # what no lane needs
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


def whole(made: Fleet) -> None:
    """The account is as the manifests say, and nothing of it was made twice."""
    assert made.plan()["changes"] == []
    for kind in ("site", "device", "contact", "monitoring_station"):
        rows = [(row.scope, row.external_id or row.body.get("name")) for row in made.sandbox.store.all(kind)]
        assert len(rows) == len(set(rows)), kind
    with made.ledger() as ledger:
        assert ledger.unsettled() == []


def signalled(process: subprocess.Popen[str], number: signal.Signals) -> Callable[[], None]:
    return lambda: process.send_signal(number)


def test_what_a_killed_worker_began_another_finishes(three: Fleet) -> None:
    one = three.worker("w1", "--lanes", "2")
    three.sandbox.watch({6: signalled(one, signal.SIGKILL)})
    three.sandbox.pace = 0.02
    applying = three.apply("--fleet")
    wait_for(lambda: one.poll() is not None)
    two = three.worker("w2")
    report = three.ended(applying)
    assert {outcome["status"] for outcome in report["outcomes"]} == {"done"}
    whole(three)
    two.terminate()
    three.ended(two)
    assert [each.name for each in three.workers()] == ["w1"]


def test_workers_are_replaced_one_by_one_in_the_middle_of_an_apply(three: Fleet) -> None:
    """Each is stopped at a write after which no lane can end before its worker knows that it is to stop."""

    def stop() -> None:
        three.sandbox.pace = 1.0
        three.processes[-1].send_signal(signal.SIGTERM)

    three.write(manifests(DEALERS, 6))
    applying = three.apply("--fleet")
    for name in ("w1", "w2"):
        three.sandbox.pace = 0.05
        three.sandbox.watch({5: stop})
        worker = three.worker(name, "--lanes", "2")
        three.ended(worker)
        assert "left to another worker" in three.errors(worker)
    three.sandbox.pace = 0.0
    three.worker("w3")
    report = three.ended(applying)
    assert {outcome["status"] for outcome in report["outcomes"]} == {"done"}
    whole(three)
    assert [each.name for each in three.workers()] == ["w3"]


def test_a_worker_that_slept_through_the_end_of_its_lanes_says_so_in_sentences(three: Fleet) -> None:
    one = three.worker("w1", "--lanes", "3")
    three.sandbox.watch({5: signalled(one, signal.SIGSTOP)})
    three.sandbox.pace = 0.05
    applying = three.apply("--fleet")
    wait_for(lambda: len(three.writes()) >= 5)
    three.worker("w2")
    report = three.ended(applying)
    assert {outcome["status"] for outcome in report["outcomes"]} == {"done"}
    one.send_signal(signal.SIGCONT)
    wait_for(lambda: "stops: " in three.errors(one), lambda: three.errors(one))
    one.send_signal(signal.SIGTERM)
    three.ended(one)
    assert "Traceback" not in three.errors(one)
    whole(three)


def test_an_apply_after_one_that_was_killed_stops_its_workers_and_finishes(three: Fleet) -> None:
    three.worker("w1")
    killed: list[subprocess.Popen[str]] = []
    three.sandbox.watch({7: lambda: killed[0].send_signal(signal.SIGKILL)})
    three.sandbox.pace = 0.05
    killed.append(three.apply("--fleet"))
    wait_for(lambda: killed[0].poll() is not None)
    three.run(*three.apply_line)
    whole(three)
    with three.ledger() as ledger:
        assert ledger.open_handouts() == []


def test_a_stopped_apply_says_how_to_go_on_and_the_next_one_does(three: Fleet) -> None:
    three.worker("w1", "--lanes", "1")
    stopped: list[subprocess.Popen[str]] = []
    three.sandbox.watch({7: lambda: stopped[0].send_signal(signal.SIGINT)})
    three.sandbox.pace = 0.05
    stopped.append(three.apply("--fleet"))
    report = three.ended(stopped[0], code=1)
    assert report["error"]["code"] == "interrupted"
    assert report["error"]["hint"] == "Run it again to finish the rest."
    assert {outcome["status"] for outcome in report["outcomes"]} == {"done", "skipped"}
    three.run(*three.apply_line, "--fleet")
    whole(three)


def test_a_worker_without_credentials_says_so_and_its_lanes_fail(three: Fleet) -> None:
    three.worker("w1", env={"CHEKT_CLIENT_SECRET": ""})
    report = three.ended(three.apply("--fleet"), code=1)
    messages = {outcome["message"] for outcome in report["outcomes"] if outcome["status"] == "failed"}
    assert len(messages) == 1
    assert "worker w1" in messages.pop()
