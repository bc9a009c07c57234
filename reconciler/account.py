"""One project's account, opened: the client that reaches it, the ledger that remembers it.

The composition of the L4 rooms that every flow starts with. The embedded environment gets a simulator
in this process; its data lies in ``.reconciler/sandbox.db`` of the project.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from reconciler import chekt
from reconciler.errors import ConfigError, LockedError, SecretError
from reconciler.kinds.operations import SUBJECTS
from reconciler.kinds.surfaces import Surfaces, confirmed, surfaces
from reconciler.ledger import Ledger, Lock, Store, take_lanes_back
from reconciler.manifests import Project, secrets
from reconciler.manifests.ledger_setting import DEFAULT_FILE, LedgerDatabase, LedgerFile
from reconciler.manifests.settings import RateSettings
from reconciler.model import Address, Resource, SecretRef, Shelf, Surface
from reconciler.observer import NOBODY, Observer
from reconciler.redaction import Redactor
from reconciler.stores import store_at

if TYPE_CHECKING:
    import httpx

    from reconciler.chekt.client import Client
    from reconciler.sandbox import Sandbox

    Way: TypeAlias = httpx.BaseTransport
    """Where requests go in place of the network."""

EMBEDDED_URL = "http://sandbox.localhost"
EMBEDDED_RATE = chekt.Rate(per_minute=6_000_000, burst=100_000)
"""The simulator in process has nobody to be considerate of."""

SIMULATOR = "the simulator"
"""The account of every sandbox, in process or on a port: nothing real depends on which it is."""

DATA = ".reconciler"

_LOCK_POLL = (0.2, 5.0)
"""Seconds between two attempts at a lock that another run holds: at first, and at most. A remote is asked."""

NOTICEABLE = 1.0
"""Seconds of waiting that a person is told of."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a run takes from outside: environment variables, redactor, clock, and how it sleeps.

    ``observer`` hears of the work, ``notice`` what a waiting person should know. ``stores``: the
    ledgers in use, by directory and environment, so that a ledger and its locks know of each other.
    ``lock_timeout``: seconds to wait for a lock that another run holds. ``max_rate``: requests a minute,
    at most. ``permit`` raises where this run may send nothing any more; it is asked before every request.
    """

    env: Mapping[str, str]
    redactor: Redactor
    clock: Callable[[], datetime]
    observer: Observer = NOBODY
    notice: Callable[[str], None] | None = None
    stores: dict[tuple[Path, str], Store] = field(default_factory=dict)
    lock_timeout: float = 0.0
    max_rate: int | None = None
    sleep: Callable[[float], object] = time.sleep
    permit: Callable[[], None] | None = None

    def wait_for_lists(self, seconds: float) -> None:
        """Wait for what was made just now, and tell that."""
        self.waiting("What was made just now is in no list yet", seconds)
        self.sleep(seconds)

    def waiting(self, why: str, seconds: float) -> None:
        """Tell that something is tried again, where the wait is long enough to wonder."""
        if self.notice is not None and seconds >= NOTICEABLE:
            self.notice(f"{why}; trying again in {seconds:.0f} s")


@dataclass(frozen=True, slots=True)
class Account:
    """An open account of ``project`` in its chosen environment. ``warnings``: what its plans have to tell."""

    project: Project
    surfaces: Surfaces
    client: Client
    ledger: Ledger
    runtime: Runtime
    warnings: tuple[str, ...] = ()

    @property
    def rate_per_minute(self) -> float:
        """The request budget, sustained."""
        connection = self.client.connection
        rate = connection.rate or chekt.DOCUMENTED_RATES[connection.surface]
        return min(rate.per_minute, connection.max_rate or rate.per_minute)

    def width(self, most: int) -> Callable[[], int]:
        """Tells how many requests are worth having in flight, ``most`` at most."""
        return lambda: self.client.transport.width.worth(most)

    def secret(self, ref: SecretRef) -> str:
        """The value of a manifest's secret; masked from now on in everything that is printed."""
        value = secrets.resolve(ref, self.project.directory, self.runtime.env)
        self.runtime.redactor.add(value)
        return value

    def secret_digests(self) -> dict[Address, dict[str, str]]:
        """The keyed digest of every secret the manifests refer to, by resource and field.

        Raises SecretError for the first one that cannot be resolved, with the place it is written at.
        """
        digests: dict[Address, dict[str, str]] = {}
        for resource in self.project.resources:
            for name, value in resource.fields.items():
                if isinstance(value, SecretRef):
                    digest = self.ledger.secret_digest(self._written_secret(resource, name, value))
                    digests.setdefault(resource.address, {})[name] = digest
        return digests

    def _written_secret(self, resource: Resource, name: str, ref: SecretRef) -> str:
        try:
            return self.secret(ref)
        except SecretError as exc:
            place = resource.positions.get(name, resource.source)
            raise SecretError(exc.message, hint=exc.hint, source=place, address=resource.address) from exc

    @contextmanager
    def lock(self, command: str) -> Iterator[Lock]:
        """The right to change the account, to be entered for the time of ``command``.

        Workers that still carry out lanes of a run whose command has died are stopped first.
        """
        with account_lock(self.project, self.runtime, command) as lock:
            take_lanes_back(self.ledger, self.runtime.sleep)
            yield lock


