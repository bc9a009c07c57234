"""The job a step runs in: its inputs, its event, its pull request. Read from the environment once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from reconciler.errors import ConfigError

CommandName = Literal["validate", "plan", "apply", "drift", "enforce"]
CommentMode = Literal["true", "changes-only", "never"]

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/ ]|-(?!-)){0,79}")
"""What an HTML comment can hold as it stands."""

_NOT_LABEL = re.compile(r"[^A-Za-z0-9._/ ]+")


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of action.yml. ``targets`` and ``excludes`` are written one a line."""

    command: CommandName
    path: Path
    environment: str
    targets: tuple[str, ...]
    excludes: tuple[str, ...]
    plan_path: Path | None
    comment: CommentMode
    label: str
    token: str


@dataclass(frozen=True, slots=True)
class PullRequest:
    """The pull request an event is about."""

    number: int
    head_sha: str


@dataclass(frozen=True, slots=True)
class ForeignRun:
    """The run, of another workflow, that a ``workflow_run`` event tells of."""

    head_sha: str
    head_owner: str
    head_branch: str


@dataclass(frozen=True, slots=True)
class Job:
    """Where and for what a step runs. ``run``: the run's number and its attempt, both growing."""

    inputs: Inputs
    repository: str
    sha: str
    ref_name: str
    event: str
    pull_request: PullRequest | None
    followed: ForeignRun | None
    run: tuple[int, int]
    run_url: str
    api_url: str
    graphql_url: str
    workspace: Path
    temp: Path


def read_job(env: Mapping[str, str]) -> Job:
    """The job that ``env`` describes. Raises ConfigError for inputs that make no sense."""
    workspace = Path(env.get("GITHUB_WORKSPACE") or Path.cwd())
    api_url = env.get("GITHUB_API_URL") or "https://api.github.com"
    server = env.get("GITHUB_SERVER_URL") or "https://github.com"
    repository, run_id = env.get("GITHUB_REPOSITORY", ""), env.get("GITHUB_RUN_ID") or "0"
    payload = _payload(env)
    return Job(
        inputs=_inputs(env, workspace),
        repository=repository,
        sha=env.get("GITHUB_SHA", ""),
        ref_name=env.get("GITHUB_REF_NAME", ""),
        event=env.get("GITHUB_EVENT_NAME", ""),
        pull_request=_pull_request(payload),
        followed=_followed(payload),
        run=(int(run_id), int(env.get("GITHUB_RUN_ATTEMPT") or "1")),
        run_url=f"{server}/{repository}/actions/runs/{run_id}",
        api_url=api_url.rstrip("/"),
        graphql_url=env.get("GITHUB_GRAPHQL_URL") or f"{api_url.rstrip('/')}/graphql",
        workspace=workspace,
        temp=Path(env.get("RUNNER_TEMP") or workspace / ".reconciler"),
    )


def _inputs(env: Mapping[str, str], workspace: Path) -> Inputs:
    path = env.get("INPUT_PATH") or "."
    environment = env.get("INPUT_ENVIRONMENT") or env.get("RECONCILER_ENV") or ""
    saved = env.get("INPUT_PLAN_PATH", "")
    return Inputs(
        command=_one_of(env, "command", get_args(CommandName)),  # type: ignore[arg-type]  # checked there
        path=workspace / path,
        environment=environment,
        targets=_lines(env.get("INPUT_TARGET", "")),
        excludes=_lines(env.get("INPUT_EXCLUDE", "")),
        plan_path=workspace / saved if saved else None,
        comment=_one_of(env, "comment", get_args(CommentMode), "true"),  # type: ignore[arg-type]  # as above
        label=_label(env.get("INPUT_LABEL", ""), environment, path),
        token=env.get("INPUT_TOKEN", ""),
    )


def _one_of(env: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str = "") -> str:
    value = env.get(f"INPUT_{name.upper()}") or default
    if value not in allowed:
        raise ConfigError(f"the input {name!r} is {value!r}", hint=f"Write one of: {', '.join(allowed)}.")
    return value


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _label(written: str, environment: str, path: str) -> str:
    """The name of the comment: as written, else of the environment and the directory.

    Two jobs of one pull request that plan different accounts or directories must not share one.
    """
    if written:
        if not _LABEL.fullmatch(written):
            raise ConfigError(
                f"the input 'label' is {written!r}",
                hint="Write up to 80 letters, digits, spaces and ._/- without two hyphens in a row.",
            )
        return written
    where = _NOT_LABEL.sub("-", str(Path(path))).strip("-. ")
    name = _NOT_LABEL.sub("-", environment).strip("-. ") or "embedded"
    return f"{name} {where}".strip()[:80]


def _payload(env: Mapping[str, str]) -> Any:
    path = env.get("GITHUB_EVENT_PATH", "")
    if not path:
        return {}
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"the event of this run cannot be read: {exc}", hint="GITHUB_EVENT_PATH must name its JSON file."
        ) from exc


def _pull_request(payload: Any) -> PullRequest | None:
    found = payload.get("pull_request")
    if not found:
        return None
    return PullRequest(int(found["number"]), found["head"]["sha"])


def _followed(payload: Any) -> ForeignRun | None:
    found = payload.get("workflow_run")
    if not found or not found.get("head_repository"):
        return None
    return ForeignRun(found["head_sha"], found["head_repository"]["owner"]["login"], found["head_branch"])
