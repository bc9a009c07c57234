"""What an apply did: a table for people, JSON for programs."""

from __future__ import annotations

import json

from reconciler.escape import visible
from reconciler.render.lines import SYMBOLS
from reconciler.render.text import Style, plain
from reconciler.writes import Outcome, OutcomeStatus, Report

_WORDS: dict[OutcomeStatus, str] = {
    OutcomeStatus.DONE: "done",
    OutcomeStatus.FAILED: "failed",
    OutcomeStatus.SKIPPED: "skipped",
    OutcomeStatus.UNKNOWN: "unknown",
    OutcomeStatus.MANUAL: "left to a person",
}

_ROLES: dict[OutcomeStatus, str] = {
    OutcomeStatus.DONE: "create",
    OutcomeStatus.FAILED: "delete",
    OutcomeStatus.SKIPPED: "quiet",
    OutcomeStatus.UNKNOWN: "warning",
    OutcomeStatus.MANUAL: "manual",
}


def to_text(report: Report, style: Style = plain) -> str:
    """One line an outcome in plan order, then the counts; ends with a newline."""
    if not report.outcomes:
        return "Nothing to do.\n"
    width = max(len(_WORDS[outcome.status]) for outcome in report.outcomes)
    rows = [_row(outcome, width, style) for outcome in report.outcomes]
    counts = [f"{report.count(s)} {word}" for s, word in _WORDS.items() if report.count(s)]
    end = [
        style("heading", f"Apply: {', '.join(counts)}."),
        f"Requests: {report.reads} read, {report.writes} written.",
    ]
    if report.interrupted:
        end.append(style("warning", "Interrupted: running it again finishes the rest."))
    return "\n".join([*rows, "", *end]) + "\n"


def to_json(report: Report) -> str:
    """``report`` with its outcomes and counts, indented, keys sorted, ending with a newline."""
    content = {
        "outcomes": [
            {
                "address": str(outcome.address),
                "kind": outcome.address.kind,
                "action": outcome.action.value,
                "status": outcome.status.value,
                "message": outcome.message,
            }
            for outcome in report.outcomes
        ],
        "summary": {status.value: report.count(status) for status in OutcomeStatus},
        "requests": {"read": report.reads, "write": report.writes},
        "interrupted": report.interrupted,
    }
    return json.dumps(content, sort_keys=True, indent=2) + "\n"


def _row(outcome: Outcome, width: int, style: Style) -> str:
    word = style(_ROLES[outcome.status], f"{_WORDS[outcome.status]:<{width}}")
    message = f": {visible(outcome.message)}" if outcome.message else ""
    return f"  {word}  {SYMBOLS[outcome.action]:>3} {outcome.action} {visible(str(outcome.address))}{message}"