def account_lock(project: Project, runtime: Runtime, command: str) -> AbstractContextManager[Lock]:
    """The right to change the account of ``project``, to be entered for the time of ``command``."""
    return held_lock(project, runtime, project.environment.name, command)


@contextmanager
def held_lock(project: Project, runtime: Runtime, name: str, command: str) -> Iterator[Lock]:
    """The lock ``name`` of the project's ledger, held until the block ends.

    Waits for it as long as the run was told to, and says so. Raises LockedError, naming the holder.
    """
    lock = store_of(project, runtime).lock(name, command=command, now=runtime.clock())
    with ExitStack() as stack:
        entered(stack, lock, runtime)
        yield lock


def entered(stack: ExitStack, lock: Lock, runtime: Runtime) -> None:
    """Hold ``lock`` until ``stack`` ends; waits for it as ``held_lock`` does. Raises LockedError."""
    notice = runtime.notice or (lambda _: None)
    _enter(stack, lock, runtime.lock_timeout, notice)
    if lock.took_over is not None:
        notice(f"Took over the lock of {lock.took_over}, which ended without releasing it.")


def _enter(stack: ExitStack, lock: Lock, patience: float, notice: Callable[[str], None]) -> None:
    until = time.monotonic() + patience
    pause, longest = _LOCK_POLL
    waiting = False
    while True:
        try:
            stack.enter_context(lock)
        except LockedError as exc:
            left = until - time.monotonic()
            if left <= 0:
                raise
            if not waiting:
                notice(f"Waiting up to {patience:g} s: {exc.message}.")
            waiting = True
            time.sleep(min(pause, left))
            pause = min(1.2 * pause, longest)
        else:
            return


def store_of(project: Project, runtime: Runtime) -> Store:
    """Where the ledger of the project's environment is kept; the same one for all of a run."""
    name = project.environment.name
    key = (project.directory, name)
    if key not in runtime.stores:
        place = project.settings.ledger_place
        if project.environment.is_embedded and not isinstance(place, LedgerFile):
            place = LedgerFile(DEFAULT_FILE)  # this directory's own, as the simulator in process is
        runtime.stores[key] = store_at(place, project.directory, name, runtime.env, runtime.redactor)
    return runtime.stores[key]


