"""What a requirement leaves behind: the evidence of its requests, states, events and steps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from reconciler.certificate import Evidence, EvidenceKind
from reconciler.observer import Exchange

_SIMULATOR = "/sim/"


class NotMetError(Exception):
    """A requirement is not met; the sentence says what was seen in place of what."""


class NeedsPersonError(Exception):
    """Only a person can do what follows: ``steps``, each a sentence. What went before is as it should be."""

    def __init__(self, message: str, steps: tuple[str, ...]) -> None:
        super().__init__(message)
        self.steps = steps


class Record:
    """The evidence of the requirement under way. An ``observer.Observer``; thread-safe.

    ``clock``: aware, UTC. The simulator's own operations are the field's doing and no evidence of requests.
    """

    detailed = False

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._evidence: list[Evidence] = []

    def note(self, kind: EvidenceKind, text: str) -> None:
        """Keep ``text``; the same again in a row is counted."""
        with self._lock:
            last = self._evidence[-1] if self._evidence else None
            if last is not None and (last.kind, last.text) == (kind, text):
                self._evidence[-1] = replace(last, count=last.count + 1)
            else:
                self._evidence.append(Evidence(self._clock(), kind, text))

    def take(self) -> tuple[Evidence, ...]:
        """Everything since the last call."""
        with self._lock:
            taken, self._evidence = tuple(self._evidence), []
        return taken

    @contextmanager
    def doing(self, what: str, /, **facts: str) -> Iterator[None]:  # noqa: ARG002  # an Observer's
        """Nothing is kept of work in progress."""
        yield

    def exchanged(self, exchange: Exchange) -> None:
        if exchange.path.startswith(_SIMULATOR):
            return
        ended = exchange.problem if exchange.status is None else str(exchange.status)
        self.note("request", f"{exchange.method} {exchange.path}: {ended}")
