"""The Action's own file, this repository's workflows and those that people copy."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.github.runner import ACTION, ROOT

EXAMPLES = sorted((ROOT / "examples" / "github").glob("*.yml"))
WORKFLOWS = [*EXAMPLES, *sorted((ROOT / ".github" / "workflows").glob("*.yml"))]
OURS = "example/reconciler@v1"


def uses(path: Path) -> list[dict[str, Any]]:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [step for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]


def test_zizmor_finds_nothing() -> None:
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("zizmor")),
            "--offline",
            "--no-progress",
            "--strict-collection",
            f"--config={ROOT / '.github' / 'zizmor.yml'}",
            str(ROOT / "action.yml"),
            *map(str, WORKFLOWS),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_the_actions_of_others_are_pinned_by_commit_and_say_their_version(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(re.findall(r"uses: ", text)) == len(uses(path))
    for step in uses(path):
        if step["uses"] != OURS:
            assert re.search(rf"{re.escape(step['uses'])} # v\d+\.\d+\.\d+\n", text), step["uses"]
            assert re.search(r"@[0-9a-f]{40}$", step["uses"])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_use_the_action_as_it_is(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    own = [step for step in uses(path) if step["uses"] == OURS]
    assert own
    for step in own:
        assert set(step["with"]) <= set(ACTION["inputs"])
        assert step["with"]["command"] in ("validate", "plan", "apply", "drift", "enforce")
    used = re.findall(r"steps\.plan\.outputs\.([\w-]+)", path.read_text(encoding="utf-8"))
    assert set(used) <= set(ACTION["outputs"])


def test_a_job_of_strangers_code_has_no_secret_and_one_with_rights_runs_none_of_it() -> None:
    unprivileged = (ROOT / "examples" / "github" / "fork.yml").read_text(encoding="utf-8")
    assert "secrets." not in unprivileged
    assert "write" not in unprivileged
    privileged = (ROOT / "examples" / "github" / "fork-comment.yml").read_text(encoding="utf-8")
    assert "actions/checkout" not in privileged
    assert "secrets." not in privileged
    assert not any("pull_request_target" in path.read_text(encoding="utf-8") for path in WORKFLOWS)


def test_every_input_reaches_the_step_and_none_is_written_into_a_script() -> None:
    given = "".join(value for step in ACTION["runs"]["steps"] for value in step["env"].values())
    for name in ACTION["inputs"]:
        assert f"inputs.{name} " in given, name
    assert all("${{" not in step["run"] for step in ACTION["runs"]["steps"])


def test_pre_commit_hooks_name_commands_that_exist() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert "reconciler-validate" in {hook["id"] for hook in hooks}
    for hook in hooks:
        done = subprocess.run(
            [sys.executable, "-m", *hook["entry"].split()[:2], "--help"], capture_output=True, check=False
        )
        assert done.returncode == 0, hook["entry"]
