"""The rules of arming, applied minute by minute: an independent second opinion on the timeline.

Written for the tests, from the rules, without anything of ``reconciler``: fields as manifests hold
them go in, and one byte comes out for each minute of UTC: 0 disarmed, 1 stay, 2 night, 3 away.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

Fields = dict[str, Any]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MODES = ("", "stay", "night", "away")
EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001
DAY = 1440

NASTY_ZONES = (
    *("Africa/Abidjan", "Africa/Cairo", "Africa/Casablanca", "Africa/El_Aaiun", "Africa/Johannesburg"),
    *("Africa/Juba", "Africa/Khartoum", "Africa/Sao_Tome", "Africa/Tripoli", "Africa/Tunis"),
    *("Africa/Windhoek", "America/Adak", "America/Argentina/San_Luis", "America/Asuncion"),
    *("America/Bahia_Banderas", "America/Bogota", "America/Cancun", "America/Caracas"),
    *("America/Chihuahua", "America/Ciudad_Juarez", "America/Dawson", "America/Eirunepe"),
    *("America/Grand_Turk", "America/Havana", "America/Indiana/Tell_City", "America/Mazatlan"),
    *("America/Metlakatla", "America/Miquelon", "America/Montevideo", "America/New_York"),
    *("America/North_Dakota/Beulah", "America/Nuuk", "America/Port-au-Prince", "America/Punta_Arenas"),
    *("America/Resolute", "America/Santiago", "America/Sao_Paulo", "America/Scoresbysund"),
    *("America/St_Johns", "America/Tijuana", "America/Whitehorse", "Antarctica/Casey"),
    *("Antarctica/Davis", "Antarctica/Macquarie", "Antarctica/Mawson", "Antarctica/Troll"),
    *("Antarctica/Vostok", "Asia/Almaty", "Asia/Amman", "Asia/Beirut", "Asia/Damascus"),
    *("Asia/Dhaka", "Asia/Dili", "Asia/Gaza", "Asia/Hebron", "Asia/Jerusalem", "Asia/Kabul"),
    *("Asia/Karachi", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Pyongyang", "Asia/Qyzylorda"),
    *("Asia/Seoul", "Asia/Tehran", "Asia/Ulaanbaatar", "Asia/Yangon", "Atlantic/Azores"),
    *("Atlantic/Stanley", "Australia/Adelaide", "Australia/Eucla", "Australia/Lord_Howe"),
    *("Australia/Perth", "Europe/Dublin", "Europe/Istanbul", "Europe/London", "Europe/Minsk"),
    *("Europe/Moscow", "Europe/Simferopol", "Europe/Volgograd", "Pacific/Apia", "Pacific/Auckland"),
    *("Pacific/Bougainville", "Pacific/Chatham", "Pacific/Easter", "Pacific/Fakaofo", "Pacific/Fiji"),
    *("Pacific/Kiritimati", "Pacific/Marquesas", "Pacific/Norfolk", "Pacific/Tongatapu"),
)


def load_zone(name: str) -> ZoneInfo:
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def shown(zone: ZoneInfo, minute: int) -> int:
    """The local minute that clocks show in minute ``minute`` of UTC."""
    utc = EPOCH + dt.timedelta(minutes=minute)
    local = zone.fromutc(utc.replace(tzinfo=zone)).replace(tzinfo=None)
    return (local - EPOCH) // dt.timedelta(minutes=1)


class MinuteScan:
    """One schedule; ``calendars`` by id, with ``dates`` only."""

    def __init__(self, fields: Fields, calendars: dict[str, Fields]) -> None:
        self.fields = fields
        self.calendars = calendars
        self.known: dict[object, bytes] = {}

    def owned(self, date: dt.date) -> list[tuple[int, str, str, str]]:
        """(rank, arm, disarm, mode) of the windows that ``date`` owns."""
        usual = [
            (0, window["arm"], window["disarm"], window["mode"])
            for window in self.fields["windows"]
            if DAYS[date.weekday()] in window["days"]
        ]
        for exception in self.fields.get("exceptions", ()):
            if exception["date"] == str(date):
                return [(2, w["arm"], w["disarm"], w["mode"]) for w in exception["windows"]]
        for name in self.fields.get("calendars", ()):
            calendar = self.calendars[name]
            if str(date) in calendar["dates"]:
                if "closed" in calendar:
                    return [*usual, (1, "00:00", "24:00", calendar["closed"])]
                return [(1, w["arm"], w["disarm"], w["mode"]) for w in calendar["windows"]]
        return usual

    def local_day(self, date: dt.date) -> bytes:
        """The wanted state of each minute of a local date, as if clocks were never moved."""
        before, own = self.owned(date - dt.timedelta(days=1)), self.owned(date)
        key = (tuple(before), tuple(own))
        if key not in self.known:
            self.known[key] = bytes(self._wanted(before, own, minute) for minute in range(DAY))
        return self.known[key]

    def _wanted(self, before: list[Any], own: list[Any], minute: int) -> int:
        best = (-1, 0)
        clock = f"{minute // 60:02d}:{minute % 60:02d}"
        for rank, arm, disarm, mode in own:
            if arm <= clock and (disarm < arm or clock < disarm):
                best = max(best, (rank, MODES.index(mode)))
        for rank, arm, disarm, mode in before:
            if clock < disarm < arm:
                best = max(best, (rank, MODES.index(mode)))
        return best[1]

    def states(self, zone_name: str, first: dt.date, days: int) -> bytes:
        """The state in each minute of UTC of ``days`` dates from ``first``."""
        zone = load_zone(zone_name)
        begin = (first - EPOCH.date()).days * DAY
        margin = 3
        wanted = b"".join(
            self.local_day(first + dt.timedelta(days=offset)) for offset in range(-margin, days + margin)
        )
        zero = begin - margin * DAY
        found = bytearray()
        moved = []
        for day in range(days):
            minute = begin + day * DAY
            local = shown(zone, minute)
            if shown(zone, minute + DAY) - local == DAY:
                found += wanted[local - zero : local - zero + DAY]
            else:
                moved.append(minute)
                found += bytes(wanted[shown(zone, minute + m) - zero] for m in range(DAY))
        for minute in moved:
            _repeat(found, wanted, zone, minute, begin, zero)
        return bytes(found)


def _repeat(found: bytearray, wanted: bytes, zone: ZoneInfo, day: int, begin: int, zero: int) -> None:
    """Correct the minutes shown twice around the UTC day that begins at minute ``day``.

    Stricter changes come at the first showing and looser ones at the second: so in the first pass the
    strictest state wanted since the pass began, or just before it, holds on; and in the second pass
    the strictest that is still to come in it holds already.
    """
    minutes = range(day - DAY, day + 2 * DAY)
    local = {minute: shown(zone, minute) for minute in minutes}
    often = Counter(local.values())
    seen: set[int] = set()
    passes: tuple[list[int], list[int]] = ([], [])
    for minute in minutes:
        if often[local[minute]] == 2:
            passes[local[minute] in seen].append(minute)
            seen.add(local[minute])
    first, second = passes
    if not first:
        return
    holding = wanted[local[first[0]] - 1 - zero]
    for minute in first:
        holding = max(holding, wanted[local[minute] - zero])
        _put(found, minute - begin, holding)
    holding = 0
    for minute in reversed(second):
        holding = max(holding, wanted[local[minute] - zero])
        _put(found, minute - begin, holding)


def _put(found: bytearray, index: int, state: int) -> None:
    if 0 <= index < len(found):
        found[index] = state


def moved_dates(zone_name: str, first: dt.date, days: int) -> list[dt.date]:
    """The dates on which clocks are moved, as UTC days, with the days around them."""
    zone = load_zone(zone_name)
    begin = (first - EPOCH.date()).days * DAY
    moved = [
        day
        for day in range(days)
        if shown(zone, begin + (day + 1) * DAY) - shown(zone, begin + day * DAY) != DAY
    ]
    return sorted({first + dt.timedelta(days=day + near) for day in moved for near in (-1, 0, 1)})


def random_schedule(
    rng: random.Random, dates: list[dt.date], first: dt.date, days: int
) -> tuple[Fields, dict[str, Fields]]:
    """A schedule with exceptions and calendars, many of them on ``dates``, where clocks are moved."""

    def time() -> str:
        hour = rng.choice((0, 1, 2, 3, 23, rng.randrange(24)))
        return f"{hour:02d}:{rng.choice((0, 15, 30, 45, rng.randrange(60))):02d}"

    def window() -> Fields:
        arm, disarm = time(), rng.choice((time(), time(), "24:00"))
        while arm == disarm:
            disarm = time()
        return {"arm": arm, "disarm": disarm, "mode": rng.choice(MODES[1:])}

    def windows(most: int) -> list[Fields]:
        return [window() for _ in range(rng.randint(0, most))]

    def date() -> str:
        if dates and rng.random() < 0.7:
            return str(rng.choice(dates))
        return str(first + dt.timedelta(days=rng.randrange(days)))

    most = max(6, days // 100)
    usual = [{**window(), "days": rng.sample(DAYS, rng.randint(1, 7))} for _ in range(rng.randint(0, 4))]
    exceptions = [
        {"date": day, "windows": windows(3)} for day in {date() for _ in range(rng.randint(0, most))}
    ]
    calendars: dict[str, Fields] = {}
    for name in ("red", "blue")[: rng.randint(0, 2)]:
        what = {"closed": rng.choice(MODES[1:])} if rng.random() < 0.5 else {"windows": windows(2)}
        calendars[name] = {"dates": sorted({date() for _ in range(rng.randint(1, 2 * most))}), **what}
    return {"windows": usual, "exceptions": exceptions, "calendars": list(calendars)}, calendars
