"""Workers under random faults: what is lost, contrary or done twice, how long a lane is without a worker.

    python benchmarks/fleet_chaos.py                       four workers, five minutes, a seed of now
    python benchmarks/fleet_chaos.py --minutes 60 --seed 7

Every site is armed and disarmed in turn, minute by minute, while workers are killed and started anew, or
paused, for less and for more than a lease; while the ledger's server crashes and starts again, or loses its
connections; and while the account answers 503, or its answers to commands get lost. All is drawn from the
seed; when it strikes is up to the machine. Then nothing strikes any more for two minutes. Counted from the
sandbox's log of requests, its states and the ledger's record:

- lost: sites that are not as wanted at the end, and commands carried out that no row tells of;
- contrary: commands carried out that the schedule did not want when they came;
- double: commands carried out a second time in one period, such as a retry after one that did not show;
- overlaps: requests of one worker's turn in a lane after the first one of the next turn. A worker that is
  paused between its last look at the lease and the socket lets a read out when it wakes; of a command only
  the head, since it looks once more before the body;
- missed: periods of a site in which its state was not reached, which faults may explain;
- take-over: from a worker's kill to another one's taking of a lane it had.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

from reconciler.errors import LedgerError
from reconciler.ledger import CommandRecord, LaneRow
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_store import PostgresStore
from reconciler.sandbox import Fault, RequestRecord, Sandbox, Switches, dealer_key, serve
from tests.postgresql.keeper import make, start, stop

ROOT = Path(__file__).parents[1]
DEALERS = {f"d{number}": 12341 + number for number in range(6)}
SITES = 8
MINUTE = timedelta(minutes=1)
ARRIVING = timedelta(seconds=2)
"""A command that left in time may arrive this much later."""

QUIET = 2
"""Minutes without faults at the end."""

COMMAND = "/ext/.*/actions/(arm|disarm)"
ANSWER_FAULTS: tuple[Literal["status", "drop"], ...] = ("status", "drop")


def manifests(hours: int) -> str:
    """Armed in even minutes, disarmed in odd ones, for so many hours from this one on."""
    now = datetime.now(tz=UTC).hour
    windows = ", ".join(
        f"{{days: [mon, tue, wed, thu, fri, sat, sun], arm: '{hour:02d}:{minute:02d}',"
        f" disarm: '{hour:02d}:{minute + 1:02d}', mode: away}}"
        for hour in sorted({(now + ahead) % 24 for ahead in range(min(24, hours))})
        for minute in range(0, 60, 2)
    )
    parts = [f"kind: schedule\nid: turns\nwindows: [{windows}]\n"]
    for dealer, number in DEALERS.items():
        parts.append(f"kind: dealer\nid: {dealer}\ndealer_id: {number}\n")
        parts += [
            f"kind: site\nid: s{site}\ndealer: {dealer}\nname: Site {site}\nexternal_id: {dealer}-s{site}\n"
            "timezone: UTC\narming: {schedule: turns}\n"
            for site in range(SITES)
        ]
    return "---\n".join(parts)


def wanted(at: datetime) -> str:
    return "arm" if at.minute % 2 == 0 else "disarm"


@dataclass
class Worker:
    """One process, and where it writes what it says."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def name(self) -> str | None:
        said = self.output.read_text(encoding="utf-8").split(maxsplit=2)
        return said[1] if len(said) > 2 else None


