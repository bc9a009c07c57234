"""The rate budget: never more than allowed, hardly less, for any number of processes."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.chekt import ClientSecret, DealerKeys, Rate
from reconciler.chekt.arming import Command, send
from reconciler.chekt.budget import BucketInFile, BucketInMemory, Budget, kept_bucket
from reconciler.errors import ConfigError, RemoteError
from reconciler.sandbox import limits
from reconciler.sandbox.errors import Refusal
from reconciler.sandbox.limits import Limiter
from tests.chekt.conftest import NOW, SECRET, TOKEN_URL, Clock, Lab, always

PARTNER = Rate(per_minute=5000, burst=500)


def budget(clock: Clock, rate: Rate = PARTNER, *, ceiling: bool = False) -> Budget:
    return Budget(rate, BucketInMemory(), clock=clock, sleep=clock.sleep, ceiling=ceiling)


class Server:
    """The sandbox's own limiter, on the time of the test."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self.rate = rate
        self.refused = self.accepted = 0
        self._limiter = Limiter(lambda: datetime.fromtimestamp(clock.now, UTC))

    def take(self) -> dict[str, str] | None:
        """The rate headers of an answer; None, and one more refusal, for a 429."""
        try:
            headers = self._limiter.take("credential", limits.Rate(*astuple(self.rate)))
        except Refusal:
            self.refused += 1
            return None
        self.accepted += 1
        return dict(headers)

    def allowed(self, seconds: float) -> float:
        """What a client that never errs can send in that time."""
        return self.rate.burst + seconds * self.rate.per_minute / 60


@pytest.mark.parametrize("rate", [PARTNER, Rate(1000, 100), Rate(60, 5), Rate(600, 30)])
def test_at_least_97_percent_of_the_allowed_rate_and_never_refused(rate: Rate) -> None:
    clock = Clock()
    spender, server = budget(clock, rate), Server(rate, clock)
    end = clock.now + 180
    sent = 0
    while clock.now < end:
        spender.take()
        server.take()
        sent += 1
    allowed = rate.burst + 3 * rate.per_minute
    assert server.refused == 0
    assert 0.97 * allowed <= sent <= allowed


@given(pauses=st.lists(st.floats(0, 20), max_size=60), burst=st.integers(1, 50), share=st.floats(0.05, 1.0))
@settings(max_examples=60, deadline=None)
def test_whatever_the_pauses_the_server_never_refuses(pauses: list[float], burst: int, share: float) -> None:
    clock = Clock()
    rate = Rate(max(1, int(burst * 20 * share)), burst)  # a burst figure is three seconds' worth or more
    spender, server = budget(clock, rate), Server(rate, clock)
    for pause in pauses:
        clock.now += pause
        spender.take()
        server.take()
    assert server.refused == 0


def test_after_a_pause_the_burst_is_spent_within_seconds_and_never_faster_than_it_says() -> None:
    clock = Clock()
    spender = budget(clock)
    assert [spender.take() for _ in range(150)] == [0.0] * 150
    times = []
    for _ in range(400):
        spender.take()
        times.append(clock.now - NOW)
    assert times[310] == pytest.approx(310 / 250, rel=0.1)
    assert all(later - earlier > 1.0 for earlier, later in zip(times, times[300:], strict=False))


@dataclass
class Run:
    """A client that sends as fast as it may, on the time of the test."""

    clock: Clock
    spender: Budget
    server: Server
    stated: bool = False

    def go(self, seconds: float) -> tuple[int, int]:
        """Requests accepted and refused in that time."""
        before = self.server.accepted, self.server.refused
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.spender.take()
            sent_at = self.clock.now
            headers = self.server.take()
            if headers is None:
                self.spender.refuse(1.0, sent_at=sent_at)
            elif self.stated:
                self.spender.heed(headers)
        return self.server.accepted - before[0], self.server.refused - before[1]


