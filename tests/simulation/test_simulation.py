"""The digital twin: every wrong second has its cause, the enforcer adds next to none, and runs repeat."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.arming.fleet import Fleet
from reconciler.arming.project import targets
from reconciler.enforcer.pace import Pace
from reconciler.enforcer.simulation import Cause, Faults, Rate, Setting, Simulation, documented_rate, simulate
from reconciler.manifests import load

MANIFEST = """
kind: dealer
id: acme
dealer_id: 1
---
kind: site
id: hq
dealer: acme
name: Headquarters
timezone: Asia/Seoul
arming: {schedule: nights}
---
kind: site
id: depot
dealer: acme
name: Depot
timezone: America/New_York
arming: {partitions: {1: nights, 2: nights}}
---
kind: schedule
id: nights
windows:
  - {days: [mon, tue, wed, thu, fri, sat, sun], arm: "18:00", disarm: "08:00", mode: away}
manual_change: POLICY
"""

NOTHING = Faults().times(0)
ALWAYS = {Cause.AVOIDABLE, Cause.PANEL}


def fleet(tmp_path: Path, policy: str = "respect_until_next") -> Fleet:
    (tmp_path / "sites.yaml").write_text(MANIFEST.replace("POLICY", policy), encoding="utf-8")
    project = load(tmp_path, env={})
    return Fleet(targets(project.resources, project.attachments))


def run(known: Fleet, faults: Faults, *, sites: int = 10, days: int = 40, **other: object) -> Simulation:
    setting = Setting(
        datetime(2026, 1, 1, tzinfo=UTC),
        days,
        1,
        other.get("rate", documented_rate()),  # type: ignore[arg-type]
        sites,
        faults,
        reviews=other.get("reviews", Pace()),  # type: ignore[arg-type]
    )
    return simulate(known, setting)


def causes(found: Simulation) -> set[Cause]:
    return {cause for cause in Cause if found.seconds(cause)}


def test_without_mishaps_every_transition_is_one_command_and_hardly_late(tmp_path: Path) -> None:
    found = run(fleet(tmp_path), NOTHING)
    assert found.transitions == 15 * 40 * 2
    assert found.counts.commands == found.transitions
    assert causes(found) == ALWAYS
    assert found.seconds(Cause.AVOIDABLE) <= 0.5 * found.transitions
    assert max(account.slow for account in found.accounts.values()) <= 1_000_000


@pytest.mark.parametrize(
    ("faults", "blamed"),
    [
        (Faults(0, 0, 0, 0, 24, 0, 0), Cause.OUTAGES),
        (Faults(0, 0, 0, 0, 0, 48, 0), Cause.RATE_LIMITS),
        (Faults(0, 0, 0, 0.3, 0, 0, 0), Cause.OPEN_ZONES),
        (Faults(0.5, 0.5, 0.1, 0, 0, 0, 0), Cause.PEOPLE),
    ],
)
def test_time_is_put_down_to_what_went_wrong(tmp_path: Path, faults: Faults, blamed: Cause) -> None:
    found = run(fleet(tmp_path), faults)
    assert blamed in causes(found)
    assert causes(found) - ALWAYS - {blamed, Cause.DOUBT} == set()
    assert found.seconds(blamed) > 10 * found.seconds(Cause.AVOIDABLE)
    assert found.seconds(Cause.AVOIDABLE) <= 0.5 * found.transitions


def test_the_worst_of_all_mishaps_together_leave_no_more_avoidable_time(tmp_path: Path) -> None:
    found = run(fleet(tmp_path), Faults().times(20))
    assert found.counts.busy
    assert found.counts.failed
    assert found.seconds(Cause.AVOIDABLE) <= 0.5 * found.transitions


def test_a_rate_too_small_for_the_fleet_is_no_fault_of_the_enforcer(tmp_path: Path) -> None:
    found = run(fleet(tmp_path), NOTHING, sites=60, days=4, rate=Rate(120, 10))
    assert found.seconds(Cause.RATE_LIMITS) > 10 * found.transitions
    assert found.seconds(Cause.AVOIDABLE) <= 0.5 * found.transitions


def test_an_open_zone_is_tried_again_at_a_stated_pace_and_not_watched_in_a_loop(tmp_path: Path) -> None:
    found = run(fleet(tmp_path), Faults(0, 0, 0, 1.0, 0, 0, 0), sites=3)
    assert found.counts.requests < 10 * found.counts.commands


def test_a_schedule_that_is_enforced_leaves_people_a_review_and_no_more(tmp_path: Path) -> None:
    """By hand a target is wrong until the next look, once a minute; respected, until the morning."""
    people = Faults(
        early_a_day=0.3, late_a_day=0, fights_a_day=0, open_doors=0, outages_a_day=0, busy_a_day=0
    )
    enforced = run(fleet(tmp_path, "enforce"), people)
    respected = run(fleet(tmp_path), people)
    acts = 0.3 * 15 * 40 * 14 / 24
    assert 0 < enforced.seconds(Cause.PEOPLE) < 60 * 1.5 * acts
    assert respected.seconds(Cause.PEOPLE) > 20 * enforced.seconds(Cause.PEOPLE)


def test_two_counter_actions_stop_the_enforcer_until_a_person_resumes_it(tmp_path: Path) -> None:
    fights = Faults(
        early_a_day=0, late_a_day=0, fights_a_day=0.3, open_doors=0, outages_a_day=0, busy_a_day=0
    )
    fought = run(fleet(tmp_path, "enforce"), fights, sites=2)
    assert fought.seconds(Cause.PEOPLE) > 3600
    assert fought.counts.commands < 3 * fought.transitions


def test_sites_are_repeated_up_to_the_number_asked_for(tmp_path: Path) -> None:
    known = fleet(tmp_path)
    names = [str(key.address) for key in run(known, NOTHING, sites=5, days=1).accounts]
    assert names == [
        *("site:acme/depot",) * 2,
        "site:acme/hq",
        *("site:acme/depot~2",) * 2,
        "site:acme/hq~2",
        *("site:acme/depot~3",) * 2,
    ]
    one = run(known, NOTHING, sites=1, days=1).accounts
    assert {key.address for key in one} == {"site:acme/depot"}


def test_a_project_without_targets_is_no_problem() -> None:
    found = run(Fleet(()), Faults(), sites=5)
    assert (found.transitions, found.counts.requests, causes(found)) == (0, 0, set())


def test_the_same_seed_gives_the_same_bytes_in_every_process_and_another_one_others(tmp_path: Path) -> None:
    fleet(tmp_path)

    def output(seed: int, hash_seed: str) -> str:
        command = [
            "schedule",
            "simulate",
            str(tmp_path),
            "--seed",
            str(seed),
            "--days",
            "20",
            "--format",
            "json",
        ]
        return subprocess.run(
            [sys.executable, "-m", "reconciler", *command],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout

    assert output(7, "1") == output(7, "2")
    assert output(7, "1") != output(8, "1")
