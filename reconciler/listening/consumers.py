"""Who is told of an event: a command, a URL, or the log. Each tells once and raises when that failed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from reconciler.escape import visible
from reconciler.ledger import Delivery
from reconciler.listening.signatures import signature
from reconciler.times import utc_text

if TYPE_CHECKING:  # a receiver that forwards nothing does without
    import httpx

_NOTE_BYTES = 400
"""Of what a command printed last, kept to explain its failure."""

_ANSWER_BYTES = 65536
"""Of the answer to what is forwarded. Only its status counts."""

_PIECE_BYTES = 65536
"""Of what a command prints, read at once."""

_LAST_WORDS_SECONDS = 1.0
"""Until the last of what a command printed is read; what it left running may keep its output open."""

_ENDING_SECONDS = 2.0
"""Between asking a command to end and ending it."""


class NotConsumedError(Exception):
    """The event was not taken, or nobody can say: a sentence why. It is tried again."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery to be told of. ``number`` counts from 1: from 2 on it may be a repeat."""

    delivery: Delivery
    number: int

    @property
    def body(self) -> bytes:
        """What CHeKT sent; empty where it was forgotten."""
        return self.delivery.body or b""


class Consumer(Protocol):
    """Takes events, from any number of threads."""

    def consume(self, attempt: Attempt) -> None:
        """Take the event. Raises NotConsumedError."""
        ...

    def abandon(self) -> None:
        """End what is under way: the process is about to stop."""
        ...


class CommandConsumer:
    """Runs ``argv`` for each event, its body on stdin; exit code 0 within ``seconds`` means done.

    ``env``: the command's environment; what an attempt is about is added as RECONCILER_EVENT_ID, _TYPE,
    RECONCILER_SYSTEM, RECONCILER_ENDPOINT, RECONCILER_DELIVERY and RECONCILER_ATTEMPT.
    """

    def __init__(self, argv: Sequence[str], seconds: float, env: Mapping[str, str]) -> None:
        self._argv = list(argv)
        self._seconds = seconds
        self._env = dict(env)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._abandoned = False

    def consume(self, attempt: Attempt) -> None:
        try:
            printed = _Printed()
        except OSError as exc:
            raise NotConsumedError(f"cannot be started: {exc}") from exc
        try:
            process = self._start(attempt, printed.written)
        finally:
            printed.read()
        try:
            process.communicate(attempt.body, timeout=self._seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            raise NotConsumedError(f"did not end within {self._seconds:g} s") from None
        finally:
            with self._lock:
                self._running.discard(process)
        if process.returncode != 0:
            raise NotConsumedError(_failure(process.returncode, printed.last_line()))

    def _start(self, attempt: Attempt, output: int) -> subprocess.Popen[bytes]:
        """The command in a process group of its own, so that Ctrl-C is not its business."""
        about = attempt.delivery
        env = {
            **self._env,
            "RECONCILER_EVENT_ID": about.event_id,
            "RECONCILER_EVENT_TYPE": about.event_type,
            "RECONCILER_SYSTEM": about.system,
            "RECONCILER_ENDPOINT": about.endpoint,
            "RECONCILER_DELIVERY": str(about.id),
            "RECONCILER_ATTEMPT": str(attempt.number),
        }
        with self._lock:
            if self._abandoned:
                raise NotConsumedError("the receiver is stopping")
            try:
                process = subprocess.Popen(  # noqa: S603  # the user's own command, without a shell
                    self._argv,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=env,
                    start_new_session=True,
                )
            except (OSError, ValueError) as exc:
                raise NotConsumedError(f"cannot be started: {exc}") from exc
            self._running.add(process)
        return process

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            running = list(self._running)
        for process in running:
            if process.poll() is None:
                _signal(process, signal.SIGTERM)
        for process in running:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and all it has started: asked first, then for good."""
    if process.poll() is not None:
        return
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_ENDING_SECONDS)
    _signal(process, signal.SIGKILL)  # what it has started may outlive it
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


class _Printed:
    """What a command prints, of which only the end is kept, however much it is."""

    def __init__(self) -> None:
        self._end = b""
        self._read_from, self.written = os.pipe()
        self._reader = threading.Thread(target=self._drain, name="printed", daemon=True)

    def read(self) -> None:
        """Close ``written`` here, and read in the background until nobody has it open any more."""
        os.close(self.written)
        self._reader.start()

    def last_line(self) -> str:
        """The last line that was printed, empty where there is none. What still runs is not waited for."""
        self._reader.join(_LAST_WORDS_SECONDS)
        lines = self._end.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""

    def _drain(self) -> None:
        with os.fdopen(self._read_from, "rb", buffering=0) as pipe:
            while part := pipe.read(_PIECE_BYTES):
                self._end = (self._end + part)[-_NOTE_BYTES:]


def _failure(code: int, last_line: str) -> str:
    """How the command ended, and the last line that it printed."""
    how = f"exit code {code}" if code > 0 else f"ended by signal {-code}"
    return f"{how}: {visible(last_line)}" if last_line else how


class ForwardConsumer:
    """Posts each event to ``url`` as it came; a 2xx within the time-out of ``http`` means done.

    ``secret`` signs the body: X-Reconciler-Signature is ``sha256=`` and the HMAC in hex.
    """

    def __init__(self, url: str, secret: bytes | None, http: httpx.Client) -> None:
        self._url = url
        self._secret = secret
        self._http = http
        self._seconds = http.timeout.read or 0.0

    def consume(self, attempt: Attempt) -> None:
        import httpx  # noqa: PLC0415  as above

        about = attempt.delivery
        headers = {
            "Content-Type": "application/json",
            "X-Reconciler-Event-Id": about.event_id,
            "X-Reconciler-Event-Type": about.event_type,
            "X-Reconciler-System": about.system,
            "X-Reconciler-Endpoint": about.endpoint,
            "X-Reconciler-Delivery": str(about.id),
            "X-Reconciler-Attempt": str(attempt.number),
        }
        if self._secret is not None:
            headers["X-Reconciler-Signature"] = signature(self._secret, attempt.body, "sha256_hex").decode()
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        until = time.monotonic() + self._seconds
        try:
            with self._http.stream("POST", self._url, content=attempt.body, headers=sent) as answer:
                _read_some(answer, until)
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise NotConsumedError(f"no answer: {type(exc).__name__}") from exc
        if not answer.is_success:
            raise NotConsumedError(f"answered {answer.status_code}")

    def abandon(self) -> None:
        self._http.close()


def _read_some(answer: httpx.Response, until: float) -> None:
    """Read the body, so that the connection serves again; one that is long or slow is not worth that."""
    size = 0
    for part in answer.iter_raw():
        size += len(part)
        if size > _ANSWER_BYTES or time.monotonic() > until:
            return


class LogConsumer:
    """Writes each event as a line of JSON; ``write`` takes lines from several threads."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def consume(self, attempt: Attempt) -> None:
        about = attempt.delivery
        line = {
            "received_at": utc_text(about.received_at, "milliseconds"),
            "endpoint": about.endpoint,
            "system": about.system,
            "event_id": about.event_id,
            "event_type": about.event_type,
            "delivery": about.id,
            "attempt": attempt.number,
            "body": json.loads(attempt.body or b"null"),
        }
        try:
            self._write(json.dumps(line, ensure_ascii=False))
        except OSError as exc:
            raise NotConsumedError(f"the line cannot be written: {exc.strerror or exc}") from exc

    def abandon(self) -> None:
        """A line is written or it is not."""
