"""A worker's share in enforcing: rounds over the lanes of every environment, by the project in force."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from reconciler.enforcer.clock import SystemClock
from reconciler.enforcer.report import command_line
from reconciler.errors import ConfigError, LedgerError
from reconciler.fleet.carrying import Place
from reconciler.fleet.enforcing import Enforced, enforce_lane
from reconciler.fleet.leases import LaneLease
from reconciler.fleet.parts import parts_of
from reconciler.fleet.projects import Projects
from reconciler.fleet.rounds import Rounds, Work
from reconciler.ledger import Ledger
from reconciler.ledger.lane_store import PATIENCE, LaneStore
from reconciler.manifests import Project
from reconciler.runtime import Runtime

LOOK_EVERY = 1.0
"""Seconds between two looks at what is enforced, and by which project."""


@dataclass(slots=True)
class _Environment:
    """One environment under enforcement.

    ``stop`` ends its rounds; ``turned`` the lanes under way of ``bundle``, the project in force when this
    worker last looked. ``parts``: of a bundle's project, once a lane has needed them.
    """

    name: str
    bundle: str
    stop: threading.Event = field(default_factory=threading.Event)
    turned: threading.Event = field(default_factory=threading.Event)
    turning: threading.Lock = field(default_factory=threading.Lock)
    thread: threading.Thread | None = None
    loading: threading.Lock = field(default_factory=threading.Lock)
    parts: tuple[str, Mapping[str, Project]] = ("", field(default_factory=dict))


class Enforcement:
    """The enforcement of one worker. ``ledger``: for what concerns every environment.

    ``place`` opens what an environment needs; ``done`` hears of every lane that was looked after.
    """

    def __init__(
        self,
        ledger: Ledger,
        place: Callable[[str], Place],
        projects: Projects,
        runtime: Runtime,
        *,
        width: int,
        draining: threading.Event,
        done: Callable[[Enforced], None],
        note: Callable[[str], None],
    ) -> None:
        self._ledger = ledger
        self._place = place
        self._projects = projects
        self._runtime = runtime
        self._width = width
        self._draining = draining
        self._done = done
        self._note = note
        self._running: dict[str, _Environment] = {}

    def run(self) -> None:
        """Until ``draining`` is set and every lane under way has ended its writes in flight."""
        try:
            while not self._draining.is_set():
                with suppress(LedgerError):  # the worker's beat tells of it
                    self._follow(self._ledger.all_enforced())
                self._draining.wait(LOOK_EVERY)
        finally:
            self._follow({})

    def _follow(self, enforced: Mapping[str, str]) -> None:
        """Enforce what is to be enforced; lanes under way of a project that was replaced end."""
        ending = [self._running.pop(name) for name in list(self._running) if name not in enforced]
        for each in ending:
            each.stop.set()
            each.turned.set()
        for each in ending:
            assert each.thread is not None
            each.thread.join()
        for name, bundle in enforced.items():
            known = self._running.get(name)
            if known is None:
                self._begin(name, bundle)
            elif known.bundle != bundle:
                self._turn(known)

    def _begin(self, name: str, bundle: str) -> None:
        place, environment = self._place(name), _Environment(name, bundle)
        rounds = Rounds(
            place.leases,
            lambda: Ledger(place.store.database(patience=PATIENCE)),
            Work(lambda lane, lease: self._enforce(environment, lane, lease), self._ended, self._note),
            self._runtime.clock,
            environment.stop,
            self._width,
        )
        environment.thread = threading.Thread(target=rounds.run, name=f"rounds {name}")
        self._running[name] = environment
        self._note(f"Environment {name} is enforced by project {bundle[:12]}.")
        environment.thread.start()

    def _turn(self, environment: _Environment) -> tuple[str, threading.Event]:
        """The project in force, as the ledger says now, and what ends its lanes when another replaces it.

        Raises LedgerError where none is.
        """
        with environment.turning:
            bundle = self._place(environment.name).ledger.enforced()
            if bundle is None:
                raise LedgerError(f"environment {environment.name} is not enforced by workers any more")
            if bundle != environment.bundle:
                self._note(
                    f"Environment {environment.name} is enforced by project {bundle[:12]} from now on."
                )
                environment.bundle = bundle
                environment.turned.set()
                environment.turned = threading.Event()
                if environment.stop.is_set():
                    environment.turned.set()
            return bundle, environment.turned

    def _enforce(self, environment: _Environment, lane: str, lease: LaneLease) -> Enforced:
        place = self._place(environment.name)
        # Asked under the lease: a project put in force before was meant by what woke the lane, one put in
        # force later wakes it again.
        bundle, turned = self._turn(environment)
        with self._projects.project(bundle, place.ledger.published) as project:
            part = _parts(environment, bundle, project).get(lane)
            if part is None:
                raise ConfigError(f"the project {bundle[:12]} has nothing to arm there any more")
            clock = SystemClock(self._runtime.clock, turned)
            return enforce_lane(part, lease, self._runtime, LaneStore(place.store, lease.hold), clock)

    def _ended(self, lane: str, enforced: Enforced) -> None:
        for row in enforced.run.records:
            self._note(command_line(row))
        for sentence in enforced.told:
            self._note(f"Lane {lane}: {sentence}")
        self._done(enforced)


def _parts(environment: _Environment, bundle: str, project: Project) -> Mapping[str, Project]:
    """The lanes of ``project``, taken apart once for all of them."""
    with environment.loading:
        if environment.parts[0] != bundle:
            environment.parts = (bundle, parts_of(project))
        return environment.parts[1]
