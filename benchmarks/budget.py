"""How close clients come to the allowed rate, and how often the server refuses them.

    python benchmarks/budget.py [--surface partner|dealer] [--processes 3] [--threads 8] [--seconds 120]
        [--without-headers] [--halve-after 60] [--ledger postgresql]

Real clients in real processes share one budget, in a folder or, as machines do, in a PostgreSQL server, and
send lists as fast as they may to the sandbox on a port, which refuses with 429 what exceeds the documented
limits. Printed: requests accepted, what the limits allowed in that time, their ratio (goal: at least 97 %),
and the 429s (goal: 0; 1 with ``--halve-after``, which halves the limits in the middle, without a word but in
the 429 itself).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reconciler.chekt import DOCUMENTED_RATES, ClientSecret, Connection, DealerKeys, connect
from reconciler.kinds.surfaces import surfaces
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_shelf import PostgresShelf
from reconciler.model import Surface
from reconciler.redaction import Redactor
from reconciler.sandbox import (
    AUDIENCE,
    CLIENT_ID,
    CLIENT_SECRET,
    DEALER_ID,
    RequestRecord,
    Sandbox,
    Switches,
    dealer_key,
    serve,
)
from tests.postgresql import join


def spend(url: str, surface: Surface, folder: str, threads: int, end: float, ledger: str) -> None:
    """Send lists from ``threads`` threads until ``end`` (Unix seconds)."""
    partner = ClientSecret(f"{url}/oauth/token", AUDIENCE, CLIENT_ID, CLIENT_SECRET)
    credentials = partner if surface == "partner" else DealerKeys(dealer_key(DEALER_ID))
    shared = PostgresShelf(Place(join(Path(folder)).url, "budget")) if ledger == "postgresql" else None
    connection = Connection(url, surface, credentials, state_dir=Path(folder), shelf=shared)

    def send(_: int) -> None:
        while time.time() < end:
            client.list("site", (str(DEALER_ID),))

    with (
        connect(connection, surfaces(surface, sandbox=True), redactor=Redactor()) as client,
        ThreadPoolExecutor(threads) as pool,
    ):
        list(pool.map(send, range(threads)))


def phase(records: list[RequestRecord], per_minute: int, burst: int) -> tuple[float, int]:
    """Share of the allowed requests that were accepted, and how many were refused."""
    seconds = (records[-1].at - records[0].at).total_seconds()
    allowed = burst + seconds * per_minute / 60
    refused = sum(record.status == 429 for record in records)
    accepted = len(records) - refused
    print(
        f"  limit {per_minute} a minute, {burst} a second, {seconds:.1f} s: accepted {accepted} "
        f"of {allowed:.0f} allowed: {accepted / allowed:.1%}; 429s: {refused}"
    )
    return accepted / allowed, refused


def main() -> int:
    """Run and print; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--surface", choices=("partner", "dealer"), default="partner")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--without-headers", action="store_true", help="only a 429 states the limit")
    parser.add_argument("--ledger", choices=("file", "postgresql"), default="file")
    parser.add_argument("--halve-after", type=float, metavar="SECONDS", help="halve the limits then")
    chosen = parser.parse_args()
    rate = DOCUMENTED_RATES[chosen.surface]
    sandbox = Sandbox(switches=Switches(rate_headers=not chosen.without_headers))
    context = multiprocessing.get_context("spawn")

    def halve() -> None:
        sandbox.switches = sandbox.switches.changed(
            {f"{chosen.surface}_per_minute": rate.per_minute // 2, f"{chosen.surface}_burst": rate.burst // 2}
        )

    print(
        f"{chosen.surface}: {chosen.processes} processes x {chosen.threads} threads; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    with serve(sandbox, threads=16) as server, tempfile.TemporaryDirectory() as folder:
        end = time.time() + chosen.seconds
        workers = [
            context.Process(
                target=spend, args=(server.url, chosen.surface, folder, chosen.threads, end, chosen.ledger)
            )
            for _ in range(chosen.processes)
        ]
        for worker in workers:
            worker.start()
        changed_at = None
        if chosen.halve_after is not None:
            time.sleep(chosen.halve_after)
            halve()
            changed_at = sandbox.clock.now()
        for worker in workers:
            worker.join()
        records = [record for record in sandbox.requests() if record.path != "/oauth/token"]
    parts = [
        phase([r for r in records if changed_at is None or r.at < changed_at], rate.per_minute, rate.burst)
    ]
    if changed_at is not None:
        after = [record for record in records if record.at >= changed_at]
        parts.append(phase(after, rate.per_minute // 2, rate.burst // 2))
    met = all(share >= 0.97 for share, _ in parts)
    refused = sum(refused for _, refused in parts)
    return 0 if met and refused <= (changed_at is not None) else 1


if __name__ == "__main__":
    sys.exit(main())
