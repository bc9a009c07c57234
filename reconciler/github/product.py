"""The command line, run as a process: what it prints is JSON to read and foreign text to show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reconciler.errors import ConfigError, ReconcilerError
from reconciler.github.job import Inputs
from reconciler.github.runner import Runner
from reconciler.model import Plan
from reconciler.render.json import from_json, to_json


@dataclass(frozen=True, slots=True)
class Ran:
    """The end of one command: its exit code and the JSON it printed."""

    code: int
    text: str
    document: Any

    @property
    def error(self) -> Any:
        """The ``error`` object of DESIGN section 6, None where there is none."""
        return self.document.get("error")


def run(runner: Runner, arguments: Sequence[str], cwd: Path) -> Ran:
    """``reconciler ARGUMENTS --format json``. Its stderr goes to the log, where it commands nothing.

    Python is isolated (``-I``): a directory ``reconciler`` in the workspace is not taken for the program.
    The token that writes comments stays here.
    """
    command = [sys.executable, "-I", "-X", "utf8", "-m", "reconciler", *arguments]
    with runner.foreign():
        done = subprocess.run(  # noqa: S603  our own program; what the user wrote are single arguments
            command,
            cwd=cwd,
            env=_environment(runner.env),
            stdout=subprocess.PIPE,
            stderr=runner.out.fileno(),
            text=True,
            encoding="utf-8",
            check=False,
        )
    try:
        document = json.loads(done.stdout)
    except ValueError as exc:
        runner.tell(done.stdout)
        raise ReconcilerError(
            f"`reconciler {arguments[0]}` ended with {done.returncode} and printed no JSON",
            hint="The log of this step shows what it said.",
        ) from exc
    return Ran(done.returncode, done.stdout, document)


def selection(inputs: Inputs) -> list[str]:
    """The options of the inputs ``target`` and ``exclude``."""
    return [
        *(f"--target={each}" for each in inputs.targets),
        *(f"--exclude={each}" for each in inputs.excludes),
    ]


def reading(inputs: Inputs) -> list[str]:
    """JSON, and the environment of the input, for every command that reads a project."""
    chosen = [f"--env={inputs.environment}"] if inputs.environment else []
    return ["--format=json", *chosen]


def read_plan(path: Path) -> Plan:
    """The saved plan in ``path``. Raises ConfigError, and StalePlanError for one that was tampered with."""
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(
            f"the plan {path} cannot be read: {exc}", hint="Set `plan-path` to a plan of an earlier step."
        ) from exc


def save_plan(plan: Plan, project: Path, path: Path) -> None:
    """Write ``plan`` to ``path`` as a plan of the manifests in ``project``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    relative = os.path.relpath(project.resolve(), path.resolve().parent)
    path.write_text(to_json(replace(plan, project=relative)), encoding="utf-8")


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in env.items() if not name.startswith("INPUT_")}
    return {**kept, "NO_COLOR": "1"}
