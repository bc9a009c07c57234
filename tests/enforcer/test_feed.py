"""The daemon hears of changes by hand: it looks at once, says who made them, and decides as ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.chekt.arming import ArmingStatus
from reconciler.enforcer import history, pace
from reconciler.enforcer.alerts import troubles
from reconciler.enforcer.attention import Allowance, Attention
from reconciler.enforcer.attribution import attributed
from reconciler.enforcer.clock import SystemClock
from reconciler.enforcer.feed import MOST_WAITING, Feed, Notice
from reconciler.enforcer.memory import Changed, Memory
from reconciler.enforcer.pace import Pace
from reconciler.enforcer.port import Observation
from reconciler.enforcer.report import commands_json
from reconciler.enforcer.tick import Tick, tick
from reconciler.enforcer.watch import Watch
from reconciler.places import Sites
from tests.enforcer.rig import EVENING, LATE, NIGHT, NOON, Rig, rig
from tests.enforcer.test_watch import numbered

SECOND = timedelta(seconds=1)
HALF_HOUR = timedelta(minutes=30)
AT = LATE + timedelta(minutes=7)
"""Between two reviews."""


@dataclass
class Listening:
    """A rig with a daemon's loop that hears. Without ``hears`` it takes the looks given and hears nothing."""

    site: Rig
    feed: Feed = field(init=False)
    consumed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    looks: list[datetime] = field(default_factory=list)
    troubles: dict[str, str] = field(default_factory=dict)
    extra: Sequence[datetime] = ()
    hears: bool = True

    def __post_init__(self) -> None:
        self.feed = Feed(self.site.clock.ring, self.consumed.extend)

    def run(self, until: datetime) -> None:
        """Rounds until ``until``, as the daemon makes them."""
        clock = self.site.clock
        planned = sorted(self.extra)
        with self.site.ledger() as ledger, self.site.opened(ledger) as (watch, port, journal):
            attention = Attention(self.feed, watch, port.places, 1000, clock.now(), self.notes.append)
            while clock.now() < until:
                now = clock.now()
                if self.hears:
                    attention.plan(now)
                while planned and planned[0] <= now:
                    planned.pop(0)
                    for target in watch.targets:
                        watch.glance(target, now)
                done = tick(watch, now, port, journal, heard=attention.heard)
                attention.settle({sight.target.key: sight.seen for sight in done.sights}, now)
                self._took(done)
                ends = (done.next_at, attention.next_at, until, planned[0] if planned else None)
                clock.wait((min(at for at in ends if at is not None) - now).total_seconds())

    def _took(self, done: Tick) -> None:
        for sight in done.sights:
            self.looks.append(sight.seen.at)
            self.troubles = {**self.troubles, **troubles(sight, sight.seen.at)}

    def says(self, said: str, name: str = "jane", *, number: int = 1, **changes: object) -> None:
        """An event comes in."""
        notice = Notice(f"{number}", self.site.site_id, None, said, self.site.clock.now(), name, "app")
        self.feed.put(replace(notice, **changes))  # type: ignore[arg-type]

    def disarmed(self, by: str = "jane", number: int = 1) -> None:
        """A person disarms, and the event comes a second later."""
        at = self.site.clock.now()
        self.site.by_hand("disarmed")
        self.site.clock.at(at + SECOND, lambda: self.says("disarmed", by, number=number, at=at))

    def texts(self) -> str:
        return history.as_text(self.site.records(), None)


@contextmanager
def listening(directory: Path, start: datetime = EVENING - HALF_HOUR, **given: object) -> Iterator[Listening]:
    with rig(directory, start=start, **given) as site:  # type: ignore[arg-type]
        yield Listening(site)


