"""How far the server's clock is from ours, as far as ``Date`` headers tell.

RFC 9110 section 6.6.1 cuts ``Date`` to whole seconds. An answer with date D to a request that left at a and
was answered at b, by our clock, was dated when the server's clock stood in [D, D + 1), and ours in [a, b]; so
the server is ahead by at least D - b and at most D + 1 - a. Several answers narrow that down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.chekt import wire
from reconciler.chekt.probe import Seen
from reconciler.diagnosis.check import Check, Result
from reconciler.enforcer.pace import CLOCK_TOLERANCE

ENOUGH = 4
"""Samples to take."""


@dataclass(frozen=True, slots=True)
class Offset:
    """The server is ahead of us by ``least`` to ``most`` seconds. ``torn``: no offset explains all."""

    least: float
    most: float
    samples: int
    torn: bool = False


def offset(answers: Sequence[Seen]) -> Offset | None:
    """The offset that all ``answers`` agree on, else the span of all; None without a ``Date``."""
    spans = [
        (date.timestamp() - seen.received_at, date.timestamp() + 1.0 - seen.sent_at)
        for seen in answers
        if (date := wire.http_date(seen.headers.get("date"))) is not None
    ]
    if not spans:
        return None
    least, most = max(low for low, _ in spans), min(high for _, high in spans)
    if least <= most:
        return Offset(least, most, len(spans))
    return Offset(min(low for low, _ in spans), max(high for _, high in spans), len(spans), torn=True)


def clock_check(answers: Sequence[Seen]) -> Check:
    """Whether arming may go by this machine's clock (DESIGN section 8: 5 seconds)."""
    found = offset(answers)
    limit = CLOCK_TOLERANCE.total_seconds()
    if found is None:
        said = "No answer carries a Date, so the clocks cannot be compared."
        return Check("clock", Result.UNKNOWN, said, "Keep this machine's clock set by NTP.")
    facts = {
        "least_seconds": round(found.least, 3),
        "most_seconds": round(found.most, 3),
        "samples": found.samples,
        "limit_seconds": limit,
    }
    told = f"{_told(found)}, by {found.samples} answers"
    if found.torn:
        said = f"The server's answers disagree about the time: its clock is {told}."
        to_do = "Several machines answer, and their clocks differ: tell CHeKT's support."
        return Check("clock", Result.WARNING, said, to_do, facts=facts)
    said = f"The server's clock is {told}."
    if -limit <= found.least and found.most <= limit:
        return Check("clock", Result.OK, said, facts=facts)
    if found.least <= 0.0 <= found.most:
        said = f"The answers took too long to compare the clocks: the server's is {told}."
        return Check("clock", Result.UNKNOWN, said, "Try again when the host is faster.", facts=facts)
    rule = f"beyond {limit:g} s nothing is disarmed by schedule"
    surely = found.least > limit or found.most < -limit
    to_do = "Set this machine's clock by NTP. If it is right, tell CHeKT's support of the difference."
    result = Result.FAILED if surely else Result.WARNING
    return Check("clock", result, f"{said[:-1]}; {rule}.", to_do, facts=facts)


def _told(found: Offset) -> str:
    if found.torn or (found.least <= 0.0 <= found.most and found.most - found.least > 2):
        return f"{found.least:+.1f} to {found.most:+.1f} s from ours"
    if found.least <= 0.0 <= found.most:
        return "the same as ours, within a second"
    low, high = sorted((abs(found.least), abs(found.most)))
    return f"{low:.1f} to {high:.1f} s {'ahead of' if found.least > 0 else 'behind'} ours"
