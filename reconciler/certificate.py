"""What a certification found: plain data, for whoever renders it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from reconciler.model import Address

EvidenceKind: TypeAlias = Literal["request", "field", "state", "webhook", "note"]
"""A request to the API; something done at the site; a state seen; a webhook that came; anything else."""


class Verdict(StrEnum):
    """How a requirement ended. ``manual``: only a person can tell, so it has not passed."""

    PASSED = "passed"
    FAILED = "failed"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that was done or seen, at ``at`` (UTC), ``count`` times in a row."""

    at: datetime
    kind: EvidenceKind
    text: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one requirement.

    ``proves``: what it shows; ``demand``: what CHeKT's testing requirements ask, in our words. ``message``:
    why it failed, or what is left to a person, whose ``steps`` follow. ``seconds``: how long it took.
    """

    name: str
    title: str
    proves: str
    demand: str
    verdict: Verdict
    message: str
    steps: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    started_at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """One run: the findings in the order of the requirements, and what it was about.

    ``host``: of the API, or ``the embedded sandbox``. ``model``: the project's arming model. ``remarks``:
    what a reader has to know besides, such as what could not be put back. ``left_out``: requirements of the
    model that were not asked for.
    """

    environment: str
    host: str
    model: str
    site: Address
    site_id: str
    started_at: datetime
    finished_at: datetime
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def count(self, verdict: Verdict) -> int:
        """How many findings are of ``verdict``."""
        return sum(finding.verdict is verdict for finding in self.findings)

    @property
    def passed(self) -> bool:
        """Whether every requirement that was asked for passed; one that is left to a person has not."""
        return self.count(Verdict.PASSED) == len(self.findings)