def test_a_disarm_is_looked_at_when_it_is_heard_of_and_told_by_name(tmp_path: Path) -> None:
    with listening(tmp_path) as heard:
        heard.site.clock.at(AT, heard.disarmed)
        heard.run(AT + HALF_HOUR)
        (row,) = (row for row in heard.site.records() if row.result == "respected")
        assert row.issued_at - AT < 2 * SECOND
        assert (row.changed_at, row.changed_by, row.changed_through) == (AT, "jane", "app")
        assert (
            "disarmed by jane through the app at 2026-11-23 20:07:00 UTC; respected until the next transition"
            in heard.texts()
        )
        assert commands_json([row])[0]["by_hand"] == {
            "at": "2026-11-23T20:07:00Z",
            "by": "jane",
            "source": "app",
        }
        assert heard.consumed == ["1"]


def test_what_the_policy_arms_again_says_after_whom_and_after_how_long(tmp_path: Path) -> None:
    with listening(tmp_path, policy="{rearm_after: 30m}") as heard:
        heard.site.clock.at(AT, heard.disarmed)
        heard.run(AT + HALF_HOUR + timedelta(minutes=1))
        assert heard.site.state == "armed_away"
        assert heard.site.records()[-1].issued_at == AT + HALF_HOUR
        assert "armed again at 2026-11-23 20:37:00 UTC" in heard.texts()
        assert "30 min after it was disarmed by jane through the app" in heard.texts()


def test_an_event_that_comes_after_the_review_only_adds_the_name(tmp_path: Path) -> None:
    with listening(tmp_path, policy="{rearm_after: 30m}") as heard:
        heard.site.clock.at(AT, lambda: heard.site.by_hand("disarmed"))
        heard.site.clock.at(AT + timedelta(minutes=5), lambda: heard.says("disarmed", at=AT))
        heard.run(AT + HALF_HOUR + timedelta(minutes=1))
        rows = heard.site.records()[1:]
        assert [(row.result, row.changed_by) for row in rows] == [
            ("respected", ""),
            ("respected", "jane"),
            ("confirmed", "jane"),
        ]
        assert rows[-1].issued_at == AT + HALF_HOUR


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ({"state": "armed_away"}, "another state than the one seen"),
        ({"at": AT - timedelta(minutes=5)}, "before it can have been"),
        ({"at": AT + timedelta(hours=3)}, "after it was seen"),
        ({"by": "", "source": ""}, "nobody is named"),
        ({"site_id": "999"}, "another site"),
    ],
)
def test_an_event_that_does_not_agree_with_what_is_seen_names_nobody(
    tmp_path: Path, claim: dict[str, object], reason: str
) -> None:
    with listening(tmp_path) as heard:
        heard.site.clock.at(AT, lambda: heard.site.by_hand("disarmed"))
        heard.site.clock.at(AT + SECOND, lambda: heard.says("disarmed", **claim))  # type: ignore[arg-type]
        heard.run(AT + HALF_HOUR)
        (row,) = (row for row in heard.site.records() if row.result == "respected")
        assert row.changed_by == "", reason
        assert "changed by hand at" in heard.texts()


@pytest.mark.parametrize(
    ("said", "seen", "name"),
    [
        ("disarmed", "disarmed", "jane"),
        ("armed", "armed_away", "jane"),
        ("armed_away", "armed", "jane"),
        ("armed_stay", "armed_away", ""),
        ("armed", "disarmed", ""),
        ("disarmed", "armed", ""),
        ("", "armed", ""),
    ],
)
def test_a_name_is_taken_from_an_event_that_means_the_state_seen(
    said: str, seen: ArmingStatus, name: str
) -> None:
    memory = Memory(by_hand=LATE, changed=Changed(after=LATE - SECOND))
    found = attributed(memory, Observation(seen, LATE), [Notice("1", "7", None, said, LATE, "jane")])
    assert found.changed.by == name