@pytest.mark.parametrize("rate", [PARTNER, Rate(1000, 100)])
@pytest.mark.parametrize("stated", [True, False])
def test_a_limit_that_is_halved_silently_costs_one_refusal(rate: Rate, *, stated: bool) -> None:
    clock = Clock()
    run = Run(clock, budget(clock, rate), Server(rate, clock), stated)
    run.go(60)
    run.server.rate = Rate(rate.per_minute // 2, rate.burst // 2)
    accepted, refused = run.go(240)
    assert refused <= (0 if stated else 1)
    assert accepted >= 0.97 * 240 * rate.per_minute / 120
    assert accepted <= 240 * rate.per_minute / 120 + rate.burst


SMALL = Rate(per_minute=240, burst=24)


def test_a_limit_that_rises_again_silently_is_found_again_without_a_refusal() -> None:
    clock = Clock()
    run = Run(clock, budget(clock, SMALL), Server(SMALL, clock))
    run.server.rate = Rate(120, 12)
    assert run.go(200)[1] == 1
    run.server.rate = SMALL
    assert run.go(700)[1] == 0
    accepted, refused = run.go(120)
    assert refused == 0
    assert accepted >= 0.97 * 2 * SMALL.per_minute


def test_a_limit_that_stays_low_is_tried_ever_less_often() -> None:
    clock = Clock()
    run = Run(clock, budget(clock, SMALL), Server(SMALL, clock))
    run.server.rate = Rate(120, 12)
    refusals = [run.go(1800)[1] for _ in range(8)]
    assert sum(refusals[:2]) <= 5
    assert sum(refusals[-4:]) <= 3
    assert run.go(1800)[0] >= 0.9 * 30 * 120


def test_answers_to_what_was_under_way_teach_nothing_more() -> None:
    clock = Clock()
    spender = budget(clock)
    sent_at = clock.now
    for _ in range(8):
        spender.refuse(1.0, sent_at=sent_at)
    assert spender.per_second == pytest.approx(5000 / 60 / 2, rel=0.02)


def test_a_burst_of_refusals_that_follow_each_other_lowers_the_rate_once() -> None:
    """Ten 429s in ten seconds are one event, not ten halvings to a rate that takes an hour to recover."""
    clock = Clock()
    spender = budget(clock)
    for _ in range(10):
        spender.refuse(0.0, sent_at=clock.now)
        clock.now += 1.0
    assert spender.per_second == pytest.approx(5000 / 60 / 2, rel=0.02)
    clock.now += 10.0
    spender.refuse(0.0, sent_at=clock.now)
    assert spender.per_second == pytest.approx(5000 / 60 / 4, rel=0.02)


def test_a_refusal_that_states_the_new_limit_is_believed_to_the_letter() -> None:
    clock = Clock()
    spender = budget(clock)
    spender.refuse(1.0, sent_at=clock.now, headers={"X-RateLimit-Limit": "4000"})
    assert spender.per_second == pytest.approx(4000 / 60, rel=0.02)


def test_who_has_no_patience_is_told_and_spends_nothing() -> None:
    clock = Clock()
    spender = budget(clock, Rate(60, 5))
    spender.refuse(30.0, sent_at=clock.now)
    with pytest.raises(RemoteError, match="used up for another 32 s"):
        spender.take(patience=5.0)
    assert clock.slept == []
    assert spender.take() == pytest.approx(32.0, rel=0.02)
    assert spender.take(patience=5.0) == pytest.approx(2.0, rel=0.02)


def test_the_servers_limit_moves_the_refill() -> None:
    clock = Clock()
    spender = budget(clock)
    spender.heed({"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0"})
    assert spender.take() == pytest.approx(1.0, rel=0.02)
    spender.heed({"X-RateLimit-Limit": "600"})
    assert spender.take() == pytest.approx(0.1, rel=0.02)


def test_the_server_may_lower_but_not_raise_what_the_user_chose() -> None:
    clock = Clock()
    spender = budget(clock, Rate(60, 5), ceiling=True)
    spender.heed({"X-RateLimit-Limit": "6000", "X-RateLimit-Remaining": "0"})
    assert spender.take() == pytest.approx(1.0, rel=0.02)


def test_tokens_never_exceed_what_the_server_says_remains() -> None:
    clock = Clock()
    spender = budget(clock)
    spender.heed({"X-RateLimit-Remaining": "2"})
    assert [spender.take() > 0 for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize("value", ["", "many", "-1", "1e999", "nan"])
def test_unreadable_rate_headers_are_no_reason_to_stop(value: str) -> None:
    clock = Clock()
    spender = budget(clock)
    spender.heed({"X-RateLimit-Limit": value})
    assert spender.take() == 0.0


def test_after_a_429_nothing_leaves_until_it_is_over_and_then_evenly() -> None:
    clock = Clock()
    spender = budget(clock)
    spender.refuse(10, sent_at=clock.now)
    start = clock.now
    times = []
    for _ in range(5):
        spender.take()
        times.append(clock.now - start)
    assert times[0] == pytest.approx(10, abs=0.05)
    assert times[4] == pytest.approx(10 + 5 * 60 / 2500, abs=0.05)


def test_who_waits_when_a_429_comes_waits_for_its_end() -> None:
    clock = Clock()
    shared = BucketInMemory()
    rate = Rate(60, 1)

    def sleep(seconds: float) -> None:
        if not clock.slept:
            other.refuse(30, sent_at=clock.now)
        clock.sleep(seconds)

    other = Budget(rate, shared, clock=clock, sleep=clock.sleep)
    spender = Budget(rate, shared, clock=clock, sleep=sleep)
    spender.take()
    assert spender.take() >= 30


@pytest.mark.parametrize("step", [-86_400.0, -3.0, 86_400.0])
def test_a_clock_that_steps_neither_blocks_nor_opens_the_gate(step: float) -> None:
    clock = Clock()
    spender = budget(clock, Rate(60, 5))
    for _ in range(5):
        spender.take()
    clock.now += step
    assert sum(spender.take() for _ in range(20)) <= 21
    assert sum(spender.take() for _ in range(10)) >= 9


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1, 2]",
        b"\xff\x00",
        b"x" * 1000,
        b"[1, 1, 1, null, 0]" + b"x" * 1000,
        b"[2, 1, 1, null, 0]",
        b'[1,"x",1,null,0]',
    ],
)
def test_a_damaged_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    clock = Clock()
    file = tmp_path / "budget.json"
    file.write_bytes(content)
    spender = Budget(PARTNER, BucketInFile(file), clock=clock, sleep=clock.sleep)
    assert spender.take() == 0.0
    again = Budget(PARTNER, BucketInFile(file), clock=clock, sleep=clock.sleep)
    again.heed({"X-RateLimit-Remaining": "0"})
    assert spender.take() > 0.0


