"""A fleet that enforces: lanes move between workers and projects; each site is commanded once, in time."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.model import Address
from tests.fleet.rig import DEALERS, Fleet, fleet, manifests, wait_for
from tests.postgresql import Server

ALWAYS = "windows: [{days: [mon, tue, wed, thu, fri, sat, sun], arm: '00:00', disarm: '24:00', mode: away}]"
NEVER = "windows: []"
SITES = [f"site:{dealer}/s0" for dealer in DEALERS]


def project(windows: str) -> dict[str, str]:
    schedule = f"kind: schedule\nid: nights\n{windows}\nmanual_change: enforce\n"
    return {**manifests(DEALERS, 1), "account.yaml": schedule}


@pytest.fixture
def three(tmp_path: Path, postgresql: Server) -> Iterator[Fleet]:
    """Three dealers with a site each, to be armed always; it is applied."""
    with fleet(tmp_path / "fleet", postgresql.ledger()) as made:
        made.write(project(ALWAYS))
        made.run(*made.apply_line)
        yield made


def enforce(made: Fleet, *options: str) -> list[str]:
    return ["enforce", str(made.directory), "--env", "far", *options]


def commands(made: Fleet) -> list[tuple[str, str, float]]:
    """Site, state and lateness of every confirmed command."""
    with made.ledger() as ledger:
        return [
            (site, row.decided, row.lateness)
            for site in SITES
            for row in ledger.commands(Address.parse(site))
            if row.result == "confirmed"
        ]


def visit(made: Fleet) -> datetime:
    """Every site is to be disarmed for some seconds from now on; until when."""
    now = datetime.now(tz=UTC)
    until = now + timedelta(seconds=12)
    with made.ledger() as ledger:
        for site in map(Address.parse, SITES):
            ledger.set_override(
                site, None, "disarmed", until=until, reason="a visit", made_by="a test", now=now
            )
    return until


def test_two_workers_arm_every_site_once_and_one_process_stays_out_of_it(three: Fleet) -> None:
    three.worker("w1")
    three.worker("w2")
    found = three.run(*enforce(three, "--fleet", "--once", "--horizon", "30s", "--format", "json"))
    assert (found["lanes"], found["workers"], found["late"]) == (3, 2, 0)
    wait_for(lambda: len(commands(three)) == 3)
    assert [(site, state) for site, state, _ in commands(three)] == [(site, "armed_away") for site in SITES]
    excluded = three.run(*enforce(three, "--once", "--format", "json"))["excluded"]
    assert "enforced by the workers of a fleet" in excluded
    three.run("fleet", "release", "--ledger", three.ledger_url, "--env", "far")
    done = three.run(*enforce(three, "--once", "--horizon", "0s", "--format", "json"))
    assert "excluded" not in done
    assert len(commands(three)) == 3


def test_workers_are_replaced_while_a_transition_comes_and_none_is_late(three: Fleet) -> None:
    """Two workers drain, one after the other, in the seconds before every site is to be armed again."""
    one = three.worker("w1")
    three.run(*enforce(three, "--fleet", "--once", "--horizon", "30s"))
    wait_for(lambda: len(commands(three)) == 3)
    visit(three)
    wait_for(lambda: len(commands(three)) == 6)
    two = three.worker("w2")
    one.send_signal(signal.SIGTERM)
    three.ended(one)
    three.worker("w3")
    two.send_signal(signal.SIGTERM)
    three.ended(two)
    wait_for(lambda: len(commands(three)) == 9, lambda: str(commands(three)))
    again = [lateness for _, state, lateness in commands(three) if state == "armed_away"]
    assert max(again[1::2]) < 5.0, again


def test_new_manifests_are_taken_up_by_workers_that_are_at_work(three: Fleet) -> None:
    three.worker("w1")
    follower = three.start(*enforce(three, "--fleet", "--daemon"))
    wait_for(lambda: len(commands(three)) == 3, lambda: three.errors(follower))
    three.write(project(NEVER))
    three.run(*enforce(three, "--fleet", "--once", "--horizon", "30s"))
    wait_for(lambda: "now on" in three.errors(three.processes[0]))
    follower.send_signal(signal.SIGTERM)
    three.ended(follower)
    assert "The workers go on" in three.errors(follower)


def test_a_lane_is_looked_after_by_the_project_that_woke_it_not_by_the_one_before(three: Fleet) -> None:
    """The next review of a lane is a minute away: who took it up by the old project would arm nothing now."""
    three.worker("w1")
    three.write(project(NEVER))
    three.run(*enforce(three, "--fleet", "--once", "--horizon", "30s"))
    three.write(project(ALWAYS))
    three.run(*enforce(three, "--fleet", "--once", "--horizon", "30s"))
    wait_for(lambda: len(commands(three)) == 3, lambda: three.errors(three.processes[0]))
    assert [(site, state) for site, state, _ in commands(three)] == [(site, "armed_away") for site in SITES]


def test_lanes_that_wait_for_a_transition_of_a_replaced_project_let_go_of_it(three: Fleet) -> None:
    three.worker("w1")
    three.run(*enforce(three, "--fleet", "--once", "--horizon", "30s"))
    wait_for(lambda: len(commands(three)) == 3)
    until = visit(three)
    wait_for(lambda: len(commands(three)) == 6, lambda: three.errors(three.processes[0]))
    three.write(project(NEVER))
    three.run(*enforce(three, "--fleet", "--once", "--horizon", "30s"))
    assert datetime.now(tz=UTC) < until
    wait_for(lambda: datetime.now(tz=UTC) > until + timedelta(seconds=2))
    assert [state for _, state, _ in commands(three)][1::2] == ["disarmed"] * 3


def test_a_fleet_needs_a_ledger_that_it_can_share(three: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    settings = (three.directory / "reconciler.yaml").read_text()
    (three.directory / "reconciler.yaml").write_text(settings.replace(three.ledger_url, "ledger.db"))
    process = three.start(*enforce(three, "--fleet", "--once"))
    process.wait(30)
    assert process.returncode == 1
    assert "is of this machine alone" in three.errors(process)
