"""The whole look: every surface the project uses, asked with GETs only, and what follows from the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from reconciler.account import served_by
from reconciler.arming.project import targets
from reconciler.chekt.connection import Connection, DealerKeys
from reconciler.chekt.probe import Probe, Seen
from reconciler.connecting import connection_to, dealer_keys, simulator
from reconciler.diagnosis import credentials, endpoints, records, surroundings
from reconciler.diagnosis.check import Check, Diagnosis, Result, sentence
from reconciler.diagnosis.scopes import scope_check
from reconciler.diagnosis.timing import ENOUGH, clock_check
from reconciler.diagnosis.walk import Walk
from reconciler.errors import AuthError, LedgerError, ReconcilerError
from reconciler.ledger import Ledger
from reconciler.manifests import Project, secrets
from reconciler.model import Surface
from reconciler.runtime import Runtime

_BODY_SECONDS = 30.0
"""For all of one answer: a diagnosis waits less patiently than a plan."""

_PAUSE = 0.3
"""Seconds between further samples of the clock, so that they fall at different fractions of a second."""


@dataclass(slots=True)
class _Look:
    """One surface: how it was asked, or why it could not be."""

    surface: Surface
    walk: Walk | None = None
    checks: list[Check] = field(default_factory=list)


def examine(project: Project, runtime: Runtime) -> Diagnosis:
    """Look at the account of ``project``; nothing is changed there, and nothing is raised for what is wrong.

    What answered as expected is confirmed in the ledger; what does no more is not confirmed any more. Raises
    ManifestError and ConfigError for a project that cannot be read.
    """
    found: list[Check] = []
    walks: list[Walk] = []
    try:
        _examine(project, runtime, found, walks)
    except LedgerError as exc:
        found.append(records.broken(exc))
    return Diagnosis(
        project.environment.name,
        project.environment.surface,
        project.environment.base_url or "the simulator in this process",
        runtime.clock(),
        tuple(found),
        sum(len(walk.probe.answers) for walk in walks),
    )


def _examine(project: Project, runtime: Runtime, found: list[Check], walks: list[Walk]) -> None:
    """Fill ``found`` and ``walks``. Raises LedgerError where what was found out cannot be kept."""
    with ExitStack() as stack:
        embedded = project.environment.is_embedded
        transport = stack.enter_context(simulator(project, runtime)) if embedded else None
        ledger, told = stack.enter_context(records.opened(project, runtime))

        def probe(connection: Connection) -> Probe:
            patient = replace(connection, answer_timeout=_BODY_SECONDS)
            clock = _seconds(runtime)
            opened = Probe(patient, runtime.redactor, transport, clock=clock, sleep=runtime.sleep)
            return stack.enter_context(opened)

        looks = [_look(project, runtime, surface, probe) for surface in _surfaces(project, runtime)]
        walks += [look.walk for look in looks if look.walk is not None]
        found += _credentials(project, runtime, looks, ledger)
        found += _of_answers(project, walks)
        found.append(told)
        found += _confirmed(walks, ledger, runtime)


def _surfaces(project: Project, runtime: Runtime) -> Iterator[Surface]:
    """Those the project uses: its own, and the dealer surface where something is armed or a key is set."""
    yield project.environment.surface
    if project.environment.surface == "dealer":
        return
    armed = bool(targets(project.resources, project.attachments))
    if armed or project.environment.dealers or runtime.env.get("CHEKT_API_KEY", "").strip():
        yield "dealer"


def _look(
    project: Project, runtime: Runtime, surface: Surface, probe: Callable[[Connection], Probe]
) -> _Look:
    look = _Look(surface)
    try:
        asked = probe(_connection(project, runtime, look))
        served = served_by(project, surface, sandbox=False)
    except ReconcilerError as exc:
        problem = Check(f"credentials.{surface}", Result.FAILED, sentence(exc.message), exc.hint)
        look.checks.append(problem)
        return look
    declared = (each for each in project.resources if each.address.kind == "dealer")
    dealers = [each.remote_id for each in declared if each.remote_id is not None]
    look.walk = Walk(asked, served, dealers, _seconds(runtime))
    look.walk.run()
    _sample(look.walk, runtime)
    return look


def _seconds(runtime: Runtime) -> Callable[[], float]:
    """The run's clock as Unix seconds."""
    return lambda: runtime.clock().timestamp()


def _connection(project: Project, runtime: Runtime, look: _Look) -> Connection:
    """The way there, with every dealer's key that can be found; a check for each that cannot."""
    keys: dict[str, str] = {}
    for name in project.environment.dealers:
        try:
            keys |= dealer_keys(project, runtime, name)
        except ReconcilerError as exc:
            if look.surface == "dealer":
                seen = f"The key of {name} cannot be had: {exc.message}."
                look.checks.append(Check(f"credentials.dealer.{name}", Result.FAILED, seen, exc.hint))
    return connection_to(project, runtime, look.surface, keys)