@pytest.mark.parametrize("content", ["[1, -1e18, 1790000000.0, null, 0]", "[1, 5, 1e18, null, 1e18]"])
def test_an_absurd_file_does_not_block_for_ever(tmp_path: Path, content: str) -> None:
    clock = Clock()
    (tmp_path / "b").write_text(content)
    assert Budget(PARTNER, BucketInFile(tmp_path / "b"), clock=clock, sleep=clock.sleep).take() < 1


def test_a_file_that_can_no_longer_be_written_does_not_end_the_run(tmp_path: Path) -> None:
    clock = Clock()
    file = tmp_path / "budget.json"
    spender = Budget(Rate(60, 5), BucketInFile(file), clock=clock, sleep=clock.sleep)
    file.unlink()
    file.mkdir()
    assert [spender.take() > 0 for _ in range(6)] == [False] + [True] * 5


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="rate budget cannot be kept in"):
        kept_bucket(tmp_path / "file" / "state", "api.example.com", "key")


@pytest.mark.parametrize(("a_minute", "waits"), [(60, 1.0), (5000, 0.01), (9000, 0.01)])
def test_only_a_rate_below_the_documented_one_binds_the_server(lab: Lab, a_minute: int, waits: float) -> None:
    headers = {"X-RateLimit-Limit": "6000", "X-RateLimit-Remaining": "0"}
    with lab.client(always(200, json=[], headers=headers), rate=Rate(a_minute, 500)) as client:
        client.list("site", ("5",))
        client.list("site", ("5",))
    assert lab.clock.slept == [pytest.approx(waits, rel=0.02)]


