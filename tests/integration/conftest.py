"""The command line in this process, and a sandbox on a real socket."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler import sandbox as simulator
from reconciler.cli.console import Console
from reconciler.cli.main import run
from reconciler.sandbox import RequestRecord, Sandbox, Server, Switches

EXAMPLES = Path(__file__).parents[2] / "examples"

DEALER = "kind: dealer\nid: acme\ndealer_id: 12345\n"
ONE_SITE = f"{DEALER}---\nkind: site\nid: hq\nname: HQ\ntimezone: UTC\n"
TWO_SITES = f"""{DEALER}---
kind: site
id: hq
name: Headquarters
timezone: Asia/Seoul
devices:
  - {{id: door, device_type: camera, zone_number: "001"}}
---
kind: site
id: depot
name: Depot
timezone: Asia/Seoul
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What one command line left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def changes(self) -> dict[str, str]:
        """Action by address, of a plan in JSON."""
        return {change["address"]: change["action"] for change in self.json["changes"]}


Cli = Callable[..., Result]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Runs ``reconciler ARGUMENTS`` as its main function does, in a home of its own."""
    for name in ("RECONCILER_ENV", "CHEKT_BASE_URL", "CHEKT_API_KEY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def command(*arguments: object) -> Result:
        texts = [str(argument) for argument in arguments]
        as_json = "json" in texts or "drift" in texts
        capsys.readouterr()
        code = run(texts, Console(json=as_json))
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return command


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Writes a project directory from file names and texts."""

    def write(name: str = "project", **files: str) -> Path:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        for file, text in files.items():
            path = directory / file.replace("__", "/").replace("_yaml", ".yaml")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return directory

    return write


@pytest.fixture
def example(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of an example project."""

    def copy(name: str) -> Path:
        directory = tmp_path / name
        shutil.copytree(EXAMPLES / name, directory, ignore=shutil.ignore_patterns(".reconciler"))
        return directory

    return copy


@dataclass(slots=True)
class Served:
    """A sandbox on a loopback socket and the variables that lead a client to it."""

    sandbox: Sandbox
    server: Server
    environment: dict[str, str] = field(default_factory=dict)

    def log(self) -> list[RequestRecord]:
        return [r for r in self.sandbox.requests() if not r.path.startswith("/sim/v0/requests")]

    def calls(self) -> list[str]:
        """``METHOD path`` of every request but those for tokens, oldest first."""
        return [f"{r.method} {r.path}" for r in self.log() if r.path != "/oauth/token"]

    def site_id(self, external_id: str) -> int:
        """The number a site was given; sites of one apply are made side by side, in any order."""
        row = self.sandbox.store.find("site", "12345", external_id)
        assert row is not None
        return row.id

    def forget(self) -> None:
        self.sandbox.clear_requests()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, cli: Cli) -> Iterator[Served]:
    """A sandbox on a real socket; the command line is led to it by its environment variables."""
    sandbox = Sandbox(switches=Switches(rate_limits=False))
    with simulator.serve(sandbox) as server:
        found = Served(
            sandbox,
            server,
            {
                "CHEKT_BASE_URL": server.url,
                "CHEKT_TOKEN_URL": f"{server.url}/oauth/token",
                "CHEKT_AUDIENCE": simulator.AUDIENCE,
                "CHEKT_CLIENT_ID": simulator.CLIENT_ID,
                "CHEKT_CLIENT_SECRET": simulator.CLIENT_SECRET,
            },
        )
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found
    sandbox.close()