def test_a_site_that_is_not_enforced_is_told_of_once_and_counted(tmp_path: Path) -> None:
    with listening(tmp_path) as heard:
        for number in range(5):
            heard.site.clock.at(AT, lambda n=number: heard.says("disarmed", number=n, site_id="999"))  # type: ignore[misc]
        looks_without = _looks(tmp_path / "without", AT + SECOND)
        heard.run(AT + SECOND)
        assert heard.notes == ["An arming event names site 999, which is not enforced here; left alone."]
        assert heard.feed.counts() == {"unknown": 5}
        assert sorted(heard.consumed) == ["0", "1", "2", "3", "4"]
        assert len(heard.looks) == looks_without


def _looks(directory: Path, until: datetime) -> int:
    directory.mkdir()
    with listening(directory) as silent:
        silent.run(until)
        return len(silent.looks)


def test_a_partition_is_looked_at_alone_and_told_alone(tmp_path: Path) -> None:
    with listening(tmp_path, partitions=2) as heard:

        def disarm() -> None:
            heard.site.by_hand("disarmed", partition=2)
            heard.says("disarmed", partition=2)

        heard.site.clock.at(AT, disarm)
        heard.run(AT + SECOND)
        rows = [row for row in heard.site.records() if row.result == "respected"]
        assert [(row.partition, row.changed_by) for row in rows] == [(2, "jane")]


def test_an_event_of_our_own_command_costs_no_look_besides_the_reading_back(tmp_path: Path) -> None:
    ends = EVENING + timedelta(minutes=2)
    with listening(tmp_path) as heard:
        at = EVENING + timedelta(seconds=0.9)
        heard.site.clock.at(at, lambda: heard.says("armed_away", "reconciler:nights@1"))
        heard.run(ends)
        assert heard.feed.counts() == {"looked": 1}
        assert len(heard.looks) == _looks(tmp_path / "without", ends)


def test_what_is_said_of_a_whole_site_is_settled_when_each_of_its_partitions_was_looked_at(
    tmp_path: Path,
) -> None:
    """In one round or in several."""
    with rig(tmp_path, start=LATE, partitions=2) as site:
        one, two = site.targets
        watch = Watch([one, two], {}, LATE, Pace())
        feed = Feed()
        attention = Attention(feed, watch, cast(Sites, Known()), 1000, LATE, print)
        feed.put(Notice("1", "hq", None, "disarmed", LATE))
        feed.put(Notice("2", "hq", two.partition, "disarmed", LATE))
        feed.put(Notice("3", "hq", 77, "disarmed", LATE))
        attention.plan(LATE)
        assert feed.counts() == {"unknown": 1}
        attention.settle({two.key: Observation("disarmed", LATE)}, LATE)
        assert feed.counts() == {"looked": 1, "unknown": 1}
        attention.settle({one.key: Observation("unknown", LATE, problem="no answer")}, LATE)
        attention.settle({one.key: Observation("disarmed", LATE - SECOND)}, LATE)
        assert feed.counts() == {"looked": 1, "unknown": 1}
        attention.settle({one.key: Observation("disarmed", LATE)}, LATE)
        assert feed.counts() == {"looked": 2, "unknown": 1}


def test_a_flood_costs_few_looks_and_holds_back_no_transition(tmp_path: Path) -> None:
    """Five minutes of a forged event every tenth of a second, over the evening's transition."""
    with listening(tmp_path) as heard:
        start = EVENING - timedelta(minutes=3)
        heard.site.clock.at(EVENING - timedelta(minutes=4), lambda: None)
        for number in range(3000):
            at = start + number * timedelta(milliseconds=100)
            heard.site.clock.at(at, lambda n=number: heard.says("disarmed", number=n))  # type: ignore[misc]
        heard.run(start + timedelta(minutes=5))
        flooded = [look for look in heard.looks if look >= start]
        assert len(flooded) <= 300 / pace.HEARD_APART.total_seconds() + 10
        (row,) = heard.site.records()
        assert (row.result, row.issued_at) == ("confirmed", EVENING)
        assert len(heard.consumed) == len(set(heard.consumed)) >= 2980, "the last ones wait for their look"


