"""A worker put together: its ledger, its queue, its leases, and what it does with each kind of job."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from reconciler.errors import LedgerError
from reconciler.fleet.carrying import Carrier, Place
from reconciler.fleet.enforcement import Enforcement
from reconciler.fleet.leases import Leases
from reconciler.fleet.projects import Projects
from reconciler.fleet.queue import Queue, worker_app
from reconciler.fleet.rounds import WIDTH
from reconciler.fleet.worker import Duties, Profile, Tally, Worker
from reconciler.ledger import Ledger
from reconciler.ledger.lane_store import PATIENCE
from reconciler.ledger.postgres_store import PostgresStore
from reconciler.runtime import Runtime

NOBODY = ""
"""The environment of what concerns no single one: a worker's own row."""


@dataclass(frozen=True, slots=True)
class Base:
    """Where the fleet's ledger is: ``url`` in libpq's form, and the schema in it."""

    url: str
    schema: str
    store: Callable[[str], PostgresStore]

    def queue(self) -> Queue:
        """The queue that belongs to the ledger, to be entered."""
        return Queue(self.url, self.schema)


class Places:
    """What the work on each environment shares, opened when it is first asked for. Thread-safe."""

    def __init__(self, base: Base, name: str, note: Callable[[str], None]) -> None:
        self._base = base
        self._name = name
        self._note = note
        self._open: dict[str, Place] = {}
        self._closing = ExitStack()
        self._lock = threading.Lock()

    def __call__(self, environment: str) -> Place:
        """Raises LedgerError."""
        with self._lock:
            if environment not in self._open:
                store = self._base.store(environment)
                self._closing.callback(store.close)
                ledger = self._closing.enter_context(Ledger(store.database()))
                leases = Leases(
                    lambda: Ledger(store.database(patience=PATIENCE)), self._name, note=self._note
                )
                self._closing.enter_context(leases)
                self._open[environment] = Place(store, ledger, leases)
            return self._open[environment]

    def abandon(self) -> None:
        """Give every lane back at once; nothing more is sent in them."""
        for place in list(self._open.values()):
            with suppress(LedgerError):
                place.leases.give_up()

    def close(self) -> None:
        """Let go of every environment."""
        self._closing.close()


@contextmanager
def worker(base: Base, me: Profile, runtime: Runtime, note: Callable[[str], None]) -> Iterator[Worker]:
    """A worker on the ledger of ``base``, ready to run. Raises LedgerError where that cannot be used."""
    draining = threading.Event()
    with ExitStack() as stack:
        own = stack.enter_context(Ledger(base.store(NOBODY).database()))
        queue = stack.enter_context(base.queue())
        projects = Projects(runtime.env)
        stack.callback(projects.close)
        places = Places(base, me.name, note)
        stack.callback(places.close)
        carrier = Carrier(me.name, places, projects, queue, runtime, draining, note)
        tally = Tally()
        enforcement = Enforcement(
            own,
            places,
            projects,
            runtime,
            width=WIDTH,
            draining=draining,
            done=tally.enforced,
            note=note,
        )
        yield Worker(
            me,
            worker_app(base.url, base.schema),
            Duties({"apply": carrier.carry_out}, enforcement, places.abandon),
            own,
            draining,
            tally,
            clock=runtime.clock,
            note=note,
        )
