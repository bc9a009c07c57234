"""How a person writes a time on the command line, and how times are shown."""

from __future__ import annotations

import datetime as dt
import re

from reconciler.errors import ConfigError

FORMS = "2026-11-20T18:00+09:00, 2026-11-20T09:00Z, 2026-11-20 (00:00 UTC), now, or +2h, +30m, +7d"
"""What ``--at``, ``--from``, ``--to`` and ``--until`` take."""

_AHEAD = re.compile(r"\+(\d{1,6})([smhdw])")
_LENGTH = re.compile(r"[0-9]+[smh]?")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(option: str, text: str, now: dt.datetime, after: dt.datetime | None = None) -> dt.datetime:
    """The instant (UTC) that ``text`` names; ``+2h`` counts from ``after`` (None: from ``now``).

    A date is its midnight in UTC. A time without an offset is refused, since the targets of a project
    live in several zones. Raises ConfigError, naming ``option``.
    """
    text = text.strip()
    if text.lower() == "now":
        return now
    ahead = _AHEAD.fullmatch(text)
    try:
        if ahead:
            return (now if after is None else after) + dt.timedelta(**{_UNITS[ahead[2]]: int(ahead[1])})
        read = dt.datetime.fromisoformat(text)
    except OverflowError as exc:
        raise ConfigError(f"{option} {text!r} is too far ahead", hint=f"write {FORMS}") from exc
    except ValueError as exc:
        raise ConfigError(f"{option} {text!r} is not a time: {exc}", hint=f"write {FORMS}") from exc
    if read.tzinfo is None:
        if written_date(text) is None:
            raise ConfigError(
                f"{option} {text!r} has no offset from UTC, and sites have time zones of their own",
                hint=f"write {FORMS}",
            )
        read = read.replace(tzinfo=dt.UTC)
    try:
        return read.astimezone(dt.UTC)
    except OverflowError as exc:
        raise ConfigError(f"{option} {text!r} is outside the calendar", hint=f"write {FORMS}") from exc


def written_date(text: str) -> dt.date | None:
    """The date that ``text`` is, None where it says a time."""
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        return None


def length(option: str, text: str) -> int:
    """The seconds that ``text`` (``90``, ``30s``, ``5m``, ``1h``) names. Raises ConfigError."""
    from reconciler.kinds.schedule import seconds

    text = text.strip()
    if not _LENGTH.fullmatch(text):
        raise ConfigError(f"{option} {text!r} is not a length of time", hint="write 30s, 5m or 1h")
    return seconds(f"{text}s" if text.isdigit() else text)
