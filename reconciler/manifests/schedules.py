"""Checks of schedules and their calendars: windows that overlap and disagree, days that cannot be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from reconciler.arming.calendars import calendar
from reconciler.arming.check import check_schedule
from reconciler.errors import ManifestError, Problem
from reconciler.manifests import explain
from reconciler.manifests.checks import address
from reconciler.manifests.documents import Draft
from reconciler.model import JsonObject


@dataclass(slots=True)
class ScheduleFindings:
    """What is wrong, and what is only worth a word."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check_schedules(drafts: Iterable[Draft], texts: Mapping[str, str]) -> ScheduleFindings:
    """Check every schedule and calendar whose own fields are right, after references became addresses.

    ``texts``: the iCalendar files that could be read, by path. One that tells no days is an error here: a
    holiday calendar that came out empty would open buildings.
    """
    found = ScheduleFindings()
    schedules: list[Draft] = []
    calendars: dict[str, JsonObject] = {}
    for draft in drafts:
        if draft.path is None or not draft.fields:
            continue
        if draft.kind.name == "calendar":
            calendars[draft.id] = cast("JsonObject", draft.fields)
            _check_days(draft, calendars[draft.id], texts, found)
        elif draft.kind.name == "schedule":
            schedules.append(draft)
    for draft in schedules:
        _check(draft, calendars, found)
    found.warnings.sort()
    return found


def _check_days(draft: Draft, fields: JsonObject, texts: Mapping[str, str], found: ScheduleFindings) -> None:
    ics = fields.get("ics")
    if ics is not None and not (isinstance(ics, Mapping) and ics.get("file") in texts):
        return  # the file could not be read, and that is told already
    try:
        calendar(draft.id, fields, texts)
    except ManifestError as exc:
        place = "holidays" if ics is None else "ics"
        source = explain.place(draft.table, (place,))
        found.problems.append(Problem(exc.message, source, explain.way_out(exc.hint), address(draft)))


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
