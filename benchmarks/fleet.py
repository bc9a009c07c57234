"""How late a fleet's commands leave when every dealer's sites change at one instant.

    python benchmarks/fleet.py                          2,000 sites, 100 dealers, one worker and then four
    python benchmarks/fleet.py --sites 400 --lanes 20 --workers 1

A sandbox on a socket, workers in processes of their own, a PostgreSQL server of its own. Every site is armed
at one full minute. A dealer key has CHeKT's documented limits (1,000 requests a minute, 100 at once) with
``--scale`` in place of them: slower by that factor, so that a small machine can play a hundred dealers at
once, and the limit, not the machine, says when a command may leave.

The bound of a command is the earliest instant at which its key's limit lets as many requests leave as its key
has seen since the minute, its own the last. Told are lateness and bound as percentiles, how far the first is
above the second, and answers 429, of which there must be none.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from reconciler import sandbox as simulator
from reconciler.ledger import Ledger
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_store import PostgresStore
from tests.postgresql import Server, join

PER_MINUTE, BURST = 1000, 100
"""What CHeKT documents for a dealer key (chekt-api/README.md section 3.6)."""

NOTICE = 25.0
"""Seconds before the minute at which everything is ready: lanes are taken up 20 s ahead."""

PATIENCE = 120.0
"""Seconds beyond the bound of the last command after which nothing more comes."""

REQUESTS_A_SITE = 4
"""A look, a command and looks back, at most."""

FIRST = 20000


def key_of(lane: int) -> str:
    return f"KEY_{lane}"


def write_project(directory: Path, url: str, ledger: str, asked: argparse.Namespace, arm: datetime) -> None:
    directory.mkdir()
    keys = ", ".join(f"d{n}: {{api_key: {{env: {key_of(n)}}}}}" for n in range(asked.lanes))
    rate = f"{{per_minute: {asked.per_minute}, burst: {asked.burst}}}"
    (directory / "reconciler.yaml").write_text(
        f"version: 1\nledger: {ledger}\nenvironments:\n"
        f"  real: {{base_url: '{url}', surface: dealer, rate: {rate}, dealers: {{{keys}}}}}\n"
    )
    other = arm + timedelta(hours=6)
    window = f"{{days: [mon, tue, wed, thu, fri, sat, sun], arm: '{arm:%H:%M}', disarm: '{other:%H:%M}'}}"
    documents = [f"kind: schedule\nid: all\nwindows: [{window}]\n"]
    for n in range(asked.lanes):
        documents.append(f"kind: dealer\nid: d{n}\ndealer_id: {FIRST + n}\n")
        documents += [
            f"kind: site\nid: s{m}\ndealer: d{n}\nname: Site {m}\ntimezone: UTC\narming: {{schedule: all}}\n"
            for m in range(asked.sites // asked.lanes)
        ]
    (directory / "sites.yaml").write_text("---\n".join(documents))


def bound(requests: int, asked: argparse.Namespace) -> float:
    """Seconds after which a key that was idle has let ``requests`` leave."""
    return max(0.0, (requests - asked.burst) * 60 / asked.per_minute)


def percentile(values: list[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie (nearest rank)."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def one_run(asked: argparse.Namespace, workers: int, server: Server) -> None:
    switches = simulator.Switches(dealer_per_minute=asked.per_minute, dealer_burst=asked.burst)
    app = simulator.Sandbox(switches=switches)
    for n in range(asked.lanes):
        named = [{"external_id": f"s{m}", "name": f"Site {m}"} for m in range(asked.sites // asked.lanes)]
        app.seed_dealer(FIRST + n, f"d{n}")
        app.set_up(FIRST + n, {"sites": named})
    schema = server.schema()
    url = f"{server.url}&schema={schema}"
    with tempfile.TemporaryDirectory() as folder, simulator.serve(app, threads=16) as served:
        ready = datetime.now(tz=UTC) + timedelta(seconds=NOTICE + 60)
        due = ready.replace(second=0, microsecond=0)
        directory = Path(folder) / "project"
        write_project(directory, served.url, url, asked, due)
        keys = {key_of(n): simulator.dealer_key(FIRST + n) for n in range(asked.lanes)}
        env = {**os.environ, **keys, "XDG_STATE_HOME": folder}
        program = [sys.executable, "-m", "reconciler"]
        crew = [
            subprocess.Popen(
                [*program, "worker", "--ledger", url, "--name", f"w{n}", "--lanes", str(asked.lanes)],
                env=env,
                stderr=subprocess.DEVNULL,
            )
            for n in range(workers)
        ]
        try:
            force = [*program, "enforce", str(directory), "--env", "real", "--fleet", "--once"]
            subprocess.run([*force, "--horizon", "1s"], env=env, capture_output=True, check=False)
            ends = due + timedelta(
                seconds=PATIENCE + bound(REQUESTS_A_SITE * asked.sites // asked.lanes, asked)
            )
            rows = awaited(PostgresStore(Place(server.url, schema), "real", {}), due, asked.sites, ends)
        finally:
            for each in crew:
                each.terminate()
            for each in crew:
                each.wait(60)
        log = app.requests()
    app.close()
    late, bounds = [row[1] for row in rows], bounds_of(log, due, asked)
    refused = sum(record.status == 429 for record in log)
    sent = sum(record.at >= due for record in log)
    print(f"{workers} workers: {len(rows)} of {asked.sites} commands, {sent} requests, {refused} answers 429")
    if not rows:
        return
    for name, share in (("median", 0.5), ("p99", 0.99), ("last", 1.0)):
        found, least = percentile(late, share), percentile(bounds, share)
        above = f", {found / least - 1:+.1%}" if least else ""
        print(f"  {name}: {found:.3f} s late, bound {least:.3f} s{above}")


def awaited(store: PostgresStore, due: datetime, count: int, ends: datetime) -> list[tuple[str, float]]:
    """Lane and lateness of every command of ``due``, once there are ``count``, at ``ends`` at the latest."""
    with Ledger(store.database()) as ledger:
        while True:
            rows = [
                (row.target.path[0], row.lateness)
                for row in ledger.commands()
                if row.due == due and row.result not in ("held", "respected")
            ]
            if len(rows) >= count or datetime.now(tz=UTC) > ends:
                return rows
            time.sleep(2)


def bounds_of(log: list[simulator.RequestRecord], due: datetime, asked: argparse.Namespace) -> list[float]:
    """The bound of every command in ``log`` since ``due``."""
    seen: dict[str | None, int] = defaultdict(int)
    found = []
    for record in log:
        if record.at < due:
            continue
        seen[record.credential] += 1
        if record.method == "POST" and "/actions/" in record.path:
            found.append(bound(seen[record.credential], asked))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=2000)
    parser.add_argument("--lanes", type=int, default=100)
    parser.add_argument("--scale", type=float, default=20.0)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 4])
    asked = parser.parse_args()
    asked.per_minute = round(PER_MINUTE / asked.scale)
    asked.burst = max(1, round(BURST / asked.scale))
    print(
        f"{asked.sites} sites, {asked.lanes} dealer keys, each {asked.per_minute} requests a minute, "
        f"{asked.burst} at once"
    )
    with tempfile.TemporaryDirectory() as shared:
        server = join(Path(shared))
        for workers in asked.workers:
            one_run(asked, workers, server)


if __name__ == "__main__":
    main()
