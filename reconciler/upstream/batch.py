"""Many arming reports at once, such as a platform pipes them: in order for a site, sites side by side."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.arming.reported import ALL, Reported
from reconciler.chekt import strict_json
from reconciler.errors import ConfigError, ReconcilerError
from reconciler.ledger import ArmingReport
from reconciler.manifests import Project
from reconciler.model import JsonObject
from reconciler.upstream.naming import named_site
from reconciler.upstream.reporting import Reporting, Told

IN_FLIGHT = 1000
"""Reports read ahead of those that are settled, at most."""

_FIELDS = ("site", "state", "partition", "at", "user", "source", "zones", "resync")


@dataclass(frozen=True, slots=True)
class Failure:
    """A report that did not arrive, or may not have. ``line``: its own, None for one left behind.

    ``outcome``: ``queued`` where it goes out before the next report of its site, or of a batch.
    """

    line: int | None
    site: str
    state: str
    outcome: str
    reason: str

    def to_json(self) -> JsonObject:
        return {
            "line": self.line,
            "site": self.site,
            "state": self.state,
            "outcome": self.outcome,
            "reason": self.reason,
        }


@dataclass(slots=True)
class Summary:
    """How a batch ended: how many reports with each outcome, and every one that did not arrive."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def to_json(self) -> JsonObject:
        failures = [each.to_json() for each in sorted(self.failures, key=lambda each: each.line or 0)]
        return {"counts": dict(sorted(self.counts.items())), "failures": failures}


def partition_of(value: object) -> str:
    """A partition as it was written: a number, or ``all``. Raises ConfigError."""
    text = str(value).strip().lower()
    if isinstance(value, bool) or not (text == ALL or (text.isascii() and text.isdecimal())):
        raise ConfigError(
            f"partition {value!r} is neither a number nor all", hint="Write CHeKT's number of it."
        )
    return text if text == ALL else str(int(text))


def state_of(text: str) -> Reported:
    """A state as it was written, in small letters or capitals. Raises ConfigError."""
    try:
        return Reported(text.strip().lower())
    except ValueError:
        known = ", ".join(each.value for each in Reported)
        raise ConfigError(f"there is no state {text!r}", hint=f"Write one of {known}.") from None


def read_line(line: bytes, project: Project, user: str, source: str) -> Told:
    """The report in a line of JSON; ``user`` and ``source`` where it names none. Raises ConfigError."""
    try:
        row: Any = strict_json.parse(line)
    except ValueError as exc:
        raise ConfigError(f"it is not JSON: {exc}") from exc
    if not isinstance(row, dict):
        raise ConfigError("it is no JSON object", hint='Write {"site": "site:acme/hq", "state": "disarmed"}.')
    unknown = sorted(set(row) - set(_FIELDS))
    if unknown:
        raise ConfigError(f"there is no field {unknown[0]!r}", hint=f"There are {', '.join(_FIELDS)}.")
    for name in ("site", "state", "at", "user", "source"):
        if name in row and not isinstance(row[name], str):
            raise ConfigError(f"{name} is no text")
    for name in ("site", "state"):
        if name not in row:
            raise ConfigError(f"{name} is missing")
    zones = row.get("zones", [])
    if not isinstance(zones, list) or not all(isinstance(each, str) for each in zones):
        raise ConfigError("zones is no array of texts", hint='Write ["003"].')
    resync = row.get("resync", False)
    if not isinstance(resync, bool):
        raise ConfigError("resync is true or false")
    return Told(
        named_site(project, row["site"]),
        state_of(row["state"]),
        _instant(row["at"]) if "at" in row else None,
        partition_of(row.get("partition", ALL)),
        row.get("user", user),
        row.get("source", source),
        tuple(zones),
        resync,
    )


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as exc:
        raise ConfigError(f"at: {text!r} is no time", hint="Write 2026-11-20T18:00:00.000Z.") from exc
    if at.tzinfo is None:
        raise ConfigError(f"at: {text!r} has no offset from UTC", hint="Write 2026-11-20T18:00:00.000Z.")
    return at


