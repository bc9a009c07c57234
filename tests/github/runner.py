"""Runs action.yml as a job would: its shell steps, in bash, with the runner's variables and files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.github import fake

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))

_EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Ended:
    """What a use of the Action left behind. ``log``: as the runner received it, commands included."""

    code: int
    log: str
    outputs: dict[str, str]
    summary: str

    def annotations(self, level: str) -> list[str]:
        """The workflow commands ``level`` that the runner would have obeyed."""
        return [line for line in self.obeyed() if line.startswith((f"::{level} ", f"::{level}::"))]

    def obeyed(self) -> list[str]:
        """The lines that command something: those between stop-commands and its token do not."""
        found, stopped = [], None
        for line in self.log.splitlines():
            if stopped is not None:
                stopped = None if line == f"::{stopped}::" else stopped
            elif line.startswith("::stop-commands::"):
                stopped = line.removeprefix("::stop-commands::")
            elif line.startswith("::"):
                found.append(line)
        return found


@dataclass(slots=True)
class Machine:
    """A runner: its directories, and the variables that every job on it has."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    runs: int = 100

    @property
    def workspace(self) -> Path:
        return self.home / "workspace"

    def use(
        self,
        event: str = "push",
        payload: Mapping[str, Any] | None = None,
        *,
        sha: str = "f" * 40,
        attempt: int = 1,
        env: Mapping[str, str] | None = None,
        **inputs: str,
    ) -> Ended:
        """One ``uses:`` of the Action in a job of its own; an input ``plan_path`` is ``plan-path``."""
        self.runs += 1
        temp = self.home / f"temp-{self.runs}"
        temp.mkdir(parents=True)
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        assert set(given) <= set(ACTION["inputs"])
        event_path = temp / "event.json"
        event_path.write_text(json.dumps(payload or {}), encoding="utf-8")
        variables = {
            **self.environment,
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(event_path),
            "GITHUB_REF_NAME": "main",
            "GITHUB_REPOSITORY": fake.REPOSITORY,
            "GITHUB_RUN_ATTEMPT": str(attempt),
            "GITHUB_RUN_ID": str(self.runs),
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_SHA": sha,
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(temp),
            **(env or {}),
        }
        return self._steps(temp, variables, {"github.token": fake.TOKEN}, given)

    def _steps(
        self, temp: Path, variables: dict[str, str], known: dict[str, str], given: dict[str, str]
    ) -> Ended:
        for name, spec in ACTION["inputs"].items():
            value = given.get(name, str(spec.get("default", "")))
            known[f"inputs.{name}"] = _evaluated(value, known)
        code, log = 0, ""
        for step in ACTION["runs"]["steps"]:
            if code:
                break
            assert set(step) <= {"name", "id", "shell", "env", "run"}, "the harness runs shell steps only"
            assert "${{" not in step["run"], "an expression in a script is an injection"
            files = {
                name: temp / f"{name}-{step['id']}"
                for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
            }
            for file in files.values():
                file.touch()
            script = temp / f"{step['id']}.sh"
            script.write_text(step["run"], encoding="utf-8")
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
                cwd=self.workspace,
                env={
                    **variables,
                    **{name: _evaluated(value, known) for name, value in step["env"].items()},
                    **{name: str(file) for name, file in files.items()},
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            code, log = done.returncode, log + done.stdout
            for name, value in _outputs(files["GITHUB_OUTPUT"].read_text(encoding="utf-8")).items():
                known[f"steps.{step['id']}.outputs.{name}"] = value
        outputs = {name: _evaluated(spec["value"], known) for name, spec in ACTION["outputs"].items()}
        summaries = sorted(temp.glob("GITHUB_STEP_SUMMARY-*"))
        return Ended(code, log, outputs, "".join(file.read_text(encoding="utf-8") for file in summaries))


def _evaluated(text: str, known: Mapping[str, str]) -> str:
    return _EXPRESSION.sub(lambda match: known.get(match[1], ""), text)


def _outputs(text: str) -> dict[str, str]:
    """The file of $GITHUB_OUTPUT, read as the runner does: ``name=value`` or ``name<<END``."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, mark, end = line.partition("<<")
        if mark and "=" not in name:
            value = []
            while (row := next(lines)) != end:
                value.append(row)
            found[name] = "\n".join(value)
        else:
            name, _, found_value = line.partition("=")
            found[name] = found_value
    return found


def pull_request(number: int, head: str, *, fork: bool = False) -> dict[str, Any]:
    """The event of a push to a pull request."""
    origin = "stranger/sites" if fork else fake.REPOSITORY
    return {
        "pull_request": {
            "number": number,
            "head": {"sha": head, "repo": {"full_name": origin}},
            "base": {"repo": {"full_name": fake.REPOSITORY}},
        }
    }


def commit() -> str:
    """A commit's name."""
    return uuid.uuid4().hex + "0" * 8


def basic_environment() -> dict[str, str]:
    """What a machine sets for every process; its python3 is that of the tests, and pip stays offline."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    own = str(Path(sys.executable).parent)
    return {**kept, "PATH": f"{own}{os.pathsep}{os.environ['PATH']}", "PIP_NO_INDEX": "1"}
