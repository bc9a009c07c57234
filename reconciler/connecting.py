"""The way to an account: a host with its credentials and limits, or the simulator in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from reconciler import chekt
from reconciler.errors import ConfigError
from reconciler.manifests import Project, secrets
from reconciler.manifests.ledger_setting import LedgerDatabase
from reconciler.manifests.settings import RateSettings
from reconciler.model import SecretRef, Shelf, Surface
from reconciler.runtime import Runtime, store_of

if TYPE_CHECKING:
    import httpx

    from reconciler.sandbox import Sandbox

    Way: TypeAlias = httpx.BaseTransport
    """Where requests go in place of the network."""

EMBEDDED_URL = "http://sandbox.localhost"

EMBEDDED_RATE = chekt.Rate(per_minute=6_000_000, burst=100_000)
"""The simulator in process has nobody to be considerate of."""

DATA = ".reconciler"


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
