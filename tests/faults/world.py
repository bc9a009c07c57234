"""One account, one ledger, virtual time: an apply the way the product composes it, and what must be so after.

Time moves only where the product waits, so a lagging list catches up and a time-out costs nothing. A
crash is an exception at a boundary, after which neither a request nor the ledger goes through any more.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from reconciler import chekt, workflows
from reconciler.account import Account
from reconciler.connecting import EMBEDDED_RATE
from reconciler.intents import Intent, IntentDraft, IntentStatus
from reconciler.kinds import REGISTRY
from reconciler.kinds.surfaces import surfaces
from reconciler.ledger import Ledger
from reconciler.manifests import Project
from reconciler.model import Address, JsonValue, Owned, Resource, SecretRef, Surface
from reconciler.planning.scope import parent_of
from reconciler.redaction import Redactor
from reconciler.runtime import Runtime
from reconciler.sandbox import Sandbox, Switches, credentials, transport
from reconciler.sandbox.store import Row
from reconciler.writes import Outcome, OutcomeStatus
from tests import ledgers

BEGINNING = datetime(2025, 1, 6, 9, 0, tzinfo=UTC)
SETTLED = 120.0
"""Seconds after which every list has caught up with every write."""
URL = "http://sandbox.localhost"
SECRETS = {"HOOK": "a-signing-secret", "OTHER_HOOK": "another-signing-secret"}


class Killed(BaseException):
    """The process ends here, as far as the code under test can tell."""


class Time:
    """Virtual time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds = 0.0

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self._seconds)

    def stamp(self) -> float:
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._seconds += seconds


