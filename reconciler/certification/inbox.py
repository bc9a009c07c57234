"""Our end of CHeKT's webhooks during a certification: the receiver, which can be cut off and come back."""

from __future__ import annotations

import secrets
import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from reconciler.certification.record import Record
from reconciler.errors import RemoteError
from reconciler.ledger import FileStore
from reconciler.listening import ArmingEvent, Endpoint, Received, Receiver, Signing, arming_event
from reconciler.listening.admission import Admission, Refusal
from reconciler.listening.group_commit import GroupCommit

_HOST = "127.0.0.1"
EVENT = "arming.state_changed"
"""What CHeKT tells a partner in the CHeKT-triggered model (chekt-api/README.md section 7.1)."""


class Inbox:
    """A receiver with a ledger of its own, gone with it; a context manager.

    ``url`` is where to send to, and ``secret`` what signs. Listens on this machine only.
    """

    def __init__(self, clock: Callable[[], datetime], record: Record) -> None:
        self.secret = secrets.token_hex(16)
        self.url = ""
        self._path = f"/{secrets.token_hex(8)}"
        self._clock = clock
        self._record = record
        self._lock = threading.Lock()
        self._events: list[ArmingEvent] = []
        self._port = 0
        self._stack = ExitStack()
        self._receiver: Receiver | None = None
        self._place = socket.socket()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="certification-")))
            ledger = stack.enter_context(FileStore(directory / "ledger.db", "certification").open())
            self._commits = stack.enter_context(GroupCommit(ledger, self._clock))
            stack.callback(self._release)
            stack.callback(self.cut)
            self.connect()
            self.url = f"http://{_HOST}:{self._port}{self._path}"
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def connect(self) -> None:
        """Be there: on the same port as before. Raises RemoteError where it was taken meanwhile."""
        self._release()
        signing = Signing((self.secret.encode(),), "x-webhook-signature", None, ("sha256_hex",))
        endpoint = Endpoint("certification", self._path, "partner", signing)
        try:
            receiver = Receiver(
                self._commits,
                Admission((endpoint,)),
                _HOST,
                self._port,
                self._clock,
                heard=self._heard,
                refused=self._refused,
            )
        except OSError as exc:
            raise RemoteError(f"our receiver cannot listen on {_HOST}:{self._port}: {exc.strerror}") from exc
        self._port = receiver.port
        self._receiver = receiver
        receiver.__enter__()

    def cut(self) -> None:
        """Be gone: nothing listens on the port any more."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.__exit__(None, None, None)
            self._place = _held(self._port)

    def _release(self) -> None:
        self._place.close()

    def events(self) -> list[ArmingEvent]:
        """The events kept since ``clear``, in the order in which they came."""
        with self._lock:
            return list(self._events)

    def clear(self) -> None:
        """Forget what came so far."""
        with self._lock:
            self._events.clear()

    def _heard(self, received: Received) -> None:
        event = arming_event(received.system, received.body)
        if event is None:
            return
        with self._lock:
            self._events.append(event)
        by = f" by {event.triggered_by}" if event.triggered_by else ""
        self._record.note("webhook", f"{event.event_type}: {event.previous} -> {event.state}{by}")

    def _refused(self, refusal: Refusal, _peer: str) -> None:
        self._record.note("webhook", f"a delivery was refused: {refusal.reason.replace('_', ' ')}")


def _held(port: int) -> socket.socket:
    """A socket that keeps others from ``port`` and answers nobody, as far as that can be had."""
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with suppress(OSError):
        place.bind((_HOST, port))
    return place
