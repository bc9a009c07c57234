"""A worker: takes lanes from the queue, works on several at once, and gives them back when it is stopped.

::

    queue ──► job (a lane) ──► lease on the lane ──► the lane's work, stopped where ──► its result, or the
                                                     the lease is lost, the run ends,    lane back into the
                                                     or the worker drains                queue

A beat a second says that it lives, in the ledger and in a file. Lanes of workers that died come back by
themselves: their leases run out, and every worker puts the jobs of those without a beat back into the queue.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from procrastinate import App, exceptions
from procrastinate.jobs import Status

from reconciler import __version__
from reconciler.errors import ReconcilerError
from reconciler.files import write_whole
from reconciler.fleet.enforcement import Enforcement
from reconciler.fleet.enforcing import Enforced
from reconciler.fleet.queue import Job, Work, job_of
from reconciler.ledger import Ledger
from reconciler.ledger.fleet import WorkerRecord
from reconciler.render.exposition import Sample, metric
from reconciler.times import utc_text

BEAT_EVERY = 1.0
DEAD_AFTER = 5.0
"""Seconds without a beat in the queue after which a worker's jobs go to others."""

_TROUBLE_OVER = 60.0
"""Seconds without a failure of the queue after which the next one is told again."""

_METRICS_EVERY = 15
"""Beats between two writings of the metrics."""

