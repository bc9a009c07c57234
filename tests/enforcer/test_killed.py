"""A run may be killed at any request: the next one puts things right, and nothing is done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.sandbox import DEALER_ID, Sandbox, Switches, dealer_key, serve, transport
from tests.enforcer.rig import EVENING, MANIFEST, MORNING, NIGHT, NOON, TUESDAY, rig

MINUTE = timedelta(minutes=1)
REQUESTS = 3
"""A run that commands reads, commands, and reads back."""


class Killed(BaseException):
    """The process is gone: nothing after this line runs."""


def dying(sandbox: Sandbox, request: int, when: str) -> httpx.BaseTransport:
    """A way to ``sandbox`` on which the process dies at a request, before or after it took effect."""
    inner = transport(sandbox)
    seen = 0

    def answer(asked: httpx.Request) -> httpx.Response:
        nonlocal seen
        seen += 1
        if seen == request and when == "before":
            raise Killed
        response = inner.handle_request(asked)
        if seen == request:
            raise Killed
        return response

    return httpx.MockTransport(answer)


@pytest.mark.parametrize("direction", ["arm", "disarm"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("request_number", range(1, REQUESTS + 1))
@pytest.mark.parametrize("next_run", ["next minute", "next transition"])
def test_after_a_kill_the_next_run_leaves_the_site_as_wanted_and_commands_once(
    tmp_path: Path, direction: str, when: str, request_number: int, next_run: str
) -> None:
    with rig(tmp_path) as site:
        site.run(NOON)
        due = EVENING
        if direction == "disarm":
            site.run(EVENING)
            due = MORNING + TUESDAY
        before = len(site.commands())
        site.transport = lambda sandbox: dying(sandbox, request_number, when)
        with pytest.raises(Killed):
            site.run(due)
        site.transport = transport
        following = {"arm": MORNING + TUESDAY, "disarm": EVENING + TUESDAY}[direction]
        site.run(due + MINUTE if next_run == "next minute" else following)
        site.run(site.clock.now() + MINUTE)
        opposite = {"arm": "disarm", "disarm": "arm"}[direction]
        effective = site.commands()[before:]
        if next_run == "next minute":
            assert site.state == {"arm": "armed_away", "disarm": "disarmed"}[direction]
            assert effective == [direction]
        else:
            assert site.state == {"arm": "disarmed", "disarm": "armed_away"}[direction]
            assert effective in ([], [direction, opposite]), "nothing is caught up on, nothing repeated"


class Deadly(Sandbox):
    """A sandbox that kills the enforcing process at one request of its, before or after the effect."""

    victim: subprocess.Popen[str] | None = None
    at: tuple[str, int, str] = ("", 0, "")
    seen = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, number, when = self.at
        fatal = False
        if (
            self.victim is not None
            and environ["REQUEST_METHOD"] == method
            and "/ext/" in environ["PATH_INFO"]
        ):
            self.seen += 1
            fatal = self.seen == number
        if fatal and when == "before":
            self._kill()
        answer = super().__call__(environ, start_response)
        if fatal and when == "after":
            self._kill()
        return answer

    def _kill(self) -> None:
        assert self.victim is not None
        os.kill(self.victim.pid, signal.SIGKILL)
        self.victim.wait()


def enforce(directory: Path, url: str, at: datetime) -> subprocess.Popen[str]:
    """``reconciler enforce --once`` in a process of its own."""
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from reconciler.cli.main import main; main()",
            *("enforce", str(directory), "--once", "--env", "local"),
            *("--at", at.isoformat(), "--horizon", "0s"),
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "CHEKT_API_KEY": dealer_key(DEALER_ID),
            "CHEKT_BASE_URL": url,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def kill_and_recover(directory: Path, method: str, number: int, when: str) -> tuple[str, list[str]]:
    """The state after a SIGKILL in the evening's run and a run after it; the commands that took effect."""
    directory.mkdir()
    text = MANIFEST.format(policy="enforce", windows=NIGHT, arming="{schedule: nights}")
    (directory / "site.yaml").write_text(text, encoding="utf-8")
    (directory / "reconciler.yaml").write_text(
        "version: 1\nenvironments: {local: {surface: dealer, base_url: 'http://127.0.0.1:1'}}\n",
        encoding="utf-8",
    )
    sandbox = Deadly(":memory:", switches=Switches(arming_delay=0.2))
    try:
        with serve(sandbox) as server, httpx.Client(base_url=server.url) as http:
            content = {"scope": str(DEALER_ID), "external_id": "hq", "body": {"name": "Headquarters"}}
            site_id = http.post("/sim/v0/objects/site", json=content).json()["id"]
            http.put("/sim/v0/clock", json={"now": EVENING.isoformat(), "frozen": False}).raise_for_status()
            sandbox.at = (method, number, when)
            sandbox.victim = enforce(directory, server.url, EVENING)
            sandbox.victim.communicate(timeout=30)
            assert sandbox.victim.returncode == -signal.SIGKILL
            sandbox.victim = None
            http.put("/sim/v0/clock", json={"now": (EVENING + MINUTE).isoformat(), "frozen": False})
            with enforce(directory, server.url, EVENING + MINUTE) as second:
                said, _ = second.communicate(timeout=30)
            assert second.returncode == 0, said
            (state,) = http.get(f"/sim/v0/sites/{site_id}/arming").json()
    finally:
        sandbox.close()
    effective = [
        request.path.rpartition("/")[2]
        for request in sandbox.requests()
        if "/actions/" in request.path and not request.replayed
    ]
    return state["state"], effective


POINTS = [
    ("GET", 2, "before"),  # the first one lists the sites
    ("POST", 1, "before"),
    ("POST", 1, "after"),
    ("GET", 3, "before"),
]


def test_a_real_process_killed_for_good_is_followed_by_one_that_arms_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(len(POINTS)) as pool:
        ends = pool.map(lambda each: kill_and_recover(tmp_path / "-".join(map(str, each)), *each), POINTS)
        for point, end in zip(POINTS, ends, strict=True):
            assert end == ("armed_away", ["arm"]), point
