"""The most useful findings as annotations: GitHub shows ten of a kind and step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reconciler.github.job import Job
from reconciler.github.runner import Place, Runner

MOST = 10
"""Annotations of a kind that GitHub shows for a step; the rest would only hide in the log."""


def annotate_error(runner: Runner, error: Any, job: Job) -> None:
    """The findings of ``error`` (DESIGN section 6), each in its file where it has one."""
    title = f"reconciler: {error['code']}"
    findings = error["errors"] or [error]
    placed_first = sorted(findings, key=lambda each: each.get("source") is None)
    for finding in placed_first[:MOST]:
        message = "\n".join(filter(None, (finding["message"], finding.get("hint"))))
        runner.annotate("error", title, message, _place(finding.get("source"), job))


def annotate_warnings(runner: Runner, warnings: Sequence[str]) -> None:
    """What may be amiss."""
    for warning in warnings[:MOST]:
        runner.annotate("warning", "reconciler", warning)


def _place(source: Any, job: Job) -> Place | None:
    """``source``, which is relative to the project, relative to the repository's root."""
    if not source:
        return None
    path = os.path.relpath(job.inputs.path.resolve() / source["file"], job.workspace.resolve())
    return Place(Path(path).as_posix(), source["line"], source["column"])