def test_a_flood_over_many_sites_stays_within_its_share_of_the_budget() -> None:
    allowance = Allowance(100, 20, NOON)
    taken = sum(allowance.take(NOON + timedelta(milliseconds=each)) is None for each in range(0, 120_000, 10))
    assert taken in (219, 220)
    again = allowance.take(NOON)
    assert again is not None
    assert again - NOON < SECOND, "a clock that is set back stops nothing for long"


class Known:
    """Every site has the id that its address ends with."""

    def find(self, site_id: str, among: Iterable[str]) -> Sequence[str]:
        return [address for address in among if address.endswith(site_id)]


def fleet(directory: Path, count: int, now: datetime) -> tuple[Watch, Attention, Feed]:
    """A night's fleet of which all but the last ten stand as wanted."""
    targets = numbered(directory, NIGHT, [f"s{number:03d}" for number in range(count)])
    reached = Memory(first_seen=NOON, seen="armed_away", seen_at=now, period=EVENING, reached=True)
    rested = Pace(recent=timedelta(hours=1))
    watch = Watch(targets, {target.key: reached for target in targets[:-10]}, now, rested)
    feed = Feed()
    return watch, Attention(feed, watch, cast(Sites, Known()), 1000, now, print), feed


def test_many_sites_at_once_are_looked_at_by_the_budgets_share_after_what_is_due(tmp_path: Path) -> None:
    watch, attention, feed = fleet(tmp_path / "p", 200, LATE)
    for number in range(190):
        feed.put(Notice(str(number), f"s{number:03d}", None, "disarmed", LATE))
    attention.plan(LATE)
    first = [target.address for target in watch.due(LATE)]
    assert first[:10] == [f"site:acme/s{number}" for number in range(190, 200)], "what is due comes first"
    assert len(first) == 10 + pace.HEARD_BURST
    looked = set(first)
    for second in range(1, 61):
        now = LATE + second * SECOND
        attention.plan(now)
        looked |= {target.address for target in watch.due(now)}
    share = 1000 * pace.HEARD_SHARE
    assert len(looked) - 10 <= pace.HEARD_BURST + share
    assert attention.next_at is not None
    assert attention.next_at <= LATE + timedelta(seconds=63)


def test_the_alert_about_a_fight_names_the_person(tmp_path: Path) -> None:
    with listening(tmp_path, policy="enforce") as heard:
        heard.site.clock.at(AT, heard.disarmed)
        heard.site.clock.at(AT + timedelta(minutes=5), lambda: heard.disarmed("lee", number=2))
        heard.run(AT + timedelta(minutes=10))
        assert "undone twice" in heard.troubles["stopped"]
        assert "disarmed by lee through the app at 2026-11-23 20:12:00 UTC" in heard.troubles["stopped"]


def test_the_daemon_is_woken_at_once_and_sleeps_on_afterwards() -> None:
    bell = threading.Event()
    clock = SystemClock(lambda: NOON, threading.Event(), bell)
    waker = threading.Timer(0.05, Feed(bell.set).put, [Notice("1", "7", None, "disarmed", NOON)])
    waker.start()
    began = time.monotonic()
    clock.wait(60)
    woken = time.monotonic()
    clock.wait(0.2)
    assert woken - began < 30
    assert time.monotonic() - woken >= 0.2
    waker.join()


def test_duplicates_wait_once_and_too_many_are_left_to_the_reviews() -> None:
    feed = Feed()
    notice = Notice("1", "7", None, "disarmed", NOON)
    for _ in range(3):
        feed.put(notice)
    assert feed.take() == [notice]
    assert feed.take() == []
    feed.rewind()
    assert feed.take() == [notice]
    for number in range(MOST_WAITING + 5):
        feed.put(replace(notice, id=str(number)))
    assert feed.counts() == {"dropped": 5, "repeated": 3}


