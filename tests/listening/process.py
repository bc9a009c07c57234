"""``reconciler listen`` in a process of its own, and connections to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from reconciler.ledger import Ledger

APP_SECRET = "whsec_app_example_0001"
PARTNER_SECRET = "whsec_partner_example_0001"
STEP = "b1946ac92492d2347c6235b4d2611184"
SECRETS = {
    "APP_SECRET": APP_SECRET,
    "OLD_SECRET": "the one before",
    "PARTNER_SECRET": PARTNER_SECRET,
    "STEP": STEP,
}
"""What reconciler.yaml refers to, as environment variables."""

PATIENCE = 60.0
"""Seconds for one delivery to be answered, and for the last event to be handed on."""

MANIFEST = """\
kind: webhook
id: arming-feed
url: https://hooks.example.com/arming
events: [site.armed]
secret: {env: PARTNER_SECRET}
"""

SETTINGS = """\
version: 1
listen:
  address: 127.0.0.1:PORT
  endpoints:
    app:
      path: /app
      system: app
      secrets: [{env: APP_SECRET}, {env: OLD_SECRET}]
      consumers: {log: {log: true}}
    partner: {path: /partner, system: partner, webhook: arming-feed, consumers: {log: {log: true}}}
    dealer:
      path: /dealer
      system: dealer
      secret_path: {env: STEP}
      consumers:
        log: {log: true}
        command:
          command: [/bin/sh, -c, 'echo "$RECONCILER_EVENT_ID $RECONCILER_ATTEMPT" >> "$SEEN"']
          parallel: 4
"""


class Listener:
    """``reconciler listen`` in a process of its own, on a port that stays the same from start to start."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        (directory / "webhook.yaml").write_text(MANIFEST, encoding="utf-8")
        text = SETTINGS.replace("PORT", str(self.port))
        (directory / "reconciler.yaml").write_text(text, encoding="utf-8")
        self.directory = directory
        self.ledger = directory / ".reconciler" / "ledger.db"
        self.out = directory / "out.jsonl"
        self.err = directory / "err.txt"
        self.seen = directory / "seen.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        env = {**os.environ, **SECRETS, "SEEN": str(self.seen), "HOME": str(self.directory)}
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "reconciler", "listen", str(self.directory)],
                env=env,
                stdout=out,
                stderr=err,
            )
        until = time.monotonic() + PATIENCE
        while not self._answers():
            assert self.process.poll() is None, self.err.read_text(encoding="utf-8")
            assert time.monotonic() < until, "it does not listen"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL: nothing after this line runs."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def settle(self) -> None:
        """Wait until every consumer has taken every event."""
        until = time.monotonic() + PATIENCE
        with Ledger.open(self.ledger, "embedded") as ledger:
            while ledger.delivery_figures().unsettled:
                assert time.monotonic() < until, ledger.delivery_figures().unsettled
                time.sleep(0.05)


class Connection:
    """One keep-alive connection that sends whole requests."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, sent: bytes) -> int:
        """The status of the answer. Raises OSError where none came; the next call connects anew."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), 30)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(sent)
            return self._answer(self._socket)
        except OSError:
            self.close()
            raise

    def _answer(self, stream: socket.socket) -> int:
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._more(stream)
        head, _, body = answer.partition(b"\r\n\r\n")
        fields = head.lower().split(b"\r\n")
        length = next(int(each[15:]) for each in fields if each.startswith(b"content-length:"))
        while len(body) < length:
            body += self._more(stream)
        if b"connection: close" in fields:
            self.close()
        return int(head[9:12])

    def _more(self, stream: socket.socket) -> bytes:
        data = stream.recv(65536)
        if not data:
            raise ConnectionResetError("closed before the answer")
        return data

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