def test_the_files_are_private_and_name_no_credential(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "reconciler"
    Budget(PARTNER, kept_bucket(folder, "api.example.com", SECRET), clock=Clock(), sleep=Clock().sleep).take()
    (file,) = folder.glob("*.json")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o600
    assert SECRET not in file.name + file.read_text()


def test_hosts_and_credentials_have_buckets_of_their_own(tmp_path: Path) -> None:
    for host, credential in (("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")):
        kept_bucket(tmp_path, host, credential)
    assert len(list(tmp_path.glob("*.json"))) == 3


def test_threads_do_not_overspend(tmp_path: Path) -> None:
    clock = Clock()
    waits: list[float] = []
    spender = Budget(Rate(60, 10), BucketInFile(tmp_path / "b"), clock=clock, sleep=waits.append)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: spender.take(), range(30)))
    assert len(waits) == 30 - 3


def _spend(folder: str, seconds: float) -> int:
    spender = Budget(
        Rate(6000, 50), kept_bucket(Path(folder), "api.example.com", "key"), clock=time.time, sleep=time.sleep
    )
    end, sent = time.time() + seconds, 0
    while time.time() < end:
        spender.take()
        sent += 1
    return sent


def test_processes_share_one_bucket(tmp_path: Path) -> None:
    seconds = 1.0
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        started = time.time()
        sent = sum(pool.starmap(_spend, [(str(tmp_path), seconds)] * 2))
        took = time.time() - started
    assert sent <= 50 + took * 100
    assert sent >= 50 + 0.5 * seconds * 100


def test_a_429_of_one_request_holds_back_the_next(lab: Lab) -> None:
    answers = iter([httpx.Response(429, headers={"Retry-After": "5"}), httpx.Response(200, json=[])])
    with lab.client(lambda _request: next(answers), "dealer") as client:
        assert send(client, "5", "17", Command("arm", "user", "key")).error is not None
        assert lab.clock.slept == []
        client.list("contact", ("5", "17"))
    assert lab.clock.slept == [pytest.approx(5.0, abs=0.2)]


def test_what_one_answer_says_of_the_rate_holds_for_the_next(lab: Lab) -> None:
    headers = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0"}
    with lab.client(always(200, json=[], headers=headers)) as client:
        client.list("site", ("5",))
        client.list("site", ("5",))
    assert lab.clock.slept == [pytest.approx(1.0, rel=0.02)]


def test_the_partner_surface_has_one_budget_a_client_id(lab: Lab, tmp_path: Path) -> None:
    for client_id in ("a", "b", "a"):
        credentials = ClientSecret(TOKEN_URL, "aud", client_id, SECRET)
        with lab.client(always(200, json=[]), credentials=credentials, state_dir=tmp_path) as client:
            client.list("site", ("5",))
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_max_rate_is_a_ceiling_for_all_credentials_together(lab: Lab) -> None:
    keys = DealerKeys(None, {"5": "fifth-key", "6": "sixth-key"})
    client = lab.client(always(200, json=[]), "dealer", credentials=keys, max_rate=60)
    with client:
        start = lab.clock.now
        for number in range(40):
            client.list("contact", ("5" if number % 2 else "6", "1"))
        assert 30 <= lab.clock.now - start <= 40


def test_machines_whose_clocks_disagree_a_little_refill_no_second_twice() -> None:
    clock, bucket = Clock(), BucketInMemory()
    waits: list[float] = []
    behind = Budget(Rate(60, 10), bucket, clock=clock, sleep=waits.append)
    ahead = Budget(Rate(60, 10), bucket, clock=lambda: clock() + 0.5, sleep=waits.append)
    for number in range(40):
        (ahead if number % 2 else behind).take()
    assert waits[-1] - waits[-21] == pytest.approx(20 / 0.99, abs=0.6), "one a second, whoever takes it"
