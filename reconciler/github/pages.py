"""The Markdown of comments, issues and summaries. What others wrote stands in fences or inline code."""

from __future__ import annotations

import re
from typing import Any

from reconciler.escape import visible
from reconciler.github.job import Job
from reconciler.github.posts import LIMIT, Stamp, size, written
from reconciler.model import Outcome, OutcomeStatus, Plan, Report
from reconciler.render.markdown import fitted
from reconciler.render.report import to_text

_MOST_ERRORS = 50
"""Errors told in a comment; the annotations and the log have the others."""


def comment(plan: Plan, job: Job, stamp: Stamp) -> str:
    """``plan`` for a pull request, short enough to be sent whole with its hidden lines."""
    where = f"the summary of [this run]({job.run_url})"
    end = _end(job, stamp)
    limit = LIMIT - size(written(job.inputs.label, stamp, end))
    room = limit
    while size(text := fitted(plan, room, report=where)) > limit:
        room -= size(text) - limit
    return text + end


def summary(plan: Plan, room: int) -> str:
    """``plan`` in at most ``room`` bytes, for the job's summary."""
    limit = max(room, 10_000)
    while len((text := fitted(plan, limit)).encode("utf-8")) > max(room, 10_000):
        limit = limit * 3 // 4
    return text


def failure(command: str, error: Any, job: Job) -> str:
    """What went wrong, for a comment or the summary. ``error``: as in DESIGN section 6."""
    findings = [_finding(each) for each in error["errors"] or [error]]
    told = "\n".join(findings[:_MOST_ERRORS])[:20_000]
    rest = len(findings) - _MOST_ERRORS
    more = f"\n{rest} more are in the log of [this run]({job.run_url}).\n" if rest > 0 else ""
    return f"### `{command}` failed: {error['code']}\n\n{fenced(told)}{more}"


def applied(plan: Plan, document: Any) -> str:
    """What an apply of ``plan`` did, from the JSON it printed."""
    if "outcomes" not in document:
        return ""
    outcomes = tuple(
        Outcome(change.address, change.action, OutcomeStatus(each["status"]), each["message"])
        for change, each in zip(plan.changes, document["outcomes"], strict=False)
    )
    requests = document["requests"]
    report = Report(outcomes, requests["read"], requests["write"], document["interrupted"])
    return f"### Apply to `{_plain(plan.environment)}`\n\n{fenced(to_text(report))}"


def enforced(document: Any) -> str:
    """How the targets of an ``enforce --once`` stand."""
    if "excluded" in document:
        return f"### Enforce\n\n{fenced(document['excluded'])}"
    rows = [_target(each) for each in document["targets"]]
    counts = ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in document["summary"].items())
    told = "\n".join(rows[:2000]) or "No targets."
    return f"### Enforce: {counts or 'nothing to look at'}\n\n{fenced(told)}"


def _target(sight: Any) -> str:
    part = "" if sight["partition"] is None else f" partition {sight['partition']}"
    seen = sight["seen"] or "-"
    stands = f"{sight['standing']}: wanted {sight['wanted']}, seen {seen}"
    return f"{sight['target']}{part}: {stands} ({sight['message']})"


def fenced(text: str) -> str:
    """``text`` as a code block that nothing in it can end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    body = "\n".join(visible(line) for line in text.rstrip("\n").split("\n"))
    return f"{fence}text\n{body}\n{fence}\n"


def _finding(error: Any) -> str:
    source = error.get("source")
    place = f"{source['file']}:{source['line']}:{source['column']}: " if source else ""
    hint = f"\n  {error['hint']}" if error.get("hint") else ""
    return f"{place}{error['message']}{hint}"


def _end(job: Job, stamp: Stamp) -> str:
    commit = f" for {stamp.head[:12]}" if stamp.head else ""
    digest = f" Digest of the changes: `{stamp.digest.removeprefix('sha256:')[:16]}`." if stamp.digest else ""
    return f"\n[Run {job.run[0]}]({job.run_url}){commit}.{digest}\n"


def _plain(text: str) -> str:
    return visible(text).replace("`", "'")
