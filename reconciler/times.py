"""How an instant is written, in one place. Every instant is aware; what is written is UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal


def utc_text(instant: datetime, precision: Literal["seconds", "milliseconds", "auto"] = "seconds") -> str:
    """``instant`` for programs: ``2026-11-20T09:00:00Z``. ``auto``: as precise as it is."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision)}Z"


def spoken_utc(instant: datetime) -> str:
    """``instant`` for people, to the second: ``2026-11-20 09:00:00 UTC``."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def spoken_length(seconds: float) -> str:
    """A length of time for people, in its largest unit that says enough: ``24 h``, ``90 min``, ``45 s``."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size or seconds == size != 86_400:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
