"""Transitions a second beside dateutil.rrule, croniter and cronsim, and the states of 100,000 sites.

    python benchmarks/timeline.py [--sites 100000] [--years 1]

Times are CPU time, so that a busy machine does not matter. All run in one process over the same jobs,
arm at 18:00 and disarm at 08:00 every day in 20 zones. The others know no windows, calendars or
precedence: they say only when a job runs. Needs the ``test`` extra.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim
from dateutil.rrule import DAILY, rrule

from reconciler.arming import spec
from reconciler.arming.calendars import ListedDays
from reconciler.arming.days import LocalDays
from reconciler.arming.fleet import Fleet
from reconciler.arming.project import Target, TargetKey
from reconciler.arming.spec import Calendar, Schedule
from reconciler.arming.states import State
from reconciler.arming.timeline import Timeline
from reconciler.arming.zones import zone

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ZONES = (
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Phoenix"),
    *("America/Anchorage", "Pacific/Honolulu", "America/Toronto", "America/Sao_Paulo", "Europe/London"),
    *("Europe/Berlin", "Europe/Dublin", "Africa/Casablanca", "Asia/Seoul", "Asia/Tokyo", "Asia/Kolkata"),
    *("Australia/Sydney", "Australia/Lord_Howe", "Pacific/Auckland", "Pacific/Apia"),
)


def daily(arm: str = "18:00", disarm: str = "08:00", name: str = "daily") -> Schedule:
    """The schedule that every contestant runs."""
    fields = {"windows": [{"days": EVERY_DAY, "arm": arm, "disarm": disarm, "mode": "away"}]}
    return spec.schedule(name, fields)


def ours(name: str, end: dt.datetime) -> int:
    """A timeline that nobody has asked before, zone already read."""
    return sum(1 for _ in Timeline(LocalDays(daily(), ()), zone(name)).transitions(START, end))


def of_dateutil(name: str, end: dt.datetime) -> int:
    """Two rules on the local clock, each run then turned into an instant."""
    tz, count = ZoneInfo(name), 0
    for hour in (18, 8):
        for at in rrule(DAILY, dtstart=START.replace(tzinfo=None, hour=hour), until=end.replace(tzinfo=None)):
            at.replace(tzinfo=tz).astimezone(dt.UTC)
            count += 1
    return count


def of_croniter(name: str, end: dt.datetime) -> int:
    """Two cron lines."""
    jobs = [croniter(f"0 {hour} * * *", START.astimezone(ZoneInfo(name))) for hour in (18, 8)]
    return sum(1 for job in jobs for _ in _until(lambda job=job: job.get_next(dt.datetime), end))


def of_cronsim(name: str, end: dt.datetime) -> int:
    """Two cron lines."""
    jobs = [CronSim(f"0 {hour} * * *", START.astimezone(ZoneInfo(name))) for hour in (18, 8)]
    return sum(1 for job in jobs for _ in _until(lambda job=job: next(job), end))


def _until(following: Callable[[], dt.datetime], end: dt.datetime) -> Iterator[dt.datetime]:
    while (at := following()) < end:
        yield at


def rate(run: Callable[[str, dt.datetime], int], zones: tuple[str, ...], end: dt.datetime) -> float:
    """Transitions a second over ``zones``, the best of three rounds."""
    best = 0.0
    for _ in range(3):
        began = time.process_time()
        count = sum(run(name, end) for name in zones)
        best = max(best, count / (time.process_time() - began))
    return best


def fleet_of(sites: int) -> Fleet:
    """``sites`` sites that share 50 schedules, a calendar and 20 zones."""
    closed = Calendar("closed", ListedDays(frozenset({dt.date(2026, 12, 25)})), closed=State.ARMED_AWAY)
    schedules = []
    for n in range(50):
        plain = daily(f"{17 + n % 5}:{n % 60:02d}", f"0{6 + n % 3}:{n % 60:02d}", f"s{n}")
        schedules.append((spec.Schedule(plain.id, plain.week, ("closed",)), (closed,)))
    targets = []
    for n in range(sites):
        schedule, calendars = schedules[n % 50]
        key = TargetKey(f"site:acme/site-{n:06d}", None)
        targets.append(Target(key, schedule, calendars, ZONES[(n // 50) % 20], "0" * 12))
    return Fleet(targets)


def timed(label: str, run: Callable[[], int]) -> tuple[int, float]:
    """Run, print what was counted and the time it took."""
    began = time.process_time()
    count = run()
    took = time.process_time() - began
    print(f"{label:58} {count:>12,} in {took * 1000:9.1f} ms")
    return count, took


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sites", type=int, default=100_000)
    parser.add_argument("--years", type=int, default=1)
    options = parser.parse_args()
    end = START.replace(year=START.year + options.years)
    for name in ZONES:
        zone(name)

    print("One timeline a zone, nothing shared:")
    first = rate(ours, ZONES, end)
    print(f"  {'reconciler.arming':20} {first:>12,.0f} transitions/s")
    contestants = (("dateutil.rrule", of_dateutil), ("croniter", of_croniter), ("cronsim", of_cronsim))
    rates = {"dateutil.rrule": 0.0}
    for label, run in contestants:
        rates[label] = rate(run, ZONES[:4], end)
        print(f"  {label:20} {rates[label]:>12,.0f} transitions/s, {first / rates[label]:8.1f} times slower")

    print(f"\nA fleet of {options.sites:,} sites, 50 schedules, {len(ZONES)} zones:")
    began = time.process_time()
    fleet = fleet_of(options.sites)
    print(f"grouped into {len(fleet.timelines):,} timelines in {(time.process_time() - began) * 1000:.0f} ms")
    now = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
    timed("states at an instant, nothing worked out before", lambda: len(fleet.holding(now)))
    timed("states at an instant of the same month", lambda: len(fleet.holding(now + dt.timedelta(hours=7))))
    timed("decisions with the end of each state", lambda: len(fleet.decisions(now)))
    _, took = timed("work shared: every timeline, one year", lambda: _generate(fleet, end))
    total = sum(1 for line in fleet.timelines for _ in line.transitions(START, end))
    everyone = total * options.sites // len(fleet.timelines)
    print(f"  amortised over the fleet: {everyone:,} transitions of sites, {everyone / took:,.0f} a second")
    week = START + dt.timedelta(days=7)
    count, took = timed("every transition of every site in a week, in order", lambda: _listed(fleet, week))
    print(
        f"  {count / took:,.0f} a second, listed one by one; against the fastest of the others: "
        f"{count / took / max(rates.values()):.0f} times"
    )
    return 0


def _generate(fleet: Fleet, end: dt.datetime) -> int:
    return sum(1 for line in fleet.timelines for _ in line.transitions(START, end))


def _listed(fleet: Fleet, end: dt.datetime) -> int:
    return sum(1 for _ in fleet.transitions(START, end))


if __name__ == "__main__":
    sys.exit(main())
