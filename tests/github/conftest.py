from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import sandbox as simulator
from reconciler.github.api import GitHub
from reconciler.sandbox import Sandbox, Switches
from tests.github import fake
from tests.github.fake import FakeGitHub
from tests.github.projects import write
from tests.github.runner import ROOT, Machine, basic_environment


@pytest.fixture
def service() -> Iterator[FakeGitHub]:
    with fake.served() as found:
        yield found


@pytest.fixture
def naps() -> list[float]:
    """The waits that ``github`` would have made."""
    return []


@pytest.fixture
def github(service: FakeGitHub, naps: list[float]) -> Iterator[GitHub]:
    client = connect(service, naps=naps)
    yield client
    client.close()


def connect(service: FakeGitHub, token: str = fake.TOKEN, naps: list[float] | None = None) -> GitHub:
    waits = naps if naps is not None else []
    return GitHub(
        api_url=service.url,
        graphql_url=f"{service.url}/graphql",
        repository=fake.REPOSITORY,
        token=token,
        sleep=waits.append,
    )


@pytest.fixture(scope="session")
def tool_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tool cache in which the Action is installed, by its own step, from this checkout.

    The step runs as it stands; pip is told by its own variables to use no network, so the packages it
    depends on come from the environment of the tests.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if worker else base) / "tool-cache"  # one machine: its jobs share it
    cache.mkdir(exist_ok=True)
    outputs = base / "install-outputs"
    packages = sysconfig.get_path("purelib")
    subprocess.run(
        ["python3", "-I", str(ROOT / "reconciler" / "github" / "install.py")],
        check=True,
        env={
            **basic_environment(),
            "GITHUB_OUTPUT": str(outputs),
            "RUNNER_TOOL_CACHE": str(cache),
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads a no of the variable as the option given
            "PIP_NO_DEPS": "1",
            "PYTHONPATH": packages,
        },
    )
    python = Path(outputs.read_text(encoding="utf-8").removeprefix("python=").strip())
    (site,) = python.parents[1].glob("lib/python3.*/site-packages")
    (site / "tests.pth").write_text(packages + "\n", encoding="utf-8")
    return cache


@pytest.fixture
def machine(tmp_path: Path, tool_cache: Path, service: FakeGitHub, sandbox: Sandbox) -> Iterator[Machine]:
    """A runner whose jobs reach the stand-in of GitHub and the simulator of CHeKT over HTTP."""
    (tmp_path / "workspace").mkdir()
    with simulator.serve(sandbox) as server:
        yield Machine(
            tmp_path,
            {
                **basic_environment(),
                "CHEKT_API_KEY": simulator.dealer_key(12345),
                "CHEKT_AUDIENCE": simulator.AUDIENCE,
                "CHEKT_BASE_URL": server.url,
                "CHEKT_CLIENT_ID": simulator.CLIENT_ID,
                "CHEKT_CLIENT_SECRET": simulator.CLIENT_SECRET,
                "CHEKT_TOKEN_URL": f"{server.url}/oauth/token",
                "GITHUB_API_URL": service.url,
                "GITHUB_GRAPHQL_URL": f"{service.url}/graphql",
                "RUNNER_TOOL_CACHE": str(tool_cache),
                "XDG_STATE_HOME": str(tmp_path / "state"),
            },
        )


@pytest.fixture
def project(machine: Machine) -> Path:
    """A project in the directory ``sites`` of the workspace."""
    write(machine.workspace / "sites", name="Headquarters")
    return machine.workspace / "sites"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    found = Sandbox(switches=Switches(rate_limits=False))
    yield found
    found.close()
