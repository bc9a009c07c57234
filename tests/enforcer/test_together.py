"""Several enforcers at once: one at a time on one ledger, and no fight between two ledgers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import run
from reconciler.enforcer.session import enforcement_lock
from reconciler.redaction import Redactor
from reconciler.runtime import Runtime
from reconciler.sandbox import transport
from tests.enforcer.rig import EVENING, LATE, NOON, Rig, project, rig

MINUTE = timedelta(minutes=1)


def test_a_second_run_leaves_the_work_to_the_first_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path / "p")
    runtime = Runtime({}, Redactor(), lambda: datetime.now(tz=UTC))
    with enforcement_lock(made, runtime, "enforce --daemon"):
        code = run(["enforce", str(tmp_path / "p"), "--once"], Console())
        said = capsys.readouterr()
        assert (code, "enforce --daemon" in said.err) == (0, True)
        assert run(["enforce", str(tmp_path / "p"), "--once", "--format", "json"], Console(json=True)) == 0
        assert "locked by" in json.loads(capsys.readouterr().out)["excluded"]


@pytest.mark.parametrize(
    ("command", "minutes", "expected"),
    [("enforce --once", 14, 0), ("enforce --once", 16, 1), ("enforce --daemon", 6000, 0)],
)
def test_a_run_for_cron_that_holds_the_lock_for_very_long_may_hang(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, minutes: int, expected: int
) -> None:
    made = project(tmp_path / "p")
    runtime = Runtime({}, Redactor(), lambda: datetime.now(tz=UTC) - minutes * MINUTE)
    with enforcement_lock(made, runtime, command):
        assert run(["enforce", str(tmp_path / "p"), "--once"], Console()) == expected
        assert ("may hang" in capsys.readouterr().err) == bool(expected)


def test_a_second_daemon_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = project(tmp_path / "p")
    runtime = Runtime({}, Redactor(), lambda: datetime.now(tz=UTC))
    with enforcement_lock(made, runtime, "enforce --daemon"):
        assert run(["enforce", str(tmp_path / "p"), "--daemon"], Console()) == 1
    assert "is locked by" in capsys.readouterr().err


def another(site: Rig, directory: Path, windows: str) -> Rig:
    """A second enforcer of the same site, with a ledger and manifests of its own."""
    directory.mkdir()
    made = project(directory / "p", policy="enforce", windows=windows)
    return Rig(directory, site.clock, site.sandbox, made, site.site_id, transport=transport)


def test_two_enforcers_of_one_mind_command_once(tmp_path: Path) -> None:
    with rig(tmp_path, policy="enforce") as site:
        other = another(site, tmp_path / "other", "{days: [mon], arm: '18:00', disarm: '08:00', mode: away}")
        for minute in range(3):
            site.run(EVENING + minute * MINUTE)
            other.run(EVENING + minute * MINUTE + MINUTE / 2)
        assert site.commands() == ["arm"]


def test_two_enforcers_of_contrary_mind_do_not_fight(tmp_path: Path) -> None:
    """One wants the site armed at night, the other by day; both are told to enforce."""
    with rig(tmp_path, policy="enforce") as site:
        other = another(site, tmp_path / "other", "{days: [mon], arm: '06:00', disarm: '17:00', mode: away}")
        site.run(NOON)
        other.run(NOON)
        for minute in range(60):
            site.run(LATE + minute * MINUTE)
            other.run(LATE + minute * MINUTE)
        assert site.commands().count("disarm") <= 1
        assert len(site.commands()) <= 3