class Stop(threading.Event):
    """A stop that nobody presses, waiting in virtual time."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._time = time

    def wait(self, timeout: float | None = None) -> bool:
        self._time.sleep(timeout or 0.0)
        return self.is_set()


@dataclass
class Boundaries:
    """Counts the places where a process may die, and dies at number ``at``.

    A request has three: before it, after the server has done it, and after its answer was taken in. The
    ledger has one before each thing it is told.
    """

    at: int | None = None
    passed: int = 0
    dead: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def cross(self) -> None:
        with self.lock:
            self.passed += 1
            self.dead = self.dead or self.passed == self.at
            if self.dead:
                raise Killed


class MortalTransport(httpx.BaseTransport):
    """A way into the sandbox on which the process may die."""

    def __init__(self, way: httpx.BaseTransport, boundaries: Boundaries) -> None:
        self._way = way
        self._boundaries = boundaries

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._boundaries.cross()
        response = self._way.handle_request(request)
        self._boundaries.cross()
        return response


class MortalLedger(Ledger):
    """A ledger before each of whose entries the process may die."""

    boundaries: Boundaries

    def intend_all(self, run: int, drafts: Sequence[IntentDraft], now: datetime) -> list[Intent]:
        self.boundaries.cross()
        intents = super().intend_all(run, drafts, now)
        self.boundaries.cross()
        return intents

    def settle(
        self, intent: Intent, status: IntentStatus, remote_id: str | None, now: datetime, *, seen: str = ""
    ) -> None:
        self.boundaries.cross()
        super().settle(intent, status, remote_id, now, seen=seen)
        self.boundaries.cross()

    def record(self, owned: Owned) -> None:
        self.boundaries.cross()
        super().record(owned)
        self.boundaries.cross()

    def forget(self, address: Address) -> None:
        self.boundaries.cross()
        super().forget(address)


@dataclass(frozen=True)
class Run:
    """How one apply ended. ``error``: what it raised. ``boundaries``: how many it crossed."""

    outcomes: tuple[Outcome, ...] = ()
    remaining: tuple[str, ...] = ()
    error: BaseException | None = None
    boundaries: int = 0

    @property
    def clean(self) -> bool:
        """Whether the command line would end with 0."""
        good = all(each.status in (OutcomeStatus.DONE, OutcomeStatus.MANUAL) for each in self.outcomes)
        return good and not self.remaining and self.error is None

    def __str__(self) -> str:
        said = [
            f"{each.action} of {each.address} {each.status}: {each.message}"
            for each in self.outcomes
            if each.status is not OutcomeStatus.DONE or each.message
        ]
        ended = f"raised {self.error!r}" if self.error is not None else "ended"
        return f"{ended}, {len(self.outcomes)} outcomes, left {list(self.remaining)}, {said}"


class World:
    """One account on a sandbox in process, and one ledger in ``directory``; every apply is a new process.

    ``template``: a directory that an earlier world left, to start from.
    """

    def __init__(
        self,
        directory: Path,
        *,
        switches: Switches | None = None,
        surface: Surface = "partner",
        template: Path | None = None,
        time: Time | None = None,
        sandbox: type[Sandbox] = Sandbox,
    ) -> None:
        self.directory = directory
        self.surface = surface
        self.time = time or Time()
        if template is not None:
            shutil.copyfile(template / "sandbox.db", directory / "sandbox.db")
            ledgers.copy(template, directory)
        self.sandbox = sandbox(directory / "sandbox.db", switches=switches, clock=self.time.now)
        self.surfaces = surfaces(surface, sandbox=True)
        self.neighbours: Sequence[Row] = ()
        self._way = transport(self.sandbox)

    def close(self) -> None:
        self.sandbox.close()

    def settle(self) -> None:
        """Nothing goes wrong any more, and the lists have caught up."""
        self.sandbox.faults.clear()
        self.time.sleep(SETTLED)

    @contextmanager
    def account(self, project: Project, boundaries: Boundaries | None = None) -> Iterator[Account]:
        """The account, open like by a new process."""
        boundaries = boundaries or Boundaries()
        limit = self.sandbox.switches.list_page_limit
        connection = chekt.Connection(
            URL,
            self.surface,
            self._credentials(),
            rate=EMBEDDED_RATE,
            page_sizes=frozenset({limit} if limit else ()),
        )
        redactor = Redactor()
        runtime = Runtime(env=SECRETS, redactor=redactor, clock=self.time.now, sleep=self.time.sleep)
        client = chekt.connect(
            connection,
            self.surfaces,
            redactor=redactor,
            transport=MortalTransport(self._way, boundaries),
            clock=self.time.stamp,
            sleep=self.time.sleep,
            jitter=lambda: 0.0,
        )
        MortalLedger.boundaries = boundaries
        with client, MortalLedger(ledgers.open_in(self.directory, "dev")) as ledger:
            ledger.boundaries = boundaries
            yield Account(project, self.surfaces, client, ledger, runtime)

    def _credentials(self) -> chekt.Credentials:
        if self.surface == "dealer":
            return chekt.DealerKeys(credentials.dealer_key(credentials.DEALER_ID))
        return chekt.ClientSecret(
            f"{URL}/oauth/token", credentials.AUDIENCE, credentials.CLIENT_ID, credentials.CLIENT_SECRET
        )

    def apply(
        self,
        project: Project,
        *,
        die_at: int | None = None,
        parallelism: int = 1,
        before_writing: Callable[[], None] = lambda: None,
    ) -> Run:
        """One ``reconciler apply``; ``before_writing`` happens between plan and apply."""
        options = workflows.Options(parallelism=parallelism)
        boundaries = Boundaries(die_at)
        try:
            with self.account(project, boundaries) as account:
                planned = workflows.make_plan(account, options, on_event=_ignore, locked=True)
                before_writing()
                applied = workflows.apply_plan(
                    account, planned, options, on_event=_ignore, stop=Stop(self.time)
                )
        except (Exception, Killed) as exc:  # noqa: BLE001  # whatever ends a run is what a test looks at
            return Run(error=exc, boundaries=boundaries.passed)
        remaining = tuple(str(change.address) for change in applied.remaining)
        return Run(applied.report.outcomes, remaining, applied.unverified, boundaries.passed)

    def rows(self) -> list[Row]:
        """Every object of the account."""
        return [row for kind in REGISTRY for row in self.sandbox.store.all(kind)]

    def wrong(self, project: Project) -> list[str]:
        """Every way in which account and ledger are not what ``project`` says; [] is what must be."""
        return list(_wrong(self, project.resources))


def _ignore(_: object) -> None:
    pass


def _wrong(world: World, desired: Sequence[Resource]) -> Iterator[str]:
    rows = world.rows()
    by_place = {(row.kind, row.scope, row.external_id): row for row in rows}
    found: dict[Address, Row] = {}
    for row in rows:
        if by_place[row.kind, row.scope, row.external_id] != row:
            yield f"{row.kind} {row.external_id} is there twice"
    for resource in sorted(desired, key=lambda each: len(each.address.path)):
        address = resource.address
        if REGISTRY[address.kind].adopted and resource.remote_id is not None:
            seen = world.sandbox.store.get(address.kind, int(resource.remote_id))
        else:
            ids = {each: row.id for each, row in found.items()}
            seen = by_place.get((address.kind, _scope(parent_of(address), ids), resource.external_id))
        if seen is None:
            yield f"{address} is lost"
        else:
            found[address] = seen
    ids = {address: row.id for address, row in found.items()}
    for resource in desired:
        binding = world.surfaces.binding(resource.address.kind)
        if resource.address in found and binding is not None:
            yield from _different(frozenset(binding.fields), resource, found[resource.address].body, ids)
    yield from _strangers(world, rows, {(row.kind, row.id) for row in found.values()})
    shown = {address: str(number) for address, number in ids.items() if world.surfaces.binding(address.kind)}
    yield from _unlike_the_ledger(world, shown)


def _strangers(world: World, rows: Sequence[Row], ours: set[tuple[str, int]]) -> Iterator[str]:
    """What others keep and is not as it was, and what nobody declared."""
    now = {(row.kind, row.id): row for row in rows}
    for neighbour in world.neighbours:
        if now.pop((neighbour.kind, neighbour.id), None) != neighbour:
            yield f"the unmanaged {neighbour.kind} {neighbour.external_id} was touched"
    for kind, number in sorted(now.keys() - ours):
        yield f"{kind} {number} ({now[kind, number].external_id}) should not be there"


def _unlike_the_ledger(world: World, wanted: Mapping[Address, str]) -> Iterator[str]:
    with Ledger(ledgers.open_in(world.directory, "dev")) as ledger:
        owned = {
            address: (row.remote_id or "").removeprefix("webhook_") for address, row in ledger.owned().items()
        }
        for intent in ledger.unsettled():
            yield f"the {intent.operation} of {intent.address} is open"
    for address in sorted(owned.keys() | wanted.keys()):
        if owned.get(address) != wanted.get(address):
            yield f"the ledger has {owned.get(address)} for {address}, not {wanted.get(address)}"


def _scope(parent: Address | None, ids: Mapping[Address, int]) -> str:
    if parent is None:
        return ""
    above = _scope(parent_of(parent), ids)
    return f"{above}/{ids.get(parent)}" if above else str(ids.get(parent))


def _different(
    shown: frozenset[str], resource: Resource, body: Mapping[str, JsonValue], ids: Mapping[Address, int]
) -> Iterator[str]:
    kind = REGISTRY[resource.address.kind]
    references = {reference.path: reference for reference in kind.references}
    for name, value in resource.fields.items():
        if name in kind.local or kind.adopted or name not in shown:
            continue
        wanted: object = SECRETS[value.name] if isinstance(value, SecretRef) else value
        if name in references and isinstance(value, str):
            target = Address.parse(value)
            wanted = ids.get(target) if references[name].by_remote_id else target.id
        elif name in {path.partition(".")[0] for path in references} and isinstance(value, list):
            wanted = [Address.parse(str(each)).id for each in value]
        held = body.get(name)
        if wanted == held:
            continue
        encoded = kind.encode(name, wanted)  # type: ignore[arg-type]
        if held != encoded and kind.decode(name, held) != wanted:
            yield f"{resource.address}: {name} is {held!r}, not {wanted!r}"
