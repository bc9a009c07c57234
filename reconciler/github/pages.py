"""The Markdown of comments, issues and summaries. What others wrote stands in fences or inline code."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any

from reconciler.escape import visible
from reconciler.github.job import Job
from reconciler.github.posts import LIMIT, Stamp, size, written
from reconciler.model import Action, Address, Plan
from reconciler.render.markdown import fitted
from reconciler.render.report import to_text
from reconciler.writes import Outcome, OutcomeStatus, Report

_MOST = 30_000
"""Characters of a block in a comment; the log has the whole."""

_LONGEST_LINE = 2_000

_LEAST = 10_000
"""Bytes for a plan in a summary that is nearly full: the end is cut off, and what is deleted stands first."""


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
    """``plan`` for the job's summary, in at most ``room`` bytes or the few that tell of its deletes."""
    most = limit = max(room, _LEAST)
    while len((text := fitted(plan, limit)).encode("utf-8")) > most:
        limit = limit * 3 // 4
    return text


def failure(command: str, error: Any, job: Job) -> str:
    """What went wrong, for a comment or the summary."""
    told = fenced(findings(error))
    return f"### `{command}` failed: {error['code']}\n\n{told}\n[Run {job.run[0]}]({job.run_url}).\n"


def findings(error: Any) -> str:
    """Every finding of ``error`` (DESIGN section 6), with its place and the way out."""
    return "\n".join(_finding(each) for each in error["errors"] or [error])


def applied(document: Any) -> str:
    """What an apply did, for a comment or the summary."""
    return f"### Apply\n\n{fenced(report(document))}"


def report(document: Any) -> str:
    """What an apply did, from the JSON it printed; what went wrong comes first."""
    outcomes = [
        Outcome(
            Address.parse(each["address"]),
            Action(each["action"]),
            OutcomeStatus(each["status"]),
            each["message"],
        )
        for each in document["outcomes"]
    ]
    outcomes.sort(key=lambda outcome: outcome.status is OutcomeStatus.DONE)
    requests = document["requests"]
    return to_text(Report(tuple(outcomes), requests["read"], requests["write"], document["interrupted"]))


def enforced(document: Any) -> str:
    """How the targets of an ``enforce --once`` stand, for the summary."""
    summary = document.get("summary", {})
    counts = ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in summary.items())
    return f"### Enforce: {counts or 'nothing to look at'}\n\n{fenced(standings(document))}"


def standings(document: Any) -> str:
    """How the targets of an ``enforce --once`` stand, from the JSON it printed."""
    if "excluded" in document:
        return str(document["excluded"])
    return "\n".join(_target(each) for each in document["targets"]) or "No targets."


def _target(sight: Any) -> str:
    part = "" if sight["partition"] is None else f" partition {sight['partition']}"
    seen = sight["seen"] or "-"
    stands = f"{sight['standing']}: wanted {sight['wanted']}, seen {seen}"
    return f"{sight['target']}{part}: {stands} ({sight['message']})"


def fenced(text: str) -> str:
    """``text`` as a code block that nothing in it can end, cut after a line where it is very long."""
    lines = [visible(line)[:_LONGEST_LINE] for line in text.rstrip("\n").split("\n")]
    shown = lines[: sum(total <= _MOST for total in accumulate(size(line) + 1 for line in lines))]
    body = "\n".join(shown)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", body)), default=0))
    rest = len(lines) - len(shown)
    more = f"\n{rest} more lines are in the log.\n" if rest else ""
    return f"{fence}text\n{body}\n{fence}\n{more}"


def _finding(error: Any) -> str:
    source = error.get("source")
    place = f"{source['file']}:{source['line']}:{source['column']}: " if source else ""
    hint = f"\n  {error['hint']}" if error.get("hint") else ""
    return f"{place}{error['message']}{hint}"


def _end(job: Job, stamp: Stamp) -> str:
    """The last line: which run, for which commit, and whether merging agrees to this."""
    commit = f" for {stamp.head[:12]}" if stamp.head else ""
    agrees = ""
    if stamp.digest:
        agrees = f" Digest of the changes: `{stamp.digest.removeprefix('sha256:')[:16]}`."
    elif stamp.head:
        agrees = " This plan was made elsewhere: merging agrees to nothing by it."
    return f"\n[Run {job.run[0]}]({job.run_url}){commit}.{agrees}\n"
