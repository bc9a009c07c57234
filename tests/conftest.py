"""No test leaves this machine, whatever the environment it is started in."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.guard import sitecustomize as guard
from tests.postgresql import Server, join

_GUARD = str(Path(guard.__file__).parent)
_FOREIGN = ("CHEKT_", "RECONCILER_", "OTEL_", "GITHUB_", "ACTIONS_", "GH_")
_OURS = ("RECONCILER_TEST_LEDGER",)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def _is_foreign(name: str) -> bool:
    """Whether the variable could lead a test to a real account, collector or proxy."""
    return (name.startswith(_FOREIGN) and name not in _OURS) or name.upper() in _PROXIES


def _guarded(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` for a child that is to be guarded like this process."""
    path = [part for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part and part != _GUARD]
    kept = {
        name: os.environ[name] for name in (guard.REFUSALS_FILE, "PYTEST_CURRENT_TEST") if name in os.environ
    }
    return {**environment, **kept, "PYTHONPATH": os.pathsep.join([_GUARD, *path])}


def _guard_children() -> None:
    """Children that get an environment of their own are guarded too."""
    plain = subprocess.Popen.__init__

    @functools.wraps(plain)
    def guarded(self: Any, *args: Any, env: Mapping[str, str] | None = None, **rest: Any) -> None:
        plain(self, *args, env=None if env is None else _guarded(env), **rest)

    subprocess.Popen.__init__ = guarded  # type: ignore[method-assign]


for _name in filter(_is_foreign, list(os.environ)):
    del os.environ[_name]
os.environ.update(_guarded(os.environ))
_guard_children()


@pytest.fixture(scope="session")
def _refusals_file() -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(prefix="refusals-") as file:
        os.environ[guard.REFUSALS_FILE] = file.name
        yield Path(file.name)
        del os.environ[guard.REFUSALS_FILE]


@pytest.fixture
def refusals(_refusals_file: Path) -> Callable[[], list[str]]:
    """Takes out what the guard has stopped so far, for a test that provokes it."""

    def take() -> list[str]:
        lines = _refusals_file.read_text(encoding="utf-8").splitlines()
        os.truncate(_refusals_file, 0)
        return lines

    return take


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """The PostgreSQL server of this run, shared by its workers; started when it is first asked for."""
    base = tmp_path_factory.getbasetemp()
    return join(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


@pytest.fixture(scope="session", autouse=True)
def _ledger_under_test(request: pytest.FixtureRequest) -> None:
    """Lets ``tests.ledgers`` keep its ledgers in the server, where the run is told to."""
    if os.environ.get("RECONCILER_TEST_LEDGER") == "postgresql":
        request.getfixturevalue("postgresql")


@pytest.fixture(autouse=True)
def _only_loopback(refusals: Callable[[], list[str]]) -> Iterator[None]:
    """Fails a test whose refused connection was swallowed on the way."""
    yield
    if stopped := refusals():
        pytest.fail("\n".join(stopped))


def pytest_xdist_auto_num_workers() -> int:
    """More than one a core: half of the time goes by in waiting for processes, leases and disks."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)
