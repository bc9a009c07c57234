"""Schedule commands run in process, on a small project, at a frozen instant."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time

from reconciler.cli.console import Console
from reconciler.cli.main import run

NOW = "2026-11-20T10:00:00Z"

MANIFEST = """
kind: dealer
id: acme
dealer_id: 1
---
kind: site
id: hq
dealer: acme
name: Headquarters
timezone: Asia/Seoul
arming: {schedule: nights}
---
kind: site
id: depot
dealer: acme
name: Depot
timezone: America/New_York
arming: {partitions: {2: nights, 10: stay}}
---
kind: site
id: free
dealer: acme
name: Nobody arms this one
timezone: UTC
---
kind: schedule
id: nights
windows:
  - {days: [mon, tue, wed, thu, fri, sat, sun], arm: "18:00", disarm: "08:00", mode: away}
exceptions:
  - {date: 2026-11-21, windows: []}
---
kind: schedule
id: stay
timezone: UTC
windows:
  - {days: [fri], arm: "13:00", disarm: "23:00", mode: stay}
calendars: [feast]
---
kind: calendar
id: feast
dates: [2026-11-27]
closed: night
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left: exit code and the two streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Cli = Callable[..., Result]


@pytest.fixture(scope="module", autouse=True)
def frozen() -> Iterator[None]:
    """The clock stands at NOW."""
    with freeze_time(NOW):
        yield


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Runs ``reconciler ARGUMENTS`` as its main function does."""
    for name in ("RECONCILER_ENV", "CHEKT_BASE_URL", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LOGNAME", "guard")

    def command(*arguments: object) -> Result:
        texts = [str(argument) for argument in arguments]
        capsys.readouterr()
        code = run(texts, Console(json="json" in texts))
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return command


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a project directory with one manifest."""

    def written(text: str = MANIFEST, name: str = "project") -> Path:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        (directory / "sites.yaml").write_text(text, encoding="utf-8")
        return directory

    return written


@pytest.fixture
def project(write: Callable[..., Path]) -> Path:
    """The small project."""
    return write()
