"""The suite's guard: nothing a test starts reaches another host, whatever the environment holds."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Refusals = Callable[[], list[str]]

ROOT = Path(__file__).parents[1]
DOCUMENTATION = ("192.0.2.1", 443)  # RFC 5737: belongs to nobody
LEADING_AWAY = {
    "CHEKT_API_KEY": "production-key",
    "CHEKT_TOKEN_URL": "https://auth.example.com/oauth/token",
    "CHEKT_CLIENT_SECRET": "production-secret",
    "CHEKT_BASE_URL": "https://api.example.com",
    "RECONCILER_ENV": "production",
    "HTTPS_PROXY": "http://proxy.example.com:3128",
    "http_proxy": "http://proxy.example.com:3128",
    "ALL_PROXY": "http://proxy.example.com:3128",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example.com",
    "GITHUB_TOKEN": "production-token",
}


def _connect() -> None:
    with socket.socket() as plain:
        plain.connect(DOCUMENTATION)


def _connect_without_error() -> None:
    with socket.socket() as plain:
        plain.connect_ex(DOCUMENTATION)


def _send_datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.sendto(b"x", DOCUMENTATION)


def _resolve() -> None:
    socket.getaddrinfo("example.com", 443)


def _resolve_the_old_way() -> None:
    socket.gethostbyname("example.com")


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (_connect, "a connection to 192.0.2.1 port 443"),
        (_connect_without_error, "a connection to 192.0.2.1 port 443"),
        (_send_datagram, "a connection to 192.0.2.1 port 443"),
        (_resolve, "a look-up of 'example.com'"),
        (_resolve_the_old_way, "a look-up of 'example.com'"),
    ],
)
def test_what_leaves_this_machine_is_stopped_and_the_test_named(
    act: Callable[[], None], says: str, refusals: Refusals
) -> None:
    # By name: a parallel worker was guarded from its start, by the module under its other name.
    with pytest.raises(RuntimeError, match="test_what_leaves_this_machine") as caught:
        act()
    assert type(caught.value).__name__ == "NetworkRefusedError"
    assert says in str(caught.value)
    assert refusals() == [str(caught.value)]


@pytest.mark.parametrize("environment", [None, {}, {"PYTHONPATH": str(ROOT)}])
def test_a_child_is_guarded_with_any_environment(
    environment: dict[str, str] | None, refusals: Refusals
) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 443), timeout=5)"
    child = _python(code, environment)
    assert child.returncode == 1
    assert "test_a_child_is_guarded_with_any_environment" in child.stderr
    assert "was stopped; tests reach this machine only" in child.stderr
    (said,) = refusals()
    assert said in child.stderr


def test_a_childs_child_is_guarded(refusals: Refusals) -> None:
    inner = "import socket; socket.getaddrinfo('example.com', 443)"
    outer = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {inner!r}]))"
    child = _python(outer, None)
    assert child.returncode == 1
    assert len(refusals()) == 1


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()


def test_nothing_in_the_environment_leads_away() -> None:
    assert not set(LEADING_AWAY) & set(os.environ)


def test_a_suite_started_with_production_credentials_does_not_see_them() -> None:
    child = _pytest("test_nothing_in_the_environment_leads_away")
    assert child.returncode == 0, child.stdout
    assert "1 passed" in child.stdout


def test_a_test_that_swallows_the_refusal_fails_all_the_same(tmp_path: Path) -> None:
    case = ROOT / "tests" / f"test_swallowing_{tmp_path.name}.py"
    code = "def test_it():\n    import socket\n    try:\n        socket.getaddrinfo('example.com', 1)\n"
    case.write_text(f"{code}    except Exception:\n        pass\n", encoding="utf-8")
    try:
        child = _pytest("test_it", case)
    finally:
        case.unlink()
    assert child.returncode == 1
    assert "a look-up of 'example.com' was stopped" in child.stdout


def _python(code: str, environment: dict[str, str] | None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _pytest(name: str, file: Path = Path(__file__)) -> subprocess.CompletedProcess[str]:
    """A suite of one test, started with everything set by mistake."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{file}::{name}"]
    return subprocess.run(
        command, env={**os.environ, **LEADING_AWAY}, cwd=ROOT, capture_output=True, text=True, check=False
    )
