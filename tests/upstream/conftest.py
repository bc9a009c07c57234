"""Projects whose integration talks to CHeKT, on a sandbox behind a real socket, and in process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler import sandbox as simulator
from reconciler.sandbox import Switches
from tests.faults.processes import DeadlySandbox, Moment
from tests.integration.conftest import Cli, Result, Served, cli, project, served

__all__ = ["cli", "project", "served"]

SITES = """kind: dealer
id: acme
dealer_id: 12345
---
kind: site
id: hq
name: Headquarters
timezone: Asia/Seoul
contacts:
  - {id: john, first_name: John, last_name: Doe, phone_number: "+821012345678"}
  - {id: jane, first_name: Jane, last_name: Roe}
---
kind: site
id: depot
name: Depot
timezone: Asia/Seoul
contacts:
  - {id: mary, first_name: Mary, last_name: Poe}
"""


@dataclass(frozen=True, slots=True)
class Integration:
    """An applied project on a sandbox behind a socket."""

    directory: Path
    served: Served
    cli: Cli

    def run(self, *arguments: object) -> Result:
        return self.cli(*arguments, self.directory)

    def ask(self, site: str = "hq") -> Mapping[str, Any]:
        """A verification of the site: ``id``, its number, and ``verification_id``."""
        url = f"{self.served.server.url}/sim/v0/sites/{self.served.site_id(site)}/verifications"
        answer: Mapping[str, Any] = httpx.post(url, json={}, trust_env=False).raise_for_status().json()
        return answer

    def taken(self, asked: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The answers that CHeKT has taken to a verification."""
        row = self.served.sandbox.store.get("verification", asked["id"])
        assert row is not None
        answers: Any = row.body.get("answers", [])
        return list(answers)


Made = Callable[..., Integration]


@pytest.fixture
def integration(served: Served, cli: Cli, project: Callable[..., Path]) -> Made:
    """Applies ``sites`` with the ``settings`` of a reconciler.yaml, and forgets the requests it took."""

    def make(settings: str = "version: 1\n", sites: str = SITES) -> Integration:
        directory = project(reconciler_yaml=settings, sites_yaml=sites)
        applied = cli("apply", directory, "--yes")
        assert applied.code == 0, applied.err
        served.forget()
        return Integration(directory, served, cli)

    return make


@contextmanager
def deadly() -> Iterator[tuple[DeadlySandbox, dict[str, str]]]:
    """A sandbox that can kill a process, on a socket, and the variables that lead to it."""
    sandbox = DeadlySandbox(switches=Switches(rate_limits=False))
    with simulator.serve(sandbox) as server:
        yield (
            sandbox,
            {
                "CHEKT_BASE_URL": server.url,
                "CHEKT_TOKEN_URL": f"{server.url}/oauth/token",
                "CHEKT_AUDIENCE": simulator.AUDIENCE,
                "CHEKT_CLIENT_ID": simulator.CLIENT_ID,
                "CHEKT_CLIENT_SECRET": simulator.CLIENT_SECRET,
            },
        )
    sandbox.close()


def run_killed(
    sandbox: DeadlySandbox, variables: Mapping[str, str], at: int, moment: Moment, *arguments: object
) -> None:
    """Runs ``reconciler ARGUMENTS``, a process of its own that the sandbox kills at its request ``at``."""
    sandbox.heard, sandbox.at, sandbox.moment = 0, at, moment
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", *map(str, arguments)],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    sandbox.victim = process.pid
    out, err = process.communicate(timeout=60)
    sandbox.victim = None
    assert process.returncode == -signal.SIGKILL, (out, err)
