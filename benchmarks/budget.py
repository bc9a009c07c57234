"""How close several processes come to the allowed rate, and how often the server refuses them.

    python benchmarks/budget.py [--surface partner|dealer] [--processes 4] [--threads 4] [--seconds 20]

Real clients in real processes share one budget and send lists as fast as they may to a server on
loopback, which refuses with 429 what exceeds a token bucket of the documented size. Printed: requests
accepted, what the limit allowed in that time, their ratio (goal: at least 97 %), and the 429s (goal: 0).
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from reconciler.chekt import DOCUMENTED_RATES, ClientSecret, Connection, DealerKeys, Rate, connect
from reconciler.kinds.surfaces import surfaces
from reconciler.model import Surface
from reconciler.redaction import Redactor

_TOKEN = b'{"access_token": "benchmark-token", "expires_in": 3600}'


class Limit:
    """A token bucket as the documents describe it, and what became of the requests."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.accepted = self.refused = 0
        self.first = self.last = 0.0
        self._tokens, self._at = float(rate.burst), 0.0
        self._lock = threading.Lock()

    def take(self) -> tuple[bool, int]:
        """Whether the request is allowed, and the tokens left."""
        with self._lock:
            now = time.monotonic()
            self.first = self.first or now
            gained = (now - self._at) * self.rate.per_minute / 60
            self._tokens, self._at, self.last = min(self.rate.burst, self._tokens + gained), now, now
            if self._tokens < 1:
                self.refused += 1
                return False, 0
            self._tokens -= 1
            self.accepted += 1
            return True, int(self._tokens)

    @property
    def allowed(self) -> float:
        """What a client that never errs could have sent between the first and the last request."""
        return self.rate.burst + (self.last - self.first) * self.rate.per_minute / 60


class Server(ThreadingHTTPServer):
    """Answers every list with an empty array, within the limit; ``headers``: whether it states the limit."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, limit: Limit, *, headers: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.limit = limit
        self.states_limit = headers


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(200, _TOKEN, {})

    def do_GET(self) -> None:
        allowed, remaining = self.server.limit.take()
        stated = {"X-RateLimit-Limit": str(self.server.limit.rate.per_minute)}
        stated["X-RateLimit-Remaining"] = str(remaining)
        headers = stated if self.server.states_limit else {}
        if allowed:
            self._answer(200, b"[]", headers)
        else:
            self._answer(429, b'{"message": "rate limit"}', {**headers, "Retry-After": "1"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silence: the figures are printed at the end."""


def spend(url: str, surface: Surface, folder: str, threads: int, end: float) -> None:
    """Send lists from ``threads`` threads until ``end`` (Unix seconds)."""
    partner = ClientSecret(f"{url}/oauth/token", "benchmark", "benchmark", "benchmark-secret")
    credentials = partner if surface == "partner" else DealerKeys("benchmark-key")
    connection = Connection(url, surface, credentials, state_dir=Path(folder))

    def send(_: int) -> None:
        while time.time() < end:
            client.list("contact", ("1", "1"))

    with (
        connect(connection, surfaces(surface, sandbox=True), redactor=Redactor()) as client,
        ThreadPoolExecutor(threads) as pool,
    ):
        list(pool.map(send, range(threads)))


def main() -> int:
    """Run and print; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--surface", choices=("partner", "dealer"), default="partner")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--without-headers", action="store_true", help="the server does not state its limit")
    chosen = parser.parse_args()
    limit = Limit(DOCUMENTED_RATES[chosen.surface])
    server = Server(limit, headers=not chosen.without_headers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        end = time.time() + chosen.seconds
        workers = [
            context.Process(target=spend, args=(url, chosen.surface, folder, chosen.threads, end))
            for _ in range(chosen.processes)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    server.shutdown()
    share = limit.accepted / limit.allowed
    print(f"surface {chosen.surface}: {limit.rate.per_minute} a minute, burst {limit.rate.burst}")
    print(f"{chosen.processes} processes x {chosen.threads} threads, {limit.last - limit.first:.1f} s")
    print(f"accepted {limit.accepted} of {limit.allowed:.0f} allowed: {share:.1%}")
    print(f"429s: {limit.refused}")
    return 0 if share >= 0.97 and limit.refused == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
