"""Checks of schedules together with the calendars they name: windows that overlap and disagree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from reconciler.arming.check import check_schedule
from reconciler.errors import Problem
from reconciler.manifests import explain
from reconciler.manifests.checks import address
from reconciler.manifests.documents import Draft
from reconciler.model import JsonObject


@dataclass(slots=True)
class ScheduleFindings:
    """What is wrong, and what is only worth a word."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check_schedules(drafts: Iterable[Draft]) -> ScheduleFindings:
    """Check every schedule whose own fields are right, after references became addresses."""
    found = ScheduleFindings()
    schedules: list[Draft] = []
    calendars: dict[str, JsonObject] = {}
    for draft in drafts:
        if draft.path is None or not draft.fields:
            continue
        if draft.kind.name == "calendar":
            calendars[draft.id] = cast("JsonObject", draft.fields)
        elif draft.kind.name == "schedule":
            schedules.append(draft)
    for draft in schedules:
        _check(draft, calendars, found)
    found.warnings.sort()
    return found


def _check(draft: Draft, calendars: dict[str, JsonObject], found: ScheduleFindings) -> None:
    for finding in check_schedule(cast("JsonObject", draft.fields), calendars):
        source = explain.place(draft.table, finding.path)
        message = f"{explain.dotted(finding.path)}: {finding.message}"
        if finding.other is not None:
            other = explain.place(draft.table, finding.other)
            message = f"{message}; the other one, {explain.dotted(finding.other)}, stands at {other}"
        hint = explain.way_out(finding.hint)
        if finding.severity == "error":
            found.problems.append(Problem(message, source, hint, address(draft)))
        else:
            found.warnings.append(f"{source}: {address(draft)}: {message}. {hint}")
