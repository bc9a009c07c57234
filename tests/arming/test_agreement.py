"""Daily jobs of other schedulers run when the timeline arms, where their stated policy is the same.

cronsim: a job in a gap runs at the change, one in a repeated hour once, at the first occurrence: as
arming does. croniter: the same in a gap, but twice in a repeated hour. dateutil.rrule knows only the
local clock: the same where a local time is shown once.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator

import pytest
from croniter import croniter
from cronsim import CronSim
from dateutil.rrule import DAILY, rrule

from tests.arming.comparison import timeline_of, utc, window
from tests.arming.minute_scan import NASTY_ZONES, load_zone

START, END = utc("2018-01-01"), utc("2021-01-01")
ZONES = [*random.Random(8).sample(NASTY_ZONES, 10), "America/New_York", "Europe/London", "Pacific/Chatham"]


def arming_instants(zone: str, hour: int, minute: int) -> list[dt.datetime]:
    fields = window(f"{hour:02d}:{minute:02d}", f"{(hour + 9) % 24:02d}:{minute:02d}", days="daily")
    line = timeline_of({"windows": [fields]}, {}, zone)
    return [change.at for change in line.transitions(START, END) if change.to_state]


def times(zone: str) -> Iterator[tuple[int, int]]:
    rng = random.Random(zone)
    yield from ((rng.choice((0, 1, 2, 3)), rng.choice((0, 30))) for _ in range(2))
    yield rng.randrange(24), rng.randrange(60)


@pytest.mark.parametrize("zone", ZONES)
def test_arming_agrees_with_cronsim(zone: str) -> None:
    before = (START - dt.timedelta(seconds=1)).astimezone(load_zone(zone))
    for hour, minute in times(zone):
        expected = []
        for job in CronSim(f"{minute} {hour} * * *", before):
            at = job.astimezone(dt.UTC)
            if at >= END:
                break
            expected.append(at)
        assert arming_instants(zone, hour, minute) == expected


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/London", "Asia/Seoul"])
def test_arming_agrees_with_croniter_but_for_its_second_run_in_a_repeated_hour(zone: str) -> None:
    tz = load_zone(zone)
    for hour, minute in times(zone):
        jobs = croniter(f"{minute} {hour} * * *", (START - dt.timedelta(seconds=1)).astimezone(tz))
        expected: dict[dt.date, dt.datetime] = {}
        while (job := jobs.get_next(dt.datetime)).astimezone(dt.UTC) < END:
            expected.setdefault(job.date(), job.astimezone(dt.UTC))
        assert arming_instants(zone, hour, minute) == list(expected.values())


@pytest.mark.parametrize("zone", ZONES)
def test_arming_agrees_with_dateutil_where_the_local_time_is_shown_once(zone: str) -> None:
    tz = load_zone(zone)
    for hour, minute in times(zone):
        first = dt.datetime(2017, 12, 31, hour, minute)  # noqa: DTZ001 - the local clock
        for at in rrule(DAILY, dtstart=first, until=first + dt.timedelta(days=1098)):
            instants = {at.replace(tzinfo=tz, fold=fold).astimezone(dt.UTC) for fold in (0, 1)}
            shown = [one for one in instants if one.astimezone(tz).replace(tzinfo=None) == at]
            if len(shown) == 1 and START <= shown[0] < END:
                assert shown[0] in set_of(zone, hour, minute)


def set_of(zone: str, hour: int, minute: int) -> set[dt.datetime]:
    key = (zone, hour, minute)
    if key not in _SETS:
        _SETS[key] = set(arming_instants(*key))
    return _SETS[key]


_SETS: dict[tuple[str, int, int], set[dt.datetime]] = {}
