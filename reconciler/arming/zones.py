"""Time zones from the ``tzdata`` package, as the instants at which the offset changes.

The package wins over the system's copy and over ``PYTHONTZPATH``, so that every machine decides alike.
Instants are whole seconds since 1970 UTC; local times are whole seconds since 1970-01-01T00:00 on the
local clock. Offsets are read in one direction only, from instant to local time: the other direction
trusts ``fold``, which is wrong in CPython for some zones (America/Nuuk, 2023-10-28).
"""

from __future__ import annotations

import datetime as dt
import struct
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from io import BytesIO
from typing import NamedTuple
from zoneinfo import ZoneInfo

import tzdata

from reconciler.errors import ManifestError
from reconciler.kinds.values import zone_names

FIRST_YEAR, LAST_YEAR = 1970, 2099
"""The years a timeline covers."""

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the local clock's zero
_BEGIN = int((dt.datetime(FIRST_YEAR - 1, 1, 1) - _EPOCH).total_seconds())  # noqa: DTZ001
_END = int((dt.datetime(LAST_YEAR + 2, 1, 1) - _EPOCH).total_seconds())  # noqa: DTZ001
_STEP = 28 * 86400
"""A rule that repeats every year changes the clock twice, further apart than this."""

_FURTHEST = 27 * 3600
"""More than any offset from UTC."""


class OffsetChange(NamedTuple):
    """The clock is moved at instant ``at``: seconds east of UTC before and after."""

    at: int
    before: int
    after: int


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """One time zone: ``changes`` of the offset from 1969 to 2100, ascending; ``offset`` before them all."""

    name: str
    tz: ZoneInfo
    offset: int
    changes: tuple[OffsetChange, ...]
    instants: tuple[int, ...]

    def offset_at(self, instant: int) -> int:
        """Seconds east of UTC at ``instant``."""
        index = bisect_right(self.instants, instant)
        return self.changes[index - 1].after if index else self.offset

    def occurrences(self, local: int) -> tuple[int, ...]:
        """The instants at which clocks show ``local``, ascending: one, two in an overlap, none in a gap."""
        low = bisect_left(self.instants, local - _FURTHEST)
        high = bisect_right(self.instants, local + _FURTHEST)
        found = []
        begin, offset = None, self.changes[low - 1].after if low else self.offset
        for change in (*self.changes[low:high], None):
            instant = local - offset
            if (begin is None or begin <= instant) and (change is None or instant < change.at):
                found.append(instant)
            if change is not None:
                begin, offset = change.at, change.after
        return tuple(found)

    def gap(self, local: int) -> int:
        """The instant of the change that skips ``local``, which clocks never show."""
        low = bisect_left(self.instants, local - _FURTHEST)
        return next(
            change.at
            for change in self.changes[low:]
            if change.at + change.before <= local < change.at + change.after
        )

    def first(self, local: int) -> int:
        """The first instant that shows ``local``; in a gap the instant of the change."""
        shown = self.occurrences(local)
        return shown[0] if shown else self.gap(local)

    def last(self, local: int) -> int:
        """The last instant that shows ``local``; in a gap the instant of the change."""
        shown = self.occurrences(local)
        return shown[-1] if shown else self.gap(local)

    def local(self, instant: dt.datetime) -> dt.datetime:
        """``instant`` (aware) on the local clock, with its offset fixed: ``2026-11-20T18:00:00+09:00``.

        An offset with seconds, which ISO 8601 cannot write, stays as it is.
        """
        utc = instant.astimezone(dt.UTC)
        shown = utc.astimezone(self.tz).replace(tzinfo=None)
        offset = shown - utc.replace(tzinfo=None)
        return shown.replace(tzinfo=dt.timezone(offset), fold=0)


def tzdata_version() -> str:
    """The release of the time-zone database in use, such as ``2026f``."""
    return str(tzdata.IANA_VERSION)


@lru_cache(maxsize=1024)
def zone(name: str) -> Zone:
    """The time zone ``name``. Raises ManifestError where the database has none."""
    if name not in zone_names():
        raise ManifestError(
            f"{name!r} is no IANA time zone of tzdata {tzdata_version()}",
            hint='write one such as "Asia/Seoul", or install a newer tzdata package',
        )
    return read_zone(name, resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes())


def read_zone(name: str, data: bytes) -> Zone:
    """The time zone that a TZif file holds (RFC 8536), of any release. Raises ValueError for other data."""
    try:
        tz = ZoneInfo.from_file(BytesIO(data), key=name)
        changes = tuple(_changes(tz, data))
    except struct.error as exc:
        raise ValueError(f"no whole TZif file of version 2 or later: {exc}") from exc
    return Zone(name, tz, _offset(tz, _BEGIN), changes, tuple(change.at for change in changes))


def _offset(tz: ZoneInfo, instant: int) -> int:
    utc = _EPOCH + dt.timedelta(seconds=instant)
    shown = tz.fromutc(utc.replace(tzinfo=tz)).replace(tzinfo=None)
    return round((shown - utc).total_seconds())


def _listed(data: bytes) -> list[int]:
    """The instants listed in a TZif file (RFC 8536, version 2 or later), ascending."""
    counts = struct.Struct(">20x6I")
    isut, isstd, leaps, times, types, chars = counts.unpack_from(data)
    second = 44 + times * 5 + types * 6 + chars + leaps * 8 + isstd + isut
    _, _, _, times, _, _ = counts.unpack_from(data, second)
    return list(struct.unpack_from(f">{times}q", data, second + 44))


def _changes(tz: ZoneInfo, data: bytes) -> list[OffsetChange]:
    """Every change of the offset: the listed ones, then those that the file's closing rule makes."""
    found = []
    listed = _listed(data)
    for at in listed:
        if _BEGIN < at < _END:
            before, after = _offset(tz, at - 1), _offset(tz, at)
            if before != after:
                found.append(OffsetChange(at, before, after))
    if b"," not in data.rstrip(b"\n").rpartition(b"\n")[2]:
        return found  # the closing rule is one offset for ever
    low = max([*listed[-1:], _BEGIN])
    before = _offset(tz, low)
    while low < _END:
        high = low + _STEP
        after = _offset(tz, high)
        if before != after:
            found.append(OffsetChange(_change_between(tz, low, high), before, after))
        low, before = high, after
    return found


def _change_between(tz: ZoneInfo, low: int, high: int) -> int:
    """The instant in ``(low, high]`` from which the offset is that of ``high``."""
    before = _offset(tz, low)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(tz, middle) == before:
            low = middle
        else:
            high = middle
    return high
