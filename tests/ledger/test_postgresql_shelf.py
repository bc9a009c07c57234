"""The request budget of one key, shared by machines through the ledger's database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import psycopg
import pytest

from reconciler.chekt.bucket import Bucket
from reconciler.chekt.budget import Budget
from reconciler.chekt.connection import Rate
from reconciler.chekt.shared_budget import BucketOnShelf
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_shelf import PostgresShelf
from tests.postgresql import Server


class Machine:
    """A machine with a clock of its own, which goes only when it sleeps."""

    def __init__(self, shelf: PostgresShelf, rate: Rate, behind: float = 0.0) -> None:
        self.waits: list[float] = []
        self.budget = Budget(
            rate,
            BucketOnShelf(shelf, "budget-1", lambda: time.time() - behind),
            clock=lambda: time.time() - behind,
            sleep=self.waits.append,
        )


@pytest.fixture
def place(postgresql: Server) -> Place:
    schema = postgresql.schema()
    return Place(f"{postgresql.url}&application_name={schema}", schema)


def test_machines_spend_one_bucket_whatever_their_clocks_say(place: Place) -> None:
    """Ten at a burst, 30 % of it at once: the second machine pays for what the first has spent."""
    rate = Rate(60, 10)
    one, other = Machine(PostgresShelf(place), rate), Machine(PostgresShelf(place), rate, behind=3600.0)
    for _ in range(3):
        assert one.budget.take() == 0.0
    assert other.budget.take() > 0.0
    other.budget.heed({"X-RateLimit-Remaining": "0"})
    assert one.budget.take() > 1.0


def test_threads_of_machines_spend_every_token_once(place: Place) -> None:
    rate = Rate(60, 100)
    machines = [Machine(PostgresShelf(place), rate) for _ in range(2)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: machines[n % 2].budget.take(), range(200)))
    left: list[Bucket] = []

    def look(bucket: Bucket | None) -> Bucket:
        assert bucket is not None
        left.append(bucket)
        return bucket

    BucketOnShelf(PostgresShelf(place), "budget-1", time.time).change(look)
    assert left[0].tokens == pytest.approx(60 * 0.92 - 200, abs=20), "one a second comes back"


def test_what_threads_ask_for_during_a_round_trip_goes_in_the_next_one() -> None:
    """So a far shelf does not cap the rate."""
    trips = count(1)
    held = threading.Event()

    class Slow:
        def change(self, name: str, step: Callable[[str | None, float], str]) -> None:
            if next(trips) == 1:
                assert held.wait(10)
            step(None, time.time())

    store = BucketOnShelf(Slow(), "b", time.time)
    done: list[int] = []

    def ask(number: int) -> None:
        store.change(lambda bucket: bucket or Bucket(1.0, 1.0, 0.0))
        done.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 10
    while len(store._requests) < 19:
        assert time.monotonic() < until
        time.sleep(0.001)
    held.set()
    for thread in threads:
        thread.join()
    assert (sorted(done), next(trips)) == (list(range(20)), 3)


def test_a_shelf_out_of_reach_costs_the_sharing_and_not_the_run(place: Place, postgresql: Server) -> None:
    one = Machine(PostgresShelf(place), Rate(60, 10))
    assert one.budget.take() == 0.0
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {place.schema} CASCADE")
    assert [one.budget.take() > 0.0 for _ in range(3)] == [False, False, True], "from what was known of it"


def test_a_restarted_server_is_found_again(place: Place, postgresql: Server) -> None:
    shelf = PostgresShelf(place)
    shelf.change("x", lambda text, now: f"{text} first")
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s",
            (place.schema,),
        )
    seen: list[str | None] = []

    def look(text: str | None, _: float) -> str:
        seen.append(text)
        return "second"

    shelf.change("x", look)
    assert seen == ["None first"]
