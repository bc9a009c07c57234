"""Real processes: two applies at once, Ctrl-C, a closed pipe, a server that is not there."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.ledger import EnvironmentLock
from reconciler.sandbox import Fault
from tests.integration.conftest import DEALER, Cli, Served

_ON_ITS_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Runs a command with its stdin as controlling terminal, whose end it hears of."""

RECONCILER = [sys.executable, "-m", "reconciler"]


def start(served: Served, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*RECONCILER, *map(str, arguments)],
        env={**os.environ, **served.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(process: subprocess.Popen[str], text: str) -> str:
    """What the process said on stderr up to the line that holds ``text``."""
    assert process.stderr is not None
    heard = ""
    for line in process.stderr:
        heard += line
        if text in line:
            return heard
    raise AssertionError(f"it ended without saying {text!r}: {heard}")


def many_sites(count: int) -> str:
    return DEALER + "".join(
        f"---\nkind: site\nid: s{n:03}\nname: Site {n}\ntimezone: UTC\n" for n in range(count)
    )


def slow_writes(served: Served) -> None:
    served.sandbox.add_fault(Fault("slow", method="POST", path="/partner/.*", count=0, seconds=0.05))


def test_a_second_apply_is_told_who_holds_the_lock(
    served: Served, cli: Cli, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=many_sites(40))
    slow_writes(served)
    first = start(served, "apply", directory, "--yes", "--parallelism", 1)
    until(first, "[1/")
    refused = cli("apply", directory, "--yes", "--format", "json")
    assert refused.json["error"]["code"] == "locked"
    assert str(first.pid) in refused.json["error"]["message"]
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert cli("plan", directory, "--detailed-exitcode").code == 0


def test_a_second_apply_may_wait_for_the_first_and_says_for_whom(
    served: Served, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=many_sites(1))
    with EnvironmentLock(directory / ".reconciler", "embedded", command="apply", now=datetime.now(UTC)):
        waiting = start(served, "apply", directory, "--yes", "--lock-timeout", "60s")
        assert f"process {os.getpid()} on" in until(waiting, "Waiting up to 60 s")
        assert served.calls() == []
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    assert "Took over" not in err


def test_ctrl_c_ends_the_wait_for_the_lock(served: Served, project: Callable[..., Path]) -> None:
    directory = project(account_yaml=many_sites(1))
    with EnvironmentLock(directory / ".reconciler", "embedded", command="apply", now=datetime.now(UTC)):
        waiting = start(served, "apply", directory, "--yes", "--lock-timeout", "1h")
        until(waiting, "Waiting")
        waiting.send_signal(signal.SIGINT)
        _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert "Traceback" not in err
    assert served.calls() == []


@pytest.mark.parametrize("text", ["soon", "-1", "5d", ""])
def test_a_lock_timeout_that_is_none_is_refused(text: str, cli: Cli, project: Callable[..., Path]) -> None:
    refused = cli("apply", project(account_yaml=many_sites(1)), "--lock-timeout", text)
    assert refused.code == 1
    assert "--lock-timeout" in refused.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_finishes_the_write_in_flight_and_the_next_run_goes_on(
    served: Served, cli: Cli, project: Callable[..., Path], number: int
) -> None:
    directory = project(account_yaml=many_sites(40))
    slow_writes(served)
    process = start(served, "apply", directory, "--yes", "--parallelism", 2)
    until(process, "[3/")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert (err.count("Error: "), "Error: stopped: " in err) == (1, True)
    assert "Traceback" not in out + err
    made = len([c for c in served.calls() if c.startswith("POST") and c.endswith("/sites")])
    assert 3 <= made < 40
    assert cli("apply", directory, "--yes").code == 0
    posts = [c for c in served.calls() if c.startswith("POST") and c.endswith("/sites")]
    assert len(posts) == 40


def test_a_terminal_that_is_closed_ends_an_apply_between_two_writes(
    served: Served, cli: Cli, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=many_sites(40))
    slow_writes(served)
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _ON_ITS_TERMINAL,
            *RECONCILER,
            "apply",
            str(directory),
            "--yes",
            "--parallelism",
            "2",
        ],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, **served.environment},
    )
    os.close(terminal)
    shown = b""
    while b"[3/" not in shown:
        shown += os.read(screen, 65536)
    os.close(screen)
    assert process.wait(60) == 1
    made = len([c for c in served.calls() if c.startswith("POST") and c.endswith("/sites")])
    assert 3 <= made < 40
    runs = cli("ledger", "show", directory, "--format", "json").json
    assert (runs["runs"][0]["result"], runs["unsettled"]) == ("interrupted", [])
    assert cli("apply", directory, "--yes").code == 0
    posts = [c for c in served.calls() if c.startswith("POST") and c.endswith("/sites")]
    assert len(posts) == 40


def test_a_killed_apply_leaves_no_lock_and_is_finished_by_the_next(
    served: Served, cli: Cli, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=many_sites(40))
    slow_writes(served)
    process = start(served, "apply", directory, "--yes")
    until(process, "[5/")
    process.kill()
    process.communicate(timeout=60)
    again = cli("apply", directory, "--yes")
    assert again.code == 0, again.err
    assert "Took over the lock" in again.err
    sites = served.sandbox.state()["objects"]["site"]  # type: ignore[index,call-overload]
    assert len(sites) == 40
    assert cli("plan", directory, "--detailed-exitcode").code == 0


def test_a_closed_pipe_ends_quietly(served: Served, project: Callable[..., Path]) -> None:
    directory = project(account_yaml=many_sites(2000))
    process = start(served, "plan", directory)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def test_a_server_that_is_not_there_is_said_in_words_while_it_is_tried_again(
    served: Served, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=many_sites(1))
    served.server.close()
    process = start(served, "plan", directory)
    heard = until(process, "trying again")
    assert "cannot be reached" in heard
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in out + err


def test_nobody_to_ask_means_nothing_is_done(served: Served, project: Callable[..., Path]) -> None:
    directory = project(account_yaml=many_sites(1))
    process = start(served, "apply", directory)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "--yes" in err
    assert all(call.startswith("GET") for call in served.calls())