@contextmanager
def open_account(
    project: Project,
    runtime: Runtime,
    surface: Surface | None = None,
    way: Way | None = None,
) -> Iterator[Account]:
    """The account of ``project``, open until the block ends.

    ``surface``: the one to go through, the environment's own by default. Arming always goes through the
    dealer surface (DESIGN section 4), so a partner project then needs dealer keys, and only these.
    ``way``: into a simulator that is open already, where several surfaces are to see the same one.

    Raises ConfigError for endpoint corrections that make no sense, AuthError for missing credentials,
    LedgerError.
    """
    environment = project.environment
    chosen = surface or environment.surface
    served = served_by(project, chosen, sandbox=environment.is_sandbox)
    closing = threading.Event()
    with ExitStack() as stack:
        transport = way
        if transport is None and environment.is_embedded:
            transport = stack.enter_context(simulator(project, runtime))
        connection = connection_to(project, runtime, chosen)
        warnings: list[str] = []
        ledger = stack.enter_context(store_of(project, runtime).open(warnings.append))
        ledger.bind(account_name(project))
        served = confirmed(served, {each.endpoint for each in ledger.confirmations()})
        client = stack.enter_context(
            chekt.connect(
                connection,
                served,
                redactor=runtime.redactor,
                transport=transport,
                sleep=closing.wait,
                on_wait=runtime.waiting,
            )
        )
        stack.callback(closing.set)  # before the client closes: wake whoever waits to try again
        yield Account(project, served, client, ledger, runtime, tuple(warnings))


def served_by(project: Project, surface: Surface, *, sandbox: bool) -> Surfaces:
    """How ``surface`` serves each kind, as the project corrects it. Raises ConfigError.

    ``sandbox``: what only the simulator serves, too.
    """
    corrections = project.settings.endpoints
    if surface != project.environment.surface:  # those of kinds are for the environment's own surface
        corrections = {name: fixed for name, fixed in corrections.items() if name in SUBJECTS}
    try:
        return surfaces(surface, sandbox=sandbox, corrections=corrections)
    except ValueError as exc:
        raise ConfigError(str(exc), hint="Correct `endpoints` in reconciler.yaml.") from exc


def account_name(project: Project) -> str:
    """What the ledger calls the account: the root of its API, or the simulator."""
    environment = project.environment
    return SIMULATOR if environment.is_sandbox or environment.base_url is None else environment.base_url


def connection_to(
    project: Project,
    runtime: Runtime,
    surface: Surface,
    keys: Mapping[str, str] | chekt.EventKey | None = None,
) -> chekt.Connection:
    """The way to the account over ``surface``. Raises AuthError, SecretError and ConfigError.

    ``keys``: API keys by dealer id, those of the environment by default; or the one of the Event API.
    """
    if project.environment.is_embedded:
        embedded = _embedded(project, runtime, surface)
        return replace(embedded, credentials=keys) if isinstance(keys, chekt.EventKey) else embedded
    return _remote(project, runtime, surface, dealer_keys(project, runtime) if keys is None else keys)


def dealer_keys(project: Project, runtime: Runtime, only: str | None = None) -> dict[str, str]:
    """The API keys written for the environment's dealers, or for ``only`` one, by CHeKT's dealer id.

    Raises SecretError for the first that cannot be resolved.
    """
    by_id = {r.address.id: r.remote_id for r in project.resources if r.address.kind == "dealer"}
    keys: dict[str, str] = {}
    for name, dealer in project.environment.dealers.items():
        if only in (None, name):
            value = secrets.resolve(dealer.api_key, project.directory, runtime.env)
            runtime.redactor.add(value)
            keys[by_id.get(name) or name] = value
    return keys


def data_directory(project: Project) -> Path:
    """``.reconciler`` of the project, made private when it is made. Raises ConfigError where it cannot be."""
    path = project.directory / DATA
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise ConfigError(
            f"the folder {path} cannot be made: {exc.strerror}",
            hint="Let this user write the project's directory, and keep no file of that name in it.",
        ) from exc
    return path


