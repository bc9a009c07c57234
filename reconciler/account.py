"""One project's account, opened: the client that reaches it, the ledger that remembers it.

The composition of the L4 rooms that every flow starts with. The embedded environment gets a simulator
in this process; its data lies in ``.reconciler/sandbox.db`` of the project.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler import chekt
from reconciler.connecting import connection_to, simulator
from reconciler.errors import ConfigError, SecretError
from reconciler.kinds.operations import SUBJECTS
from reconciler.kinds.surfaces import Surfaces, confirmed, surfaces
from reconciler.ledger import Ledger, Lock, take_lanes_back
from reconciler.manifests import Project, secrets
from reconciler.model import Address, Resource, SecretRef, Surface
from reconciler.runtime import Runtime, account_lock, store_of

if TYPE_CHECKING:
    from reconciler.chekt.client import Client
    from reconciler.connecting import Way

SIMULATOR = "the simulator"
"""The account of every sandbox, in process or on a port: nothing real depends on which it is."""


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
