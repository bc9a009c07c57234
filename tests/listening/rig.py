"""A receiver on a real socket, and deliveries as CHeKT would send them."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from reconciler.ledger import Ledger
from reconciler.listening import Endpoint, Received, Receiver, Signing
from reconciler.listening.admission import Admission, Refusal
from reconciler.listening.endpoints import Network
from reconciler.listening.group_commit import GroupCommit
from reconciler.listening.server import Limits
from reconciler.listening.signatures import signature

SECRET = b"whsec_example_0001"

APP = Endpoint(
    "app-events",
    "/chekt/app",
    "app",
    Signing((SECRET,), "x-chekt-signature", "x-chekt-timestamp", ("hex",)),
    consumers=("first",),
)
PARTNER = Endpoint(
    "arming", "/chekt/arming", "partner", Signing((SECRET,), "x-webhook-signature", None, ("sha256_hex",))
)
DEALER = Endpoint("dealer", "/chekt/dealer/3f9c0a", "dealer")


def clock() -> datetime:
    return datetime.now(tz=UTC)


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return once ``condition`` holds; fail when it does not within ``seconds``."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)


def app_headers(body: bytes, *, secret: bytes = SECRET, at: float | None = None) -> dict[str, str]:
    """The headers of system A for ``body``."""
    stamp = str(int(time.time() if at is None else at))
    signed = signature(secret, stamp.encode() + b"." + body, "hex").decode()
    return {"X-CHeKT-Signature": signed, "X-CHeKT-Timestamp": stamp}


def app_event(event_id: str, event_type: str = "alarm.created", **data: Any) -> bytes:
    content = {"id": event_id, "type": event_type, "created_at": "2026-11-20T09:00:00Z", "data": data}
    return json.dumps(content).encode()


@dataclass
class Rig:
    """A running receiver: its ledger, and what it told of."""

    ledger: Ledger
    receiver: Receiver
    heard: list[Received] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    def send(
        self,
        path: str,
        body: bytes = b"{}",
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.receiver.port, timeout=10)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text.startswith(b"{") else {}
        finally:
            connection.close()

    def app(self, event_id: str, **data: Any) -> int:
        body = app_event(event_id, **data)
        return self.send(APP.path, body, app_headers(body))[0]

    def outcome(self, endpoint: str, name: str) -> int:
        return self.ledger.delivery_figures().outcomes.get((endpoint, "", name), 0)

    def __enter__(self) -> Self:
        return self


@contextmanager
def listening(
    path: Path | str = ":memory:",
    endpoints: Sequence[Endpoint] = (APP, PARTNER, DEALER),
    *,
    proxies: Sequence[Network] = (),
    limits: Limits | None = None,
) -> Iterator[Rig]:
    """A receiver of ``endpoints`` on a free port, its ledger at ``path``."""
    heard: list[Received] = []
    refused: list[Refusal] = []
    with Ledger.open(path, "dev") as ledger, GroupCommit(ledger, clock) as commits:
        receiver = Receiver(
            commits,
            Admission(endpoints, proxies),
            "127.0.0.1",
            0,
            clock,
            limits=limits or Limits(threads=4),
            heard=heard.append,
            refused=lambda refusal, _peer: refused.append(refusal),
        )
        with receiver:
            yield Rig(ledger, receiver, heard, refused)
