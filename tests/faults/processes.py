"""A real ``reconciler apply`` that is killed by the server it talks to, at a request of our choice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from reconciler import sandbox as simulator
from reconciler.sandbox import Sandbox
from reconciler.sandbox.errors import Dropped
from tests import ledgers
from tests.faults.matrix import SERVERS, Stage
from tests.faults.world import SECRETS, World

Moment = Literal["before", "after", "answered"]
"""Before the server does anything, before it answers, and as soon as it has answered."""

MOMENTS: tuple[Moment, ...] = ("before", "after", "answered")


class DeadlySandbox(Sandbox):
    """A sandbox that kills the process ``victim`` at request ``at``, counted from 1."""

    victim: int | None = None
    at = 0
    moment: Moment = "before"
    heard = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.heard += 1
        if self.victim is None or self.heard != self.at:
            return super().__call__(environ, start_response)
        if self.moment == "before":
            os.kill(self.victim, signal.SIGKILL)
            raise Dropped(timed_out=False, seconds=0.0)
        answer = super().__call__(environ, start_response)
        return self._kill_after(answer) if self.moment == "answered" else self._kill_before(answer)

    def _kill_before(self, answer: Iterable[bytes]) -> Iterable[bytes]:
        assert self.victim is not None
        os.kill(self.victim, signal.SIGKILL)
        return answer

    def _kill_after(self, answer: Iterable[bytes]) -> Iterator[bytes]:
        assert self.victim is not None
        yield from answer
        os.kill(self.victim, signal.SIGKILL)


def environment(url: str, home: Path) -> Mapping[str, str]:
    """What leads a process to the sandbox at ``url``."""
    return {
        **os.environ,
        **SECRETS,
        "CHEKT_BASE_URL": url,
        "CHEKT_TOKEN_URL": f"{url}/oauth/token",
        "CHEKT_AUDIENCE": simulator.AUDIENCE,
        "CHEKT_CLIENT_ID": simulator.CLIENT_ID,
        "CHEKT_CLIENT_SECRET": simulator.CLIENT_SECRET,
        "XDG_STATE_HOME": str(home),
    }


@contextmanager
def served(staged: Stage, directory: Path) -> Iterator[tuple[World, DeadlySandbox, Mapping[str, str]]]:
    """The account of ``staged`` on a socket; its manifests, with its ledger, in ``directory``/project."""
    directory.mkdir()
    world = staged.world(directory, SERVERS["keys honoured"], sandbox=DeadlySandbox)
    project = directory / "project"
    shutil.copytree(staged.after.directory, project)
    settings = project / "reconciler.yaml"
    settings.write_text(
        settings.read_text(encoding="utf-8") + f"ledger: {ledgers.setting(directory)}\n", encoding="utf-8"
    )
    deadly = world.sandbox
    assert isinstance(deadly, DeadlySandbox)
    try:
        with simulator.serve(deadly) as server:
            yield world, deadly, environment(server.url, directory)
    finally:
        world.close()
        ledgers.remove(directory)


def apply(project: Path, env: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    """A real process that applies ``project``."""
    return subprocess.Popen(
        [sys.executable, "-m", "reconciler", "apply", str(project), "--env", "dev", "--yes", *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def killed(staged: Stage, directory: Path, at: int, moment: Moment) -> list[str]:
    """What is wrong after an apply was killed at request ``at`` and one more has run; [] is what must be."""
    with served(staged, directory) as (world, deadly, env):
        deadly.at, deadly.moment = at, moment
        first = apply(directory / "project", env, "--parallelism", "1")
        deadly.victim = first.pid
        first.communicate(timeout=60)
        deadly.victim = None
        if first.returncode != -signal.SIGKILL:
            return [f"it was not killed at request {at}: it ended with {first.returncode}"]
        second = apply(directory / "project", env)
        said, _ = second.communicate(timeout=100)
        wrong = world.wrong(staged.after)
        return wrong if second.returncode == 0 else [f"the second run ended with {second.returncode}: {said}"]