@dataclass
class Arena:
    """Everything that can be struck, and what was noted on the way."""

    directory: Path
    room: Path
    server: subprocess.Popen[bytes]
    sandbox: Sandbox
    draw: random.Random
    size: int
    workers: list[Worker] = field(default_factory=list)
    ended: list[Worker] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)
    kills: list[tuple[datetime, list[str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"postgresql://reconciler@/postgres?host={self.room / 'run'}"

    @property
    def store(self) -> PostgresStore:
        return PostgresStore(Place(self.url, "ledger"), "far", {})

    def lanes(self) -> list[LaneRow]:
        with self.store.open() as ledger:
            return ledger.lanes()

    def begin_worker(self) -> None:
        output = self.directory / f"worker{len(self.workers) + len(self.ended)}.log"
        keys = {f"KEY_{dealer}": dealer_key(number) for dealer, number in DEALERS.items()}
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.fleet.worker", self.directory / "p", self.url, "ledger"],
                env={**os.environ, **keys, "HOME": str(self.directory), "RECONCILER_ENV": "far"},
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.workers.append(Worker(process, output))

    def kill(self) -> None:
        worker = self.draw.choice(self.workers)
        lanes: list[str] = []
        with suppress(LedgerError):
            lanes = [lane.lane for lane in self.lanes() if lane.holder == worker.name]
        worker.process.kill()
        self.kills.append((datetime.now(tz=UTC), lanes))
        worker.process.wait()
        self.workers.remove(worker)
        self.ended.append(worker)
        self.begin_worker()

    def pause(self) -> None:
        worker = self.draw.choice(self.workers)
        worker.process.send_signal(signal.SIGSTOP)
        time.sleep(self.draw.choice((0.5, 2, 5, 8)))
        worker.process.send_signal(signal.SIGCONT)

    def crash_ledger(self) -> None:
        self.server.send_signal(signal.SIGQUIT)
        self.server.wait()
        time.sleep(self.draw.uniform(0, 3))
        self.server = start(self.room)

    def cut_ledger(self) -> None:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND application_name = 'reconciler'"
            )

    def refuse_reads(self) -> None:
        count = self.draw.randint(1, 40)
        self.sandbox.add_fault(Fault("status", "GET", "/ext/.*", status=503, seconds=0, count=count))

    def lose_answers(self) -> None:
        """Commands are carried out, and nobody hears of it."""
        action = self.draw.choice(ANSWER_FAULTS)
        count = self.draw.randint(1, 20)
        self.sandbox.add_fault(
            Fault(action, "POST", COMMAND, status=503, seconds=0, count=count, when="after")
        )

    def states(self) -> dict[str, str]:
        """The true state of every site."""
        import httpx

        from reconciler.sandbox import transport

        with httpx.Client(transport=transport(self.sandbox), base_url="http://sandbox.localhost") as http:
            numbers = {
                each.path.split("/")[4]: each.path
                for each in self.sandbox.requests()
                if "/arming" in each.path
            }
            return {
                number: http.get(f"/sim/v0/sites/{number}/arming").json()[0]["state"] for number in numbers
            }

    def strike(self) -> None:
        """One fault."""
        kinds = (self.kill, self.kill, self.pause, self.pause, self.crash_ledger, self.cut_ledger)
        chosen = self.draw.choice((*kinds, self.refuse_reads, self.lose_answers))
        self.struck[chosen.__name__] += 1
        chosen()


@contextmanager
def arena(draw: random.Random, size: int, hours: int) -> Iterator[Arena]:
    """Workers at work on every lane, nothing struck yet."""
    with ExitStack() as stack:
        room = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        stack.callback(shutil.rmtree, room)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make(room)
        sandbox = Sandbox(":memory:", switches=Switches(rate_limits=False, arming_delay=0.3))
        stack.callback(sandbox.close)
        for dealer, number in DEALERS.items():
            sandbox.seed_dealer(number, None)
            named = [{"external_id": f"{dealer}-s{site}", "name": f"Site {site}"} for site in range(SITES)]
            sandbox.set_up(number, {"sites": named})  # type: ignore[dict-item]
        (directory / "p").mkdir()
        (directory / "p" / "all.yaml").write_text(manifests(hours), encoding="utf-8")
        made = Arena(directory, room, start(room), sandbox, draw, size)
        stack.callback(lambda: stop(made.server))
        server = stack.enter_context(serve(sandbox, threads=16))
        keys = ", ".join(f"{dealer}: {{api_key: {{env: KEY_{dealer}}}}}" for dealer in DEALERS)
        (directory / "p" / "reconciler.yaml").write_text(
            f"version: 1\nenvironments: {{far: {{surface: dealer, base_url: '{server.url}',"
            f" dealers: {{{keys}}}}}}}\n",
            encoding="utf-8",
        )
        with made.store.open() as ledger:
            ledger.declare_lanes(list(DEALERS), datetime.now(tz=UTC))
        stack.callback(lambda: [worker.process.kill() for worker in made.workers])
        for _ in range(size):
            made.begin_worker()
        while not all(lane.generation for lane in made.lanes()):
            time.sleep(0.2)
        yield made


def carried_out(requests: list[RequestRecord]) -> list[RequestRecord]:
    """The commands that took effect: what strikes them strikes after that, and a replay has none."""
    return [
        each
        for each in requests
        if re.fullmatch(COMMAND, each.path)
        and not each.replayed
        and (200 <= each.status < 300 or each.fault in ANSWER_FAULTS)
    ]


def period(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def contrary(command: RequestRecord) -> bool:
    action = command.path.rpartition("/")[2]
    return action not in (wanted(command.at), wanted(command.at - ARRIVING))


def overlaps(requests: list[RequestRecord]) -> list[RequestRecord]:
    """Requests of a turn after the first one of the turn that followed, by lane.

    What was struck before the account knew the caller is of the lane that the others of its turn are of.
    """
    lanes = {each.trace_id: each.credential for each in requests if each.credential is not None}
    turns: dict[str, list[str | None]] = {}
    found = []
    for each in requests:
        lane = lanes.get(each.trace_id)
        if lane is None or not each.path.startswith("/ext/"):
            continue
        seen = turns.setdefault(lane, [])
        if each.trace_id in seen[:-1]:
            found.append(each)
        elif not seen or seen[-1] != each.trace_id:
            seen.append(each.trace_id)
    return found


def take_overs(place: Arena) -> list[float]:
    """Seconds from each kill to the taking, by another worker, of each lane that was held."""
    takings = []
    for worker in (*place.workers, *place.ended):
        for line in worker.output.read_text(encoding="utf-8").splitlines():
            found = re.match(r"(\S+) \S+ takes (\S+) in generation", line)
            if found is not None:
                takings.append((datetime.fromisoformat(found[1]), found[2]))
    seconds = []
    for at, lanes in place.kills:
        for lane in lanes:
            later = [taken for taken, taking in takings if taking == lane and taken > at]
            if later:
                seconds.append((min(later) - at).total_seconds())
    return sorted(seconds)


def report(place: Arena, rows: list[CommandRecord], begun: datetime) -> int:
    """Print the counts; how many things there are that must not be."""
    requests = place.sandbox.requests()
    commands = carried_out(requests)
    against = [each for each in commands if contrary(each)]
    times = Counter((each.path, period(each.at)) for each in commands)
    double = sum(count - 1 for count in times.values())
    now = datetime.now(tz=UTC)
    state = {"arm": "armed_away", "disarm": "disarmed"}[wanted(now)]
    off = [name for name, found in place.states().items() if found != state]
    told = sum(row.result in ("confirmed", "unknown", "unconfirmed") for row in rows)
    untold = max(0, len(commands) - told)
    sites = len(DEALERS) * SITES
    first, last = period(begun) + MINUTE, period(now)
    periods = int((last - first) / MINUTE)
    reached = {(each.path, period(each.at)) for each in commands if first <= each.at < last}
    missed = periods * sites - len(reached)
    seconds = take_overs(place)
    crossing = overlaps(requests)
    reads = sum(each.method == "GET" for each in crossing)
    print(f"faults: {', '.join(f'{count} {name}' for name, count in sorted(place.struck.items()))}")
    print(
        f"{len(commands)} commands carried out on {sites} sites, {len(requests)} requests, {len(rows)} rows"
    )
    print(f"lost: {len(off)} sites not as wanted at the end, {untold} commands without a row")
    print(f"contrary: {len(against)}; double: {double}; overlaps: {len(crossing)}, {reads} of them reads")
    print(f"missed: {missed} of {periods * sites} in {periods} whole minutes from {first:%H:%M} UTC on")
    if seconds:
        middle, worst = seconds[len(seconds) // 2], seconds[-1]
        print(f"take-over: {len(seconds)} lanes, median {middle:.1f} s, worst {worst:.1f} s")
    for each in crossing[:10]:
        print(f"  overlap: {each.method} {each.path} at {each.at}, {each.status}, trace {each.trace_id}")
    for each in against[:10]:
        print(f"  contrary: {each.path} at {each.at}")
    for name in off[:10]:
        print(f"  not as wanted: {name}")
    return len(off) + untold + len(against) + len(crossing) - reads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="of faults; some quiet ones follow")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--every", type=float, default=6.0, help="seconds between two faults, on average")
    parser.add_argument("--logs", type=Path, help="keep what the workers said in this folder")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    draw = random.Random(asked.seed)
    with arena(draw, asked.workers, hours=2 + int(asked.minutes / 60)) as place:
        begun = datetime.now(tz=UTC)
        until = time.monotonic() + 60 * asked.minutes
        while time.monotonic() < until:
            time.sleep(draw.expovariate(1 / asked.every))
            place.strike()
        place.sandbox.faults.clear()
        faults_end = datetime.now(tz=UTC)
        end = period(faults_end) + (QUIET + 1) * MINUTE - timedelta(seconds=10)
        time.sleep((end - faults_end).total_seconds())
        with place.store.open() as ledger:
            rows = ledger.commands()
        wrong = report(place, rows, begun)
        if asked.logs is not None:
            asked.logs.mkdir(parents=True, exist_ok=True)
            for worker in (*place.workers, *place.ended):
                shutil.copy(worker.output, asked.logs)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