@dataclass(slots=True)
class Lines:
    """The reports of a batch as they are read: ``read`` makes one of a line, or raises ReconcilerError."""

    lines: Iterable[bytes]
    read: Callable[[bytes], Told]

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return ((number, line) for number, line in enumerate(self.lines, 1) if line.strip())


def report_all(reporting: Reporting, lines: Lines, workers: int) -> Summary:
    """Report every line as it comes, and what others left behind.

    Reports of one site are sent in the order of their lines. A line that is wrong is counted and told; the
    others go on.
    """
    summary = Summary()
    with ThreadPoolExecutor(workers, thread_name_prefix="report") as pool:
        queues = _Queues(reporting, summary, pool)
        try:
            for left in reporting.left_behind():
                queues.add(None, left)
            for number, line in lines:
                _queue(reporting, lines, queues, number, line)
        except BaseException:
            queues.stop()  # what is in the ledger's queue is sent by the next run
            raise
    queues.end()
    return summary


def _queue(reporting: Reporting, lines: Lines, queues: _Queues, number: int, line: bytes) -> None:
    told = None
    try:
        told = lines.read(line)
        queued = reporting.queue(told)
    except ReconcilerError as exc:
        site, state = ("", "") if told is None else (str(told.site), told.state.value)
        queues.settled("refused", Failure(number, site, state, "refused", exc.message))
        return
    if queued is None:
        queues.settled("unchanged")
    else:
        queues.add(number, queued)


class _Queues:
    """The reports to deliver, a queue for each site; one thread works on a site at a time."""

    def __init__(self, reporting: Reporting, summary: Summary, pool: ThreadPoolExecutor) -> None:
        self._reporting = reporting
        self._summary = summary
        self._pool = pool
        self._lock = threading.Lock()
        self._room = threading.Semaphore(IN_FLIGHT)
        self._waiting: dict[str, deque[tuple[int | None, ArmingReport]]] = {}
        self._running: list[Future[None]] = []
        self._put_off: list[tuple[int | None, ArmingReport]] = []
        self._stopped = False

    def add(self, line: int | None, report: ArmingReport) -> None:
        """Deliver ``report`` after those of its site; waits where too many are under way."""
        self._room.acquire()
        with self._lock:
            queue = self._waiting.get(report.site_id)
            if queue is not None:
                queue.append((line, report))
                return
            self._waiting[report.site_id] = deque([(line, report)])
            self._running = [each for each in self._running if not each.done() or each.exception()]
            self._running.append(self._pool.submit(self._work, report.site_id))

    def settled(self, outcome: str, failure: Failure | None = None) -> None:
        """Count a report that has ended."""
        with self._lock:
            self._summary.counts[outcome] += 1
            if failure is not None:
                self._summary.failures.append(failure)

    def stop(self) -> None:
        """Begin no further report."""
        self._stopped = True

    def end(self) -> None:
        """Settle what was put off, unless a later report took it along.

        Raises what went wrong with the queues themselves, such as a LedgerError.
        """
        for each in self._running:
            each.result()
        for line, report in self._put_off:
            self._ended(line, self._reporting.outcome(report))

    def _ended(self, line: int | None, report: ArmingReport) -> None:
        failure = None
        if report.status != "done":
            failure = Failure(line, str(report.site), report.state, report.status, report.note)
        self.settled(report.status, failure)

    def _work(self, site_id: str) -> None:
        while True:
            with self._lock:
                queue = self._waiting[site_id]
                if not queue or self._stopped:
                    del self._waiting[site_id]
                    return
                line, report = queue.popleft()
            try:
                ended = self._reporting.deliver(report)
            finally:
                self._room.release()
            if ended.status == "queued":
                with self._lock:
                    self._put_off.append((line, ended))
            else:
                self._ended(line, ended)