def _sample(walk: Walk, runtime: Runtime) -> None:
    """Ask again what leads nowhere until there are answers enough to compare clocks by."""
    last = walk.missing
    while last is not None and not walk.probe.hopeless and len(_dated(walk.probe.answers)) < ENOUGH:
        runtime.sleep(_PAUSE)
        again = walk.probe.get(last.path, walk.dealers[0])
        if "date" not in again.headers:
            return


def _dated(answers: Sequence[Seen]) -> list[Seen]:
    return [seen for seen in answers if "date" in seen.headers]


def _credentials(
    project: Project, runtime: Runtime, looks: Sequence[_Look], ledger: Ledger | None
) -> Iterator[Check]:
    for look in looks:
        if look.walk is not None:
            yield surroundings.network_check(look.walk.probe.connection, look.walk.probe.answers)
        yield from look.checks
        if look.walk is not None and look.surface == "partner":
            yield credentials.token_check(look.walk, look.walk.probe.connection.credentials)
            yield scope_check(project.resources, look.walk)
        elif look.walk is not None:
            yield from _keys(project, look, looks, ledger)
    yield from _event_key(project, runtime)


def _event_key(project: Project, runtime: Runtime) -> Iterator[Check]:
    """The Event API's key, where one is set: no GET can try it."""
    name, key = "credentials.event", project.environment.event_api_key
    if key is None:
        return
    try:
        runtime.redactor.add(secrets.resolve(key, project.directory, runtime.env))
    except ReconcilerError as exc:
        yield Check(name, Result.FAILED, f"The Event API's key cannot be had: {exc.message}.", exc.hint)
    else:
        seen = "The Event API's key is set; only an event that is sent shows whether it is accepted."
        yield Check(name, Result.UNKNOWN, seen, "On the development host: reconciler event send.")


def _keys(project: Project, look: _Look, looks: Sequence[_Look], ledger: Ledger | None) -> Iterator[Check]:
    """One check a dealer that is declared and has no other yet."""
    assert look.walk is not None
    told = {check.name for check in look.checks}
    given = look.walk.probe.connection.credentials
    assert isinstance(given, DealerKeys)
    for resource in project.resources:
        name = f"credentials.dealer.{resource.address.id}"
        if resource.address.kind != "dealer" or resource.remote_id is None or name in told:
            continue
        if given.default is None and resource.remote_id not in given.by_dealer:
            to_do = f"Set environments.{project.environment.name}.dealers.{resource.address.id}.api_key."
            yield Check(name, Result.FAILED, f"{resource.address.id} has no key.", to_do)
            continue
        known = _known_sites(project, resource.address.id, resource.remote_id, looks, ledger)
        yield credentials.key_check(look.walk, resource.address.id, resource.remote_id, known)


def _known_sites(
    project: Project, dealer: str, dealer_id: str, looks: Sequence[_Look], ledger: Ledger | None
) -> set[str]:
    """What sites of the dealer are called: by the ledger, by written ids, and by the partner surface."""
    found: set[str | None] = set()
    for address, row in (ledger.owned() if ledger is not None else {}).items():
        if address.kind == "site" and address.path[0] == dealer:
            found |= {row.remote_id, row.external_id}
    for resource in project.resources:
        if resource.address.kind == "site" and resource.address.path[0] == dealer:
            found |= {resource.remote_id, resource.identity.adopt}
    for walk in (look.walk for look in looks if look.surface == "partner"):
        for read in walk.reads if walk is not None else ():
            if read.kind == "site" and read.dealer_id == dealer_id:
                found |= {str(raw["site_id"]) for raw in read.objects if "site_id" in raw}
    return {each for each in found if each}


def _of_answers(project: Project, walks: Sequence[Walk]) -> Iterator[Check]:
    name = project.environment.name
    answers = [seen for walk in walks for seen in walk.probe.answers]
    yield clock_check(_dated(answers))
    for walk in walks:
        yield surroundings.shape_check(walk, name)
    for walk in walks:
        try:
            level = walk.probe.budget(walk.dealers[0] if walk.dealers else None)
        except AuthError:
            level = None
        yield surroundings.limits_check(walk.probe.connection, walk.probe.answers, level, project.environment)


def _confirmed(walks: Sequence[Walk], ledger: Ledger | None, runtime: Runtime) -> Iterator[Check]:
    before = (
        frozenset(each.endpoint for each in ledger.confirmations()) if ledger is not None else frozenset()
    )
    for walk in walks:
        yield endpoints.endpoint_check(walk, before)
        if ledger is not None:
            ledger.confirm(endpoints.confirmations(walk, runtime.clock()))
            ledger.doubt(endpoints.doubted(walk))
