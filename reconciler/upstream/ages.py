"""How old a verification may be when it is answered (chekt-api/README.md section 4.8)."""

from __future__ import annotations

from datetime import datetime, timedelta

DUE = timedelta(minutes=2)
"""Within which CHeKT wants its answer."""

AUTOMATIC_FROM = timedelta(minutes=5)
AUTOMATIC_BY = timedelta(minutes=10)
"""After 5 to 10 minutes an automatic dispatch may happen."""


def age_warning(asked_at: datetime | None, responded_at: datetime) -> str:
    """What somebody who answers so late should know; nothing for an answer in time."""
    if asked_at is None:
        return (
            "nobody here knows when this was asked: an answer is due within 2 minutes, and after 5 to 10 "
            "CHeKT may have dispatched by itself (--asked-at says when it was)"
        )
    age = responded_at - asked_at
    if age <= DUE:
        return ""
    late = f"it was asked {spoken_age(age)} ago and an answer is due within 2 minutes"
    if age <= AUTOMATIC_FROM:
        return late
    if age <= AUTOMATIC_BY:
        return (
            f"{late}: CHeKT may have dispatched by itself already, which no answer calls off; "
            "ask the monitoring centre"
        )
    return f"{late}: take it that CHeKT has dispatched by itself; call the monitoring centre"


def spoken_age(age: timedelta) -> str:
    """``95 s`` or ``3 min 10 s`` or ``2 h 5 min``."""
    seconds = max(0, round(age.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
