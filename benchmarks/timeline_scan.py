"""Lay the timeline beside a scan of every minute, over nasty zones, random schedules and 2000 to 2037.

    python benchmarks/timeline_scan.py [--zones 91] [--schedules 2] [--first 2000] [--last 2037] [--seed 1]

Prints one line a zone and ends with 1 at the first difference. The scan (``tests/arming/minute_scan.py``)
shares nothing with the timeline but the tzdata package.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.arming.comparison import minute_states, timeline_of
from tests.arming.minute_scan import NASTY_ZONES, MinuteScan, moved_dates, random_schedule


def main() -> int:
    """Compare, and say how many minutes were compared."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zones", type=int, default=len(NASTY_ZONES))
    parser.add_argument("--schedules", type=int, default=2)
    parser.add_argument("--first", type=int, default=2000)
    parser.add_argument("--last", type=int, default=2037)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    first = dt.date(options.first, 1, 1)
    days = (dt.date(options.last + 1, 1, 1) - first).days
    minutes = 0
    for zone in NASTY_ZONES[: options.zones]:
        rng = random.Random(f"{options.seed} {zone}")
        began = time.perf_counter()
        dates = moved_dates(zone, first, days)
        for _ in range(options.schedules):
            fields, calendars = random_schedule(rng, dates, first, days)
            expected = MinuteScan(fields, calendars).states(zone, first, days)
            found = minute_states(timeline_of(fields, calendars, zone), first, days)
            if expected != found:
                wrong = next(index for index in range(days * 1440) if expected[index] != found[index])
                at = dt.datetime.combine(first, dt.time(), dt.UTC) + dt.timedelta(minutes=wrong)
                print(f"{zone} {at}: the scan says {expected[wrong]}, the timeline {found[wrong]}")
                print(fields, calendars)
                return 1
            minutes += days * 1440
        took = time.perf_counter() - began
        print(f"{zone}: no difference, {len(dates)} dates near clock changes, {took:.1f} s", flush=True)
    print(f"{minutes:,} minutes in {min(options.zones, len(NASTY_ZONES))} zones: no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
