"""The receiver: takes deliveries on a port, and answers each once it is on disk.

Nothing is done with an event before its answer: whoever consumes it finds it in the ledger. A ledger that
cannot be written in time is answered 503, so that CHeKT tries again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from reconciler.errors import LedgerError
from reconciler.ledger import Delivery, Ledger
from reconciler.listening.admission import STATUSES, Admission, Reason, Refusal, Request, Unwanted
from reconciler.listening.endpoints import Endpoint, Received
from reconciler.listening.group_commit import Counts, GroupCommit, Outcome
from reconciler.listening.server import DEFAULT_LIMITS, Limits, Server

ANSWER_WITHIN = 4.0
"""Seconds that a delivery may wait for the disk: system B gives up after 5, A after 30."""

Heard = Callable[[Received], None]
Refused = Callable[[Refusal, str], None]

_JSON = [("Content-Type", "application/json")]


def _nobody(*_: object) -> None:
    """Hears of nothing."""


class Receiver:
    """Listens from ``__enter__`` to ``__exit__``, on threads of its own; ``url`` and ``port`` are known then.

    ``heard`` is told of every new event after its commit, on the committing thread: it must neither block
    nor raise. ``refused`` is told of every refusal and the address at the other end. What was answered 200
    is in the ledger; on exit what is under way is answered first.
    """

    def __init__(
        self,
        commits: GroupCommit,
        admission: Admission,
        host: str,
        port: int,
        clock: Callable[[], datetime],
        *,
        limits: Limits = DEFAULT_LIMITS,
        heard: Heard = _nobody,
        refused: Refused = _nobody,
    ) -> None:
        """``host``, ``port``: where to listen; port 0 takes a free one. Raises OSError where it is taken."""
        self._commits = commits
        self._admission = admission
        self._clock = clock
        self._heard = heard
        self._refused = refused
        self._server = Server(self, self._cut_off, host, port, limits)
        self.url = self._server.url
        self.port = self._server.port

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    def __call__(
        self, environ: Mapping[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
    ) -> Iterable[bytes]:
        """The WSGI application."""
        request = _request(environ)
        verdict = self._admission.judge(request, self._clock())
        if isinstance(verdict, tuple):
            verdict = self._keep(*verdict) or verdict
        elif isinstance(verdict, Unwanted):
            self._count(Outcome(verdict.endpoint, "", "unwanted"))
        if not isinstance(verdict, Refusal):
            start_response("200 OK", _JSON)
            return [b'{"received":true}']
        self._refuse(verdict, request.peer)
        extra = [("Allow", "POST")] if verdict.reason == "wrong_method" else []
        start_response(STATUSES[verdict.reason], [*_JSON, *extra])
        return [json.dumps({"error": verdict.reason}).encode()]

    def _keep(self, endpoint: Endpoint, delivery: Delivery) -> Refusal | None:
        """Wait until ``delivery`` is on disk; the refusal where that cannot be."""

        def receive(ledger: Ledger, counts: Counts) -> Received | None:
            number, new = ledger.receive(delivery, endpoint.consumers)
            counts[Outcome(endpoint.name, "", "received" if new else "repeated")] += 1
            return _received(number, endpoint, delivery) if new else None

        try:
            future = self._commits.submit(receive)
            future.add_done_callback(self._tell)
            future.result(ANSWER_WITHIN)
        except LedgerError as exc:
            return Refusal("ledger_unavailable", endpoint.name, exc.message)
        except TimeoutError:
            slow = f"it was not written within {ANSWER_WITHIN:g} s"
            return Refusal("ledger_unavailable", endpoint.name, slow)
        return None

    def _tell(self, future: Future[Received | None]) -> None:
        received = None if future.exception() is not None else future.result()
        if received is not None:
            self._heard(received)

    def _refuse(self, refusal: Refusal, peer: str) -> None:
        self._refused(refusal, peer)
        self._count(Outcome(refusal.endpoint, "", refusal.reason))

    def _count(self, outcome: Outcome) -> None:
        """Count, and wait for the disk as a delivery does; what cannot be written now is written later."""
        try:
            self._commits.count(outcome).result(ANSWER_WITHIN)
        except (LedgerError, TimeoutError):
            return

    def _cut_off(self, reason: Reason, peer: str) -> None:
        """The server itself refused a request. On its polling thread: nothing is waited for."""
        refusal = Refusal(reason)
        self._refused(refusal, peer)
        try:
            self._commits.count(Outcome(refusal.endpoint, "", reason))
        except LedgerError:
            return


def _request(environ: Mapping[str, Any]) -> Request:
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        peer=environ["REMOTE_ADDR"],
        forwarded=headers.get("x-forwarded-for"),
        headers=headers,
        body=environ["wsgi.input"].read(),
    )


def _received(number: int, endpoint: Endpoint, delivery: Delivery) -> Received:
    assert delivery.body is not None
    return Received(
        number,
        endpoint.name,
        endpoint.system,
        delivery.event_id,
        delivery.event_type,
        delivery.received_at,
        delivery.body,
    )
