"""One apply at a time; a dead one never stands in the way."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.errors import LedgerError, LockedError
from reconciler.ledger import EnvironmentLock, user_name
from reconciler.ledger.lock import BEAT, holder_of

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

_HOLDS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from reconciler.ledger import EnvironmentLock

with EnvironmentLock(
    Path(sys.argv[1]), "production", command="apply sites", now=datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
):
    print("held", flush=True)
    sys.stdin.readline()
"""


def lock(directory: Path, environment: str = "production") -> EnvironmentLock:
    return EnvironmentLock(directory, environment, command="apply", now=NOW)


def start_holder(directory: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDS, directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def end(holder: subprocess.Popen[str]) -> None:
    holder.communicate("\n", timeout=30)


def test_a_second_run_is_refused_and_told_who_holds_it_and_since_when(tmp_path: Path) -> None:
    holder = start_holder(tmp_path)
    try:
        with pytest.raises(LockedError) as caught, lock(tmp_path):
            pytest.fail("two runs held one environment")
        for part in ("production", "apply sites", str(holder.pid), "2026-11-20T08:30:00"):
            assert part in caught.value.message
    finally:
        end(holder)
    with lock(tmp_path) as mine:
        assert mine.took_over is None


def test_a_killed_holder_leaves_nothing_stuck_and_the_next_is_told(tmp_path: Path) -> None:
    holder = start_holder(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=30)
    with lock(tmp_path) as mine:
        assert mine.took_over is not None
        assert mine.took_over.pid == holder.pid
        assert mine.took_over.command == "apply sites"
    with lock(tmp_path) as again:
        assert again.took_over is None


def test_one_process_cannot_hold_it_twice(tmp_path: Path) -> None:
    with lock(tmp_path):
        with pytest.raises(LockedError, match=str(os.getpid())), lock(tmp_path):
            pytest.fail("held twice")
        with lock(tmp_path, "dev"):
            pass


def test_it_is_released_when_the_run_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), lock(tmp_path):
        raise KeyboardInterrupt
    with lock(tmp_path) as mine:
        assert mine.took_over is None


def test_others_can_read_who_holds_it(tmp_path: Path) -> None:
    with lock(tmp_path, "a/b ü"):
        [sidecar] = tmp_path.glob("*.holder.json")
        assert stat.S_IMODE(sidecar.stat().st_mode) == 0o644
    assert list(tmp_path.glob("*.holder.json")) == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', "null"])
def test_a_torn_sidecar_does_not_stand_in_the_way(tmp_path: Path, content: str) -> None:
    (tmp_path / "production.holder.json").write_text(content)
    with lock(tmp_path), pytest.raises(LockedError), lock(tmp_path):
        pytest.fail("held twice")


ELSEWHERE = {"user": "kim", "pid": os.getpid(), "host": "another.example.com", "command": "apply"}


def held_elsewhere(directory: Path, *, seconds_ago: float) -> Path:
    """What a holder on another machine leaves in a shared folder whose file locks do not reach here."""
    sidecar = directory / "production.holder.json"
    sidecar.write_text(json.dumps({**ELSEWHERE, "since": "2026-11-20T08:30:00+00:00"}))
    touched = sidecar.stat().st_mtime - seconds_ago
    os.utime(sidecar, (touched, touched))
    return sidecar


def test_a_holder_on_another_machine_is_alive_while_it_shows_life(tmp_path: Path) -> None:
    sidecar = held_elsewhere(tmp_path, seconds_ago=BEAT)
    with pytest.raises(LockedError, match=r"kim, process \d+ on another\.example\.com"), lock(tmp_path):
        pytest.fail("two machines held one environment")
    assert json.loads(sidecar.read_text())["host"] == "another.example.com"


def test_a_holder_on_another_machine_that_shows_no_life_is_taken_over(tmp_path: Path) -> None:
    held_elsewhere(tmp_path, seconds_ago=5 * BEAT)
    with lock(tmp_path) as mine:
        assert mine.took_over is not None
        assert mine.took_over.host == "another.example.com"


def test_a_holder_shows_life_until_it_releases(tmp_path: Path) -> None:
    with EnvironmentLock(tmp_path, "production", command="apply", now=NOW, beat=0.01):
        [sidecar] = tmp_path.glob("*.holder.json")
        os.utime(sidecar, (0, 0))
        until = time.monotonic() + 30
        while sidecar.stat().st_mtime == 0:
            assert time.monotonic() < until, "it shows no life"
            time.sleep(0.005)
    assert not sidecar.exists()


def test_nobody_shows_life_once_it_is_released(tmp_path: Path) -> None:
    with EnvironmentLock(tmp_path, "production", command="apply", now=NOW, beat=0.01) as held:
        pass
    assert held._released.is_set()
    with held:
        assert not held._released.is_set()


def test_a_refusal_of_another_machines_holder_leaves_the_lock_free(tmp_path: Path) -> None:
    sidecar = held_elsewhere(tmp_path, seconds_ago=0)
    with pytest.raises(LockedError), lock(tmp_path):
        pytest.fail("two machines held one environment")
    sidecar.unlink()
    with lock(tmp_path) as mine:
        assert mine.took_over is None


def test_the_refusal_tells_programs_who_holds_it(tmp_path: Path) -> None:
    with lock(tmp_path), pytest.raises(LockedError) as caught, lock(tmp_path):
        pytest.fail("held twice")
    error = caught.value.to_json()["error"]
    assert isinstance(error, dict)
    assert error["holder"] == {
        "user": user_name(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "command": "apply",
        "since": "2026-11-20T09:00:00.000000+00:00",
    }
    assert "--lock-timeout" in caught.value.hint
    assert (caught.value.command, caught.value.since) == ("apply", NOW)


def test_a_holder_on_another_machine_that_releases_at_this_moment_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sidecar = held_elsewhere(tmp_path, seconds_ago=0)
    monkeypatch.setattr(os, "utime", lambda _: sidecar.unlink())
    with lock(tmp_path) as mine:
        assert mine.took_over is None


def test_a_holder_that_cannot_be_named_is_refused_with_the_way_out_and_holds_nothing(tmp_path: Path) -> None:
    sidecar = tmp_path / "production.holder.json"
    (sidecar / "inside").mkdir(parents=True)
    with pytest.raises(LedgerError, match="cannot be taken") as caught, lock(tmp_path):
        pytest.fail("held without a name")
    assert "directory" in caught.value.hint
    (sidecar / "inside").rmdir()
    sidecar.rmdir()
    with lock(tmp_path):
        pass


def test_the_holder_is_told_without_taking_the_lock(tmp_path: Path) -> None:
    assert holder_of(tmp_path, "production") is None
    holder = start_holder(tmp_path)
    try:
        found = holder_of(tmp_path, "production")
        assert found is not None
        assert (found.command, found.pid) == ("apply sites", holder.pid)
        holder.kill()
        holder.wait(30)
        assert holder_of(tmp_path, "production") is None, "it ended without releasing the lock"
    finally:
        end(holder)


def test_the_holder_on_another_machine_is_told_while_it_shows_life(tmp_path: Path) -> None:
    held_elsewhere(tmp_path, seconds_ago=BEAT)
    assert holder_of(tmp_path, "production") is not None
    held_elsewhere(tmp_path, seconds_ago=5 * BEAT)
    assert holder_of(tmp_path, "production") is None
