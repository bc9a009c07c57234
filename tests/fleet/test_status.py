"""What a fleet tells of itself: golden text at 80 columns, JSON, and probes that a supervisor runs."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import run
from reconciler.fleet.queue import Backlog
from reconciler.fleet.standing import LATE, standing
from reconciler.fleet.status import (
    BudgetStatus,
    EnvironmentStatus,
    LaneStatus,
    RunStatus,
    Status,
    as_text,
    quantile,
)
from reconciler.fleet.worker import Tally
from reconciler.ledger import DueRow
from reconciler.ledger.fleet import WorkerRecord
from reconciler.ledger.postgres_store import PostgresStore
from tests.fleet.rig import fleet, wait_for
from tests.postgresql import Server

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
WORKER = WorkerRecord("w1", "host-1", 17, "1.0", 4, 3, False, 9, NOW, NOW - timedelta(seconds=1))
LANE = LaneStatus("acme", "w1", 12, 3, 1.5, 40, 0.25, 2.75, NOW)
SHOWN = Status(
    NOW,
    (
        WORKER,
        replace(WORKER, name="w2", draining=True),
        replace(WORKER, name="a-name-much-longer-than-there-is-room-for", seen_at=NOW - timedelta(minutes=2)),
    ),
    (
        EnvironmentStatus(
            "production",
            (LANE, replace(LANE, lane="bravo", holder="", backlog=0, late_p50=None, late_p99=None)),
            (RunStatus(7, False, 1, 2, 3, 50, 120),),
        ),
    ),
    (Backlog("production", "apply", 1, 2),),
    (BudgetStatus("0123456789ab", 87.4, 1000, 1.0, 0.0), BudgetStatus("ba9876543210", -3.0, None, 0.5, 2.0)),
)
TEXT = """\
3 workers
  name                               host, pid  version  lanes  last beat
  w1                                 host-1 17  1.0      3/4    1 s ago
  w2                                 host-1 17  1.0      3/4    1 s ago draining
  a-name-much-longer-than-there-is…  host-1 17  1.0      3/4    120 s ago dead?

environment production
  run 7: 3 lanes ended, 2 at work, 1 wait; 50 of 120 changes
  lane   held by  taken  due  oldest  late p50  p99
  acme   w1       12     3    1.5 s   0.2 s     2.8 s
  bravo  -        12     0    -       -         -

queue
  environment  work   waiting  at work
  production   apply  1        2