@contextmanager
def simulator(project: Project, runtime: Runtime) -> Iterator[Way]:
    """The way into the embedded sandbox, in which the dealers the project names are connected."""
    from reconciler.sandbox import Sandbox, Switches, transport  # noqa: PLC0415  embedded runs only

    switches = Switches(rate_limits=False, arming_model=project.arming_model)
    sandbox = Sandbox(data_directory(project) / "sandbox.db", switches=switches, clock=runtime.clock)
    try:
        for resource in project.resources:
            if resource.address.kind == "dealer" and resource.remote_id is not None:
                sandbox.seed_dealer(int(resource.remote_id), resource.external_id)
        if project.environment.seed is not None:
            _set_up(sandbox, project, project.environment.seed)
        with transport(sandbox) as way:
            yield way
    finally:
        sandbox.close()


def _set_up(sandbox: Sandbox, project: Project, seed: str) -> None:
    """Fill the embedded sandbox with what people are said to have set up in the portal."""
    path = project.directory / seed
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for dealer_id, account in content.items():
            sandbox.set_up(int(dealer_id), account)
    except (OSError, ValueError, AttributeError) as exc:
        raise ConfigError(
            f"the seed {seed} cannot be used: {exc}",
            hint='Write JSON such as {"12345": {"sites": [{"external_id": "hq", "name": "HQ"}]}}.',
        ) from exc


def _embedded(project: Project, runtime: Runtime, surface: Surface) -> chekt.Connection:
    from reconciler.sandbox import credentials  # noqa: PLC0415  embedded runs only

    environment = project.environment
    dealers = [r.remote_id for r in project.resources if r.address.kind == "dealer" and r.remote_id]
    known: chekt.Credentials
    if surface == "dealer":
        known = chekt.DealerKeys(None, {dealer: credentials.dealer_key(int(dealer)) for dealer in dealers})
    else:
        known = chekt.ClientSecret(
            f"{EMBEDDED_URL}/oauth/token",
            credentials.AUDIENCE,
            credentials.CLIENT_ID,
            credentials.CLIENT_SECRET,
        )
    return chekt.Connection(
        EMBEDDED_URL,
        surface,
        known,
        dialect=environment.dialect,
        clear=environment.clear,
        rate=EMBEDDED_RATE,
        max_rate=runtime.max_rate,
        observer=runtime.observer,
        permit=runtime.permit,
    )


def _remote(
    project: Project, runtime: Runtime, surface: Surface, keys: Mapping[str, str] | chekt.EventKey
) -> chekt.Connection:
    environment = project.environment
    assert environment.base_url is not None
    known: chekt.Credentials
    if isinstance(keys, chekt.EventKey):
        known = keys
    else:
        known = chekt.credentials_from_env(runtime.env, surface, dealers=keys, redactor=runtime.redactor)
    documented = chekt.DOCUMENTED_RATES[surface]
    # The rate written for an environment is its own surface's; the other one keeps the documented figures.
    rate = environment.rate if surface == environment.surface else RateSettings()
    return chekt.Connection(
        environment.base_url,
        surface,
        known,
        dialect=environment.dialect,
        clear=environment.clear,
        rate=chekt.Rate(rate.per_minute or documented.per_minute, rate.burst or documented.burst),
        connect_timeout=environment.timeouts.connect,
        read_timeout=environment.timeouts.read,
        state_dir=state_directory(runtime.env),
        shelf=_shelf(project, runtime),
        max_rate=runtime.max_rate,
        observer=runtime.observer,
        permit=runtime.permit,
    )


def _shelf(project: Project, runtime: Runtime) -> Shelf | None:
    """Where the machines of the project share its request budgets; None: each has its own."""
    if isinstance(project.settings.ledger_place, LedgerDatabase | SecretRef):
        return store_of(project, runtime).shelf()
    return None


def state_directory(env: Mapping[str, str]) -> Path:
    """The user's folder for state shared by projects: the request budget (XDG base directories)."""
    base = env.get("XDG_STATE_HOME") or ""
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state"
    return root / "reconciler"
