"""The timeline agrees with a scan of every minute that was written apart from it."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from tests.arming.comparison import minute_states, timeline_of
from tests.arming.minute_scan import NASTY_ZONES, MinuteScan, moved_dates, random_schedule


@pytest.mark.parametrize("zone", NASTY_ZONES)
def test_the_timeline_agrees_with_a_scan_of_every_minute(zone: str) -> None:
    rng = random.Random(zone)
    for _ in range(2):
        first = dt.date(rng.randrange(2000, 2037), rng.choice((3, 9)), 1)
        days = 70
        fields, calendars = random_schedule(rng, moved_dates(zone, first, days), first, days)
        expected = MinuteScan(fields, calendars).states(zone, first, days)
        found = minute_states(timeline_of(fields, calendars, zone), first, days)
        wrong = next((index for index in range(days * 1440) if expected[index] != found[index]), None)
        assert wrong is None, f"{first} + {wrong} min: {expected[wrong]} {found[wrong]} {fields} {calendars}"