request budgets, by credential
  digest        left  a minute  used  blocked
  0123456789ab  87    1000      100%  -
  ba9876543210  -3    -         50%   2.0 s"""


def test_a_lane_at_work_is_late_only_where_a_look_that_was_due_was_not_taken(store: PostgresStore) -> None:
    """A lane is taken up ahead of its transition, and stays for it: that is in time."""
    transition = NOW + timedelta(seconds=9)
    ahead = DueRow("site:acme/s0", None, 0, 0, transition)
    with store.open() as ledger:
        ledger.report_worker(replace(WORKER, seen_at=NOW))
        ledger.declare_lanes(["acme"], NOW - timedelta(seconds=40))
        hold = ledger.take_lane("acme", "w1", 60)
        assert hold is not None
        ledger.index_lane("acme", [ahead])
        found = standing(ledger, NOW, LATE)
        assert (found.held, found.due, found.late, found.oldest) == (1, 0, 0, 0.0)
        found = standing(ledger, transition + timedelta(seconds=7), LATE)
        assert (found.held, found.due, found.late, found.oldest) == (1, 1, 1, 7.0)
        ledger.release_lane(hold)
        found = standing(ledger, NOW, LATE)
        assert (found.held, found.due, found.late, found.oldest) == (0, 1, 1, 40.0)


def test_a_status_reads_like_this() -> None:
    assert as_text(SHOWN) == TEXT
    assert max(map(len, TEXT.splitlines())) <= 80


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([3.0], 0.99, 3.0), ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0), (list(range(1, 201)), 0.99, 198)],
)
def test_a_quantile_is_one_of_the_values(values: list[float], share: float, expected: float | None) -> None:
    assert quantile(values, share) == expected


def test_a_workers_tally_is_told_as_prometheus_reads_it() -> None:
    tally = Tally()
    for word in ("ended", "ended", 'stopped "at once"'):
        tally.begin()
        tally.end("apply", word)
    tally.commands["confirmed"] += 2
    tally.late = 1.5
    assert tally.lines() == [
        "# HELP reconciler_worker_lanes_total Lanes by kind of work and how they ended.",
        "# TYPE reconciler_worker_lanes_total counter",
        'reconciler_worker_lanes_total{work="apply",result="ended"} 2',
        r'reconciler_worker_lanes_total{work="apply",result="stopped \"at once\""} 1',
        "# HELP reconciler_worker_commands_total Arming commands by how they ended.",
        "# TYPE reconciler_worker_commands_total counter",
        'reconciler_worker_commands_total{result="confirmed"} 2',
        "# HELP reconciler_worker_late_seconds Seconds from a transition to its confirmed command.",
        "# TYPE reconciler_worker_late_seconds summary",
        "reconciler_worker_late_seconds_sum 1.500",
        "reconciler_worker_late_seconds_count 2",
    ]


def test_a_worker_is_seen_in_the_ledger_and_in_its_files_until_it_ends(
    tmp_path: Path, postgresql: Server
) -> None:
    with fleet(tmp_path / "fleet", postgresql.ledger()) as made:
        beat, metrics = tmp_path / "beat.json", tmp_path / "worker.prom"
        worker = made.worker("w1", "--heartbeat", str(beat), "--metrics", str(metrics), "--lanes", "2")
        made.run(*made.apply_line, "--fleet")
        found = made.run("fleet", "status", "--ledger", made.ledger_url, "--format", "json")
        [row] = found["workers"]
        assert (row["name"], row["pid"], row["lanes"], row["draining"]) == ("w1", worker.pid, 2, False)
        assert row["beat_age"] < 30
        assert [each["environment"] for each in found["environments"]] == ["far"]
        assert found["queue"] == []
        assert [budget["share"] for budget in found["budgets"]] == [1.0]
        assert "reconciler_worker_lanes 2" in metrics.read_text()
        assert made.run("fleet", "probe", str(beat), "--ready") == ""
        worker.send_signal(signal.SIGTERM)
        made.ended(worker)
        wait_for(lambda: not made.workers())
        assert not beat.exists()
        assert "0 workers" in made.run("fleet", "status", "--ledger", made.ledger_url)


@pytest.mark.parametrize(
    ("change", "options", "code"),
    [
        ({}, [], 0),
        ({}, ["--ready"], 0),
        ({"draining": True}, [], 0),
        ({"draining": True}, ["--ready"], 1),
        ({"ledger": False}, [], 0),
        ({"ledger": False}, ["--ready"], 1),
        ({"at": "2020-01-01T00:00:00Z"}, [], 1),
        ({"at": "2020-01-01T00:00:00Z"}, ["--max-age", "999999h"], 0),
        ({"at": "noon"}, [], 1),
    ],
)
def test_a_probe_judges_the_heartbeat(
    tmp_path: Path, change: dict[str, object], options: list[str], code: int
) -> None:
    beat = {"at": datetime.now(tz=UTC).isoformat(), "draining": False, "ledger": True, **change}
    (tmp_path / "beat.json").write_text(json.dumps(beat))
    assert run(["fleet", "probe", str(tmp_path / "beat.json"), *options], Console()) == code


@pytest.mark.parametrize("spoil", [lambda p: None, lambda p: p.write_text("{"), lambda p: p.write_text("[]")])
def test_without_a_heartbeat_a_probe_fails(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    spoil(tmp_path / "beat.json")
    assert run(["fleet", "probe", str(tmp_path / "beat.json")], Console()) == 1


def test_what_is_no_database_is_no_fleet(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fleet", "status", "--ledger", ".reconciler/ledger.db"], Console()) == 1
    assert "postgresql://HOST/DATABASE" in capsys.readouterr().err