def test_during_an_outage_events_do_not_ask_the_server_more_often(tmp_path: Path) -> None:
    with listening(tmp_path) as heard:
        fault = {"action": "status", "status": 503, "method": "GET", "path": "/ext/v1/sites/.*", "count": 0}
        heard.site.clock.at(LATE, lambda: heard.site.admin("POST", "/faults", fault) and None)  # type: ignore[arg-type]
        for number in range(100):
            at = LATE + timedelta(minutes=20, seconds=number)
            heard.site.clock.at(at, lambda n=number: heard.says("disarmed", number=n))  # type: ignore[misc]
        heard.run(LATE + timedelta(minutes=22))
        assert len([look for look in heard.looks if look >= LATE + timedelta(minutes=20)]) < 12
        assert heard.consumed == [] or len(heard.consumed) <= 100


def test_what_was_not_looked_into_before_a_restart_is_heard_again(tmp_path: Path) -> None:
    """The inbox gives it again; what was looked into is not given again."""
    with listening(tmp_path) as heard:
        heard.run(AT)
        heard.site.by_hand("disarmed")
        heard.says("disarmed")
        heard.run(AT + SECOND)
        assert heard.consumed == ["1"]
        row = heard.site.records()[-1]
        assert (row.result, row.changed_by) == ("respected", "jane")
        assert row.issued_at - AT <= SECOND


STATES = st.sampled_from(("disarmed", "armed_away", "armed_stay", "alarm"))
MINUTES = st.integers(0, 90)
EVENTS = st.lists(
    st.tuples(MINUTES, STATES, st.sampled_from(("", "jane", "reconciler:nights@1")), st.integers(0, 4)),
    max_size=12,
)
ACTS = st.lists(st.tuples(MINUTES, STATES), max_size=6)
POLICIES = st.sampled_from(("respect_until_next", "enforce", "{rearm_after: 30m}"))
FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def evening(
    policy: str,
    acts: Sequence[tuple[int, str]],
    events: Sequence[tuple[int, str, str, int]],
    extra: Sequence[datetime] | None = None,
) -> tuple[list[tuple[object, ...]], list[datetime]]:
    """The commands of an evening and the looks taken. ``extra``: those looks instead of the events."""
    with (
        TemporaryDirectory() as folder,
        listening(Path(folder), EVENING - timedelta(minutes=10), policy=policy) as heard,
    ):
        clock = heard.site.clock
        start = clock.now()
        for minute, state in acts:
            clock.at(start + timedelta(minutes=minute), lambda s=state: heard.site.by_hand(s))  # type: ignore[misc]
        for minute, state, by, number in events if extra is None else ():
            at = start + timedelta(minutes=minute)
            clock.at(at, lambda s=state, b=by, n=number: heard.says(s, b, number=n))  # type: ignore[misc]
        heard.extra, heard.hears = extra or (), extra is None
        heard.run(start + timedelta(minutes=90))
        rows = [(row.decided, row.result, row.state_before, row.issued_at) for row in heard.site.records()]
        return rows, heard.looks


@FEW
@given(policy=POLICIES, acts=ACTS, events=EVENTS)
def test_events_command_nothing_that_the_same_looks_without_them_would_not(
    policy: str, acts: Sequence[tuple[int, str]], events: Sequence[tuple[int, str, str, int]]
) -> None:
    told, looks = evening(policy, acts, events)
    quiet, _ = evening(policy, acts, (), extra=looks)
    commands = [row for row in told if row[1] not in ("respected", "held")]
    assert commands == [row for row in quiet if row[1] not in ("respected", "held")]


@FEW
@given(policy=POLICIES, events=EVENTS)
def test_events_alone_change_no_command_and_put_off_no_look(
    policy: str, events: Sequence[tuple[int, str, str, int]]
) -> None:
    (told, looks), (quiet, planned) = evening(policy, (), events), evening(policy, (), ())
    assert told == quiet
    assert set(planned) <= set(looks)
