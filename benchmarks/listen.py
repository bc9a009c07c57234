"""What the webhook receiver promises, and how fast it is.

    python benchmarks/listen.py --deliveries 10000 --kill    good, repeated, reordered and bad deliveries, and
                                                             a SIGKILL of the receiver when half are answered
    python benchmarks/listen.py --speed [--rate 1000]        deliveries a second and the time to the answer

Speed is measured on real sockets with keep-alive connections, against three servers in turn, each a process
on one core, the senders on another where there are two: the receiver (signature, JSON, an fsync'd commit
before each answer), a bare waitress that answers 200 to everything, and a waitress that commits each event by
itself. Each is driven as fast as it goes, then at --rate; at a rate the time counts from when a delivery was
due, so that a server that falls behind cannot hide it. The round of median speed counts.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.listening.process import Connection, Listener
from tests.listening.storm import app, run

BARE = """
import logging, sys
from waitress import serve
logging.disable()
def app(environ, start_response):
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"received":true}']
serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=16, asyncore_use_poll=True, _quiet=True)
"""

ONE_BY_ONE = """
import logging, sqlite3, sys, threading
from waitress import serve
logging.disable()
book = sqlite3.connect(sys.argv[2], isolation_level=None, check_same_thread=False)
book.execute("PRAGMA journal_mode = WAL")
book.execute("PRAGMA synchronous = FULL")
book.execute("CREATE TABLE events (body BLOB)")
lock = threading.Lock()
def app(environ, start_response):
    body = environ["wsgi.input"].read()
    with lock:
        book.execute("INSERT INTO events VALUES (?)", (body,))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"received":true}']
serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=16, asyncore_use_poll=True, _quiet=True)
"""


@dataclass(frozen=True)
class Figures:
    """Deliveries a second, and the time to the answer in milliseconds."""

    rate: float
    p50: float
    p99: float
    worst: float


def percentile(values: list[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie (nearest rank)."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def drive(port: int, requests: list[bytes], connections: int, rate: float | None) -> Figures:
    """Send ``requests`` on ``connections`` at once; ``rate`` a second in all, as fast as it goes for None."""
    seconds: list[list[float]] = [[] for _ in range(connections)]
    pause = 0.0 if rate is None else connections / rate
    began = time.perf_counter() + 0.2

    def client(number: int) -> None:
        connection = Connection(port)
        for turn, sent in enumerate(requests[number::connections]):
            due = began + pause * (turn + number / connections) if pause else time.perf_counter()
            time.sleep(max(0.0, due - time.perf_counter()))
            status = connection.send(sent)
            assert status == 200, status
            seconds[number].append(time.perf_counter() - due)
        connection.close()

    clients = [threading.Thread(target=client, args=(number,)) for number in range(connections)]
    began_all = time.perf_counter()
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    took = time.perf_counter() - (began if pause else began_all)
    found = [1000 * each for some in seconds for each in some]
    return Figures(len(found) / took, percentile(found, 0.5), percentile(found, 0.99), max(found))


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Processes started inside run on one core, where there are several."""
    if (os.cpu_count() or 1) < 2:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def plain(program: str, folder: Path) -> Iterator[int]:
    """One of the small servers above, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with on_core(0):
        process = subprocess.Popen([sys.executable, "-c", program, str(port), str(folder / f"{port}.db")])
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def receiver(folder: Path) -> Iterator[int]:
    """``reconciler listen`` with consumers that log."""
    listener = Listener(folder / "project")
    with on_core(0):
        listener.start()
    try:
        yield listener.port
    finally:
        listener.stop()


def median(figures: list[Figures]) -> Figures:
    """The figures of the round of median speed; of equal ones, of median p99."""
    return sorted(figures, key=lambda each: (round(each.rate), each.p99))[len(figures) // 2]


def speed(count: int, rate: float, connections: int, rounds: int) -> None:
    servers: dict[str, Callable[[Path], object]] = {
        "bare waitress": lambda folder: plain(BARE, folder),
        "a commit each": lambda folder: plain(ONE_BY_ONE, folder),
        "reconciler listen": receiver,
    }
    measured: dict[str, dict[str, list[Figures]]] = {name: {} for name in servers}
    for name, server in [*servers.items()] * rounds:
        with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as port:  # type: ignore[attr-defined]
            now = time.time()
            drive(port, [app(f"warm-{number}", now) for number in range(200)], connections, None)
            flat_out = [app(f"a-{number}", now) for number in range(count)]
            paced = [app(f"b-{number}", now) for number in range(count)]
            for how, requests, pace in (("flat out", flat_out, None), (f"at {rate:g}/s", paced, rate)):
                measured[name].setdefault(how, []).append(drive(port, requests, connections, pace))
    found = {name: {how: median(each) for how, each in figures.items()} for name, figures in measured.items()}
    print(f"{'server':20} {'driven':>10} {'a second':>9} {'p50 ms':>8} {'p99 ms':>8} {'worst':>8}")
    for name, figures in found.items():
        for how, each in figures.items():
            print(f"{name:20} {how:>10} {each.rate:9.0f} {each.p50:8.1f} {each.p99:8.1f} {each.worst:8.1f}")
    ours, bare = found["reconciler listen"]["flat out"], found["bare waitress"]["flat out"]
    single = found["a commit each"]["flat out"]
    print(
        f"reconciler listen: {ours.rate / bare.rate:.2f} of a bare waitress, "
        f"{ours.rate / single.rate:.2f} of a commit each"
    )


def promises(count: int, *, kill: bool, seed: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        told = run(Path(folder) / "project", count, kill=kill, seed=seed)
        took = time.monotonic() - began
    answers = told.answers
    print(f"{count} deliveries in {took:.1f} s{', the receiver killed when half were answered' * kill}")
    print(f"answered: {json.dumps(dict(sorted(answers.answered.items())))}; cut off and sent again: "
          f"{answers.unanswered}")  # fmt: skip
    print(f"good events: {told.events}; new in the ledger: {told.received}; repeated: {told.repeated}")
    print(f"handled again after the kill, marked as attempt 2 or later: {told.handled_again}")
    print(f"refused, by reason, as the ledger counts: {json.dumps(dict(sorted(told.counted.items())))}")
    print("\n".join(told.faults) or "no event lost, none settled twice, every bad one refused and counted")
    return not told.faults


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deliveries", type=int, default=10_000)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    if asked.speed:
        speed(asked.deliveries, asked.rate, asked.connections, asked.rounds)
    elif not promises(asked.deliveries, kill=asked.kill, seed=asked.seed):
        sys.exit(1)


if __name__ == "__main__":
    main()
