"""How long a fleet takes to lease and acknowledge everything that falls due at one instant.

    python benchmarks/lanes.py                              100,000 sites, 400 dealers, 4 workers
    python benchmarks/lanes.py --sites 20000 --lanes 50
    python benchmarks/lanes.py --url postgresql://HOST/DB   on another server

All sites are armed at one instant. Workers, each a process, take the lanes that wait, lease what is due in
batches by priority and deadline, acknowledge it with the two transitions that come next, and give the lane
back, every write behind the lane's fence: all that a fleet does with its ledger but for the commands. The
server is one of its own, which does not wait for the disk (``fsync`` off), unless there is a URL. At the end
each site must have been leased once, each lane taken once, and the next transitions must be there.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from reconciler.arming.fleet import Fleet
from reconciler.arming.project import Target, TargetKey, targets
from reconciler.fleet.due import due_rows
from reconciler.fleet.leases import LEASE
from reconciler.ledger import Ledger
from reconciler.ledger.lane_store import LaneStore
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_store import PostgresStore
from reconciler.manifests import load

EVENING = datetime(2026, 11, 23, 18, tzinfo=UTC)
BATCH = 512
PROJECT = """\
kind: dealer
id: acme
dealer_id: 12345
---
kind: schedule
id: nights
windows: [{days: [mon, tue, wed, thu, fri, sat, sun], arm: '18:00', disarm: '08:00'}]
---
kind: site
id: hq
name: Headquarters
timezone: UTC
arming: {schedule: nights}
"""


def one_target() -> Target:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "all.yaml").write_text(PROJECT, encoding="utf-8")
        project = load(Path(folder), env={})
    [found] = targets(project.resources, project.attachments)
    return found


def lanes_of(sites: int, lanes: int) -> dict[str, Fleet]:
    """By lane its sites: as many in each."""
    one = one_target()
    return {
        f"d{lane:04d}": Fleet(
            [
                replace(one, key=TargetKey(f"site:d{lane:04d}/s{number:06d}", None))
                for number in range(lane, sites, lanes)
            ]
        )
        for lane in range(lanes)
    }


def batches(ledger: Ledger, store: PostgresStore, worker: str) -> Iterator[int]:
    """Take lanes until none waits: the number of sites of each batch acknowledged."""
    fleets = lanes_of(*SIZES)
    READY.wait()
    while waiting := ledger.waiting_lanes(EVENING, 8):
        for lane in waiting:
            hold = ledger.take_lane(lane, worker, LEASE * 10, EVENING)
            if hold is None:
                continue
            with LaneStore(store, hold).open() as own:
                while True:
                    leased = own.lease_due(hold, EVENING, BATCH)
                    keys = [(row.target, row.partition) for row in leased]
                    fleet = fleets[lane]
                    chosen = {row.target for row in leased}
                    looked = [target for target in fleet.targets if target.address in chosen]
                    own.acknowledge_due(lane, keys, due_rows(fleet, looked, EVENING, {}))
                    yield len(leased)
                    if len(leased) < BATCH:
                        break
                own.look_next(lane, EVENING + timedelta(hours=14), 1)
            ledger.release_lane(hold)


def work(url: str, schema: str, number: int, counts: Sequence[int]) -> None:
    store = PostgresStore(Place(url, schema), "benchmark", {})
    with Ledger(store.database()) as ledger:
        counts[number] = sum(batches(ledger, store, f"w{number}"))  # type: ignore[index]
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sites", type=int, default=100_000)
    parser.add_argument("--lanes", type=int, default=400)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--url", help="a PostgreSQL database; a schema is made in it and dropped")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.url is None:
            from tests.postgresql import join

            url = join(Path(folder)).url
        else:
            url = asked.url
        run(url, f"benchmark_{os.getpid()}", asked)


def run(url: str, schema: str, asked: argparse.Namespace) -> None:
    global READY, SIZES
    import psycopg

    store = PostgresStore(Place(url, schema), "benchmark", {})
    fleets = lanes_of(asked.sites, asked.lanes)
    before = EVENING - timedelta(hours=10)
    try:
        with store.open() as ledger:
            begun = time.perf_counter()
            ledger.declare_lanes(list(fleets), before)
            for lane, fleet in fleets.items():
                ledger.index_lane(lane, due_rows(fleet, fleet.targets, before, {}))
                ledger.look_next(lane, EVENING, 0)
            print(f"materialised: {asked.sites:,} sites in {time.perf_counter() - begun:.1f} s", flush=True)
            context = multiprocessing.get_context("fork")
            READY, SIZES = context.Barrier(asked.workers + 1), (asked.sites, asked.lanes)
            counts = context.Array("q", asked.workers)
            workers = [
                context.Process(target=work, args=(url, schema, number, counts))
                for number in range(asked.workers)
            ]
            for worker in workers:
                worker.start()
            READY.wait()
            begun = time.perf_counter()
            for worker in workers:
                worker.join()
            seconds = time.perf_counter() - begun
            rows = [row for lane in fleets for row in ledger.due_in(lane)]
            generations = {lane.generation for lane in ledger.lanes()}
        assert sum(counts) == asked.sites, list(counts)
        assert generations == {1}, generations
        assert len(rows) == 2 * asked.sites
        assert min(row.at for row in rows) > EVENING
        print(
            f"leased and acknowledged: {asked.sites:,} sites in {asked.lanes} lanes by {asked.workers} "
            f"workers in {seconds:.1f} s ({', '.join(f'{count:,}' for count in counts)}); every site once"
        )
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            [[fsync]] = connection.execute("SHOW fsync").fetchall()
            connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
        print(f"fsync {fsync}")


if __name__ == "__main__":
    main()