_PREFIX = "reconciler_worker"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a worker says of itself. ``lanes``: of each kind of work, at the same time."""

    name: str
    lanes: int
    started_at: datetime
    heartbeat: Path | None = None
    metrics: Path | None = None


@dataclass(slots=True)
class Tally:
    """What a worker has done and does. Thread-safe."""

    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    late: float = 0.0
    working: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        with self._lock:
            self.working += 1

    def end(self, work: str, word: str) -> None:
        with self._lock:
            self.working -= 1
            self.ended[work, word] += 1

    def enforced(self, enforced: Enforced) -> None:
        """A lane was looked after."""
        with self._lock:
            self.ended["enforce", "ended"] += 1
            for row in enforced.run.records:
                self.commands[row.result] += 1
                self.late += row.lateness if row.result == "confirmed" else 0.0

    def lines(self) -> list[str]:
        """All of it as Prometheus reads it."""
        with self._lock:
            lanes: list[Sample] = [
                ({"work": work, "result": word}, count) for (work, word), count in sorted(self.ended.items())
            ]
            commands: list[Sample] = [
                ({"result": result}, count) for result, count in sorted(self.commands.items())
            ]
            return [
                *_metric("lanes_total", "counter", "Lanes by kind of work and how they ended.", lanes),
                *_metric("commands_total", "counter", "Arming commands by how they ended.", commands),
                *_metric(
                    "late_seconds", "summary", "Seconds from a transition to its confirmed command.", ()
                ),
                f"{_PREFIX}_late_seconds_sum {self.late:.3f}",
                f"{_PREFIX}_late_seconds_count {self.commands['confirmed']}",
            ]


@dataclass(frozen=True, slots=True)
class Duties:
    """What a worker does.

    ``works``: what is done with a job of each kind; it returns a word on how that ended. ``enforcement``:
    what goes on besides. ``abandon``: gives back at once what is held, for a second signal.
    """

    works: Mapping[Work, Callable[[Job], str]]
    enforcement: Enforcement
    abandon: Callable[[], None]


class Worker:
    """Serves the queue ``app`` until it is told to stop.

    ``draining`` is shared with its ``duties``: once set, they stop after the writes in flight.
    """

    def __init__(
        self,
        me: Profile,
        app: App,
        duties: Duties,
        ledger: Ledger,
        draining: threading.Event,
        tally: Tally,
        *,
        clock: Callable[[], datetime],
        note: Callable[[str], None],
    ) -> None:
        self._me = me
        self._app = app
        self._duties = duties
        self._ledger = ledger
        self._draining = draining
        self._clock = clock
        self._note = note
        self._tally = tally
        self._beats = 0
        self._unheard = False
        for work in duties.works:
            app.task(name=work)(self._task(work))

    def _task(self, work: Work) -> Callable[..., None]:
        def task(**arguments: object) -> None:
            self._tally.begin()
            word = "failed"
            try:
                word = self._duties.works[work](job_of(work, arguments))
            except ReconcilerError as exc:
                self._note(f"{arguments['lane']}: {exc.message}. {exc.hint}")
            finally:
                self._tally.end(work, word)

        return task

    def run(self) -> None:
        """Until SIGTERM or SIGINT has come and every lane under way is ended or given back."""
        over = threading.Event()
        enforcing = threading.Thread(target=self._duties.enforcement.run, name="enforcement")
        beating = threading.Thread(target=self._keep_beating, args=(over,), name="beat", daemon=True)
        self._beat()
        beating.start()
        enforcing.start()
        try:
            asyncio.run(self._serve())
        finally:
            self._draining.set()
            enforcing.join()
            over.set()
            beating.join()
            self._goodbye()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_told_elsewhere)
        loop.set_default_executor(ThreadPoolExecutor(len(self._duties.works) * self._me.lanes + 4))
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, stopped)
        async with self._app.open_async():
            serving = [asyncio.create_task(self._serve_one(work)) for work in self._duties.works]
            reaping = asyncio.create_task(self._reap())
            await stopped.wait()
            for task in (*serving, reaping):
                task.cancel()
            await asyncio.gather(*serving, reaping, return_exceptions=True)

    def _on_signal(self, stopped: asyncio.Event) -> None:
        if self._draining.is_set():
            self._note("Stopping at once: what is held is given back; writes in flight are looked up later.")
            self._duties.abandon()
            self._goodbye()
            os._exit(1)
        self._note("Draining: the writes in flight are finished, no other lane is begun.")
        self._draining.set()
        stopped.set()

    async def _serve_one(self, work: Work) -> None:
        """Work on the jobs of one queue, again after the database was out of reach, which is told once."""
        told_at = -math.inf
        while True:
            with suppress(exceptions.ProcrastinateException):
                await self._app.run_worker_async(
                    queues=[work],
                    name=self._me.name,
                    concurrency=self._me.lanes,
                    install_signal_handlers=False,
                    update_heartbeat_interval=BEAT_EVERY,
                    stalled_worker_timeout=DEAD_AFTER,
                    fetch_job_polling_interval=BEAT_EVERY,
                    delete_jobs="always",
                )
            if self._draining.is_set():
                return
            now = time.monotonic()
            if now - told_at > _TROUBLE_OVER:
                self._note(f"The queue of {work} cannot be used; trying again every second.")
            told_at = now
            await asyncio.sleep(BEAT_EVERY)

    async def _reap(self) -> None:
        """Give the jobs of workers that died to others. One that waits again already is dropped."""
        manager = self._app.job_manager
        while True:
            await asyncio.sleep(BEAT_EVERY)
            with suppress(exceptions.ProcrastinateException):
                for job in await manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER):
                    assert job.id is not None
                    try:
                        await manager.retry_job(job)
                    except exceptions.UniqueViolation:
                        await manager.finish_job(job, Status.FAILED, delete_job=True)
                    self._note(f"Lane {job.task_kwargs['lane']}: its worker died; it goes to another.")

    def _keep_beating(self, over: threading.Event) -> None:
        while not over.wait(BEAT_EVERY):
            self._beat()

    def _beat(self) -> None:
        """Tell the ledger and the heartbeat file that this worker lives."""
        self._beats += 1
        try:
            self._ledger.report_worker(self._record())
            self._unheard = False
        except ReconcilerError as exc:
            if not self._unheard:
                self._note(f"{exc.message}. {exc.hint}")
            self._unheard = True
        try:
            if self._me.heartbeat is not None:
                write_whole(self._me.heartbeat, self._heartbeat())
            if self._me.metrics is not None and self._beats % _METRICS_EVERY == 1:
                write_whole(self._me.metrics, self._metrics())
        except ReconcilerError as exc:
            self._note(f"{exc.message}. {exc.hint}")

    def _goodbye(self) -> None:
        with suppress(ReconcilerError):
            self._ledger.forget_worker(self._me.name)
        for file in (self._me.heartbeat, self._me.metrics):
            if file is not None:
                file.unlink(missing_ok=True)

    def _record(self) -> WorkerRecord:
        return WorkerRecord(
            name=self._me.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=__version__,
            lanes=self._me.lanes,
            working=self._tally.working,
            draining=self._draining.is_set(),
            beat=self._beats,
            started_at=self._me.started_at,
            seen_at=self._clock(),
        )

    def _heartbeat(self) -> str:
        """One line of JSON: a probe looks at the time, a person at what it says."""
        content = {
            "at": utc_text(self._clock()),
            "draining": self._draining.is_set(),
            "ledger": not self._unheard,
            "name": self._me.name,
            "pid": os.getpid(),
            "working": self._tally.working,
        }
        return json.dumps(content, sort_keys=True) + "\n"

    def _metrics(self) -> str:
        """Prometheus text, as the enforcer writes it."""
        gauges = (
            ("lanes", "Lanes of each kind of work at the same time, at most.", self._me.lanes),
            ("working", "Lanes that are worked on.", self._tally.working),
            ("draining", "1 where no lane is begun any more.", int(self._draining.is_set())),
            ("ledger_reachable", "1 where the last beat reached the ledger.", int(not self._unheard)),
            ("beat_timestamp_seconds", "When this was written.", f"{self._clock().timestamp():.3f}"),
        )
        lines = [
            line for name, meaning, value in gauges for line in _metric(name, "gauge", meaning, [({}, value)])
        ]
        return "\n".join([*lines, *self._tally.lines()]) + "\n"


def _told_elsewhere(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keep the queue's own failures out of the log: where a job is another worker's by now, its lane told."""
    if not isinstance(context.get("exception"), exceptions.ProcrastinateException):
        loop.default_exception_handler(context)


def _metric(name: str, kind: str, meaning: str, samples: Iterable[Sample]) -> list[str]:
    return metric(f"{_PREFIX}_{name}", kind, meaning, samples)
