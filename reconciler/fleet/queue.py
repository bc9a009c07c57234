"""The queue that lanes wait in: Procrastinate, in a schema of its own beside the ledger's tables.

A job is one lane of one environment. Its lock keeps a lane from being worked on twice at the same time,
its queueing lock from waiting twice; what a worker may do is guarded by the ledger besides.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector, exceptions
from procrastinate.schema import SchemaManager

from reconciler.errors import LedgerError

Work = Literal["apply"]
"""What is done with a job; the queue's name. What is enforced waits by its instants, in the ledger."""

logging.getLogger("procrastinate").setLevel(logging.CRITICAL)  # what happens is told in the house's own lines
logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Job:
    """A lane to be worked on. ``run``: of the command that handed it out, 0 where no run did."""

    work: Work
    environment: str
    lane: str
    bundle: str
    run: int = 0

    @property
    def lock(self) -> str:
        """Names the lane and what is done to it; no two jobs of one lock are worked on at a time."""
        return f"{self.work}:{self.environment}:{self.lane}"


@dataclass(frozen=True, slots=True)
class Backlog:
    """Jobs of one work in one environment: waiting for a worker, and being worked on."""

    environment: str
    work: Work
    waiting: int
    working: int


def _schema(ledger: str) -> str:
    """The schema of the queue that belongs to the ledger in the schema ``ledger``."""
    return f"{ledger}_queue"


def _arguments(url: str, ledger: str, most: int) -> dict[str, Any]:
    """What a connector of Procrastinate takes, for at most ``most`` connections."""
    options = {"options": f"-c search_path={_schema(ledger)}", "application_name": "reconciler queue"}
    return {"conninfo": url, "min_size": 1, "max_size": most, "kwargs": options, "timeout": 30.0}


def worker_app(url: str, ledger: str) -> App:
    """An app for a worker: its queries run in the worker's event loop."""
    return App(connector=PsycopgConnector(**_arguments(url, ledger, 6)))


class Queue:
    """The queue of the ledger in the schema ``ledger`` of the database ``url``; a context manager.

    For commands and for jobs. Safe to share between threads.
    """

    def __init__(self, url: str, ledger: str) -> None:
        self._schema = _schema(ledger)
        self._connector = SyncPsycopgConnector(**_arguments(url, ledger, 2))
        self._app = App(connector=self._connector)

    def __enter__(self) -> Self:
        try:
            self._app.open()
        except Exception as exc:  # the pool's own, which Procrastinate lets through
            raise _unusable(exc) from exc
        try:
            self._prepare()
        except BaseException:
            self._app.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._app.close()

    def _prepare(self) -> None:
        """Make the queue's tables once; refuse those of another version of Procrastinate."""
        made = SchemaManager.get_schema()
        version = hashlib.sha256(made.encode()).hexdigest()[:16]
        found = self._version()
        if found is None:
            schema = self._schema
            lock = int.from_bytes(hashlib.sha256(schema.encode()).digest()[:8], "big", signed=True)
            script = (
                f"SELECT pg_advisory_xact_lock({lock}); CREATE SCHEMA {schema};"
                f" COMMENT ON SCHEMA {schema} IS '{version}'; {made}"
            )
            try:
                self._connector.execute_query(script.replace("%", "%%"))
            except exceptions.ConnectorException:
                if self._version() is None:  # else another process has made it meanwhile
                    with translated():
                        raise
            found = self._version()
        if found != version:
            raise LedgerError(
                "the queue in the ledger's database was made by another version of Procrastinate",
                hint="Run one version of chekt-reconciler and procrastinate everywhere; with all workers "
                f"stopped, `DROP SCHEMA {self._schema} CASCADE` makes the next command begin a new queue.",
            )

    def _version(self) -> str | None:
        with translated():
            row = self._connector.execute_query_one(
                f"SELECT obj_description(to_regnamespace('{self._schema}')::oid, 'pg_namespace') AS version"
            )
        version: str | None = row["version"]
        return version

    def put(self, job: Job, at: datetime | None = None) -> bool:
        """Let ``job`` wait for a worker, at the earliest until ``at``. False where its lane waits already."""
        task = self._app.configure_task(
            job.work,
            allow_unknown=True,
            queue=job.work,
            lock=job.lock,
            queueing_lock=job.lock,
            schedule_at=at,
        )
        try:
            with translated():
                task.defer(environment=job.environment, lane=job.lane, bundle=job.bundle, run=job.run)
        except exceptions.AlreadyEnqueued:
            return False
        return True

    def withdraw(self, job: Job) -> None:
        """Take back what waits of the lane of ``job``; what is being worked on goes on."""
        with translated():
            waiting = self._app.job_manager.list_jobs(status="todo", queueing_lock=job.lock)
            for each in waiting:
                assert each.id is not None
                self._app.job_manager.cancel_job_by_id(each.id, delete_job=True)

    def backlog(self) -> list[Backlog]:
        """What waits and what is worked on, by environment and work."""
        with translated():
            rows = self._connector.execute_query_all(
                "SELECT task_name, args->>'environment' AS environment,"
                " count(*) FILTER (WHERE status = 'todo') AS waiting,"
                " count(*) FILTER (WHERE status = 'doing') AS working"
                " FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
                " GROUP BY 1, 2 ORDER BY 2, 1"
            )
        return [Backlog(row["environment"], row["task_name"], row["waiting"], row["working"]) for row in rows]


@contextmanager
def translated() -> Iterator[None]:
    """Procrastinate's exceptions as LedgerError; that a lane waits already is for the caller."""
    try:
        yield
    except exceptions.AlreadyEnqueued:
        raise
    except exceptions.ProcrastinateException as exc:
        raise _unusable(exc.__cause__ or exc) from exc


def _unusable(cause: BaseException) -> LedgerError:
    return LedgerError(
        f"the queue of the ledger cannot be used: {str(cause).strip().partition(chr(10))[0]}",
        hint="Check that the database can be reached, and that its user may make a schema in it.",
    )


def job_of(work: Work, arguments: Mapping[str, Any]) -> Job:
    """The job that ``put`` has written."""
    return Job(work, arguments["environment"], arguments["lane"], arguments["bundle"], arguments["run"])
