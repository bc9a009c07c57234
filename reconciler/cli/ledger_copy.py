"""``ledger copy``: everything one ledger remembers, into another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.console import Console, printable
from reconciler.errors import ConfigError, LedgerError

if TYPE_CHECKING:
    from reconciler.ledger import Ledger, Store
    from reconciler.manifests import Project
    from reconciler.runtime import Runtime

_FROM_ENV = "env:"


@click.command(
    epilog="""\b
Examples:
  reconciler ledger copy .reconciler/ledger.db 'postgresql:///reconciler?schema=acme'
  reconciler ledger copy git+branch://reconciler-ledger .reconciler/ledger.db --env production
  reconciler ledger copy .reconciler/ledger.db env:RECONCILER_LEDGER_URL""",
    short_help="Copy what one ledger remembers into another, empty one.",
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@options.project
@options.lock_timeout
@click.pass_obj
def copy(console: Console, source: str, target: str, reading: options.Reading, lock_timeout: float) -> None:
    """Copy the ledger FROM into TO: each as in `ledger:`, or env:NAME for a URL kept in a variable.

    Of all environments, or of one with --env. Both are locked meanwhile, TO must be empty or hold the same,
    and afterwards they are compared row by row. FROM stays as it is; write TO under `ledger:` to use it.
    """
    project, runtime = reading.settings_alone(), console.runtime(lock_timeout)
    ends = _Ends(project, runtime, source, target)
    names = [reading.environment] if reading.environment else ends.environments()
    done = {name: found for name in names if (found := ends.copy(name))}
    if not done:
        raise LedgerError(
            f"there is nothing to copy: {source} remembers nothing", hint="Name another ledger, or --env."
        )
    for name, counts in done.items():
        rows = ", ".join(f"{table} {count}" for table, count in sorted(counts.items()))
        console.out(printable(f"{name}: the same in both: {rows}"))


class _Ends:
    """The two ledgers of a copy, by environment."""

    def __init__(self, project: Project, runtime: Runtime, source: str, target: str) -> None:
        self._project = project
        self._runtime = runtime
        self._source = source
        self._target = target
        if source == target:
            raise ConfigError("FROM and TO are one ledger", hint="Name another one to copy to.")

    def environments(self) -> list[str]:
        """Those that the project knows, and that FROM remembers."""
        from reconciler.ledger.copying import environments
        from reconciler.manifests.settings import environment_names

        names = environment_names(self._project.settings)
        with self._opened(self._store(self._source, names[0])) as ledger:
            return sorted({*names, *environments(ledger)})

    def copy(self, environment: str) -> dict[str, int]:
        """The rows copied of each table; none where FROM remembers nothing."""
        from reconciler.ledger.copying import content, copied

        with ExitStack() as stack:
            source = self._locked(stack, self._source, environment)
            ledger = stack.enter_context(self._opened(source))
            if not any(content(ledger, limited=False).values()):
                return {}
            with ExitStack() as inner:
                target = self._locked(inner, self._target, environment)
                with target.open() as other:
                    counts = copied(ledger, other)
            self._compare(ledger, environment)
            return counts

    def _compare(self, ledger: Ledger, environment: str) -> None:
        """Read TO anew, as the next run does. Raises LedgerError where it is not FROM."""
        from reconciler.ledger import BranchStore
        from reconciler.ledger.copying import content

        target = self._store(self._target, environment)
        limited = isinstance(target, BranchStore) or isinstance(
            self._store(self._source, environment), BranchStore
        )
        with target.open() as other:
            if content(ledger, limited=limited) != content(other, limited=limited):
                raise LedgerError(
                    f"{self._target} does not hold what was copied to it",
                    hint="Do not use it, and copy again into an empty one.",
                )

    def _locked(self, stack: ExitStack, text: str, environment: str) -> Store:
        """The store at ``text``, where nothing is applied and nothing armed until ``stack`` ends."""
        from reconciler.runtime import entered

        enforcing, store = self._store(text, environment), self._store(text, environment)
        for each, name in ((enforcing, f"enforce:{environment}"), (store, environment)):
            lock = each.lock(name, command="ledger copy", now=self._runtime.clock())
            entered(stack, lock, self._runtime)
        return store

    @contextmanager
    def _opened(self, store: Store) -> Iterator[Ledger]:
        if not store.exists():
            raise LedgerError(f"there is no ledger at {self._source}", hint="Name one that was used.")
        with store.open() as ledger:
            yield ledger

    def _store(self, text: str, environment: str) -> Store:
        from reconciler.manifests.ledger_setting import LedgerPlace, ledger_place
        from reconciler.model import SecretRef
        from reconciler.stores import store_at

        try:
            place: LedgerPlace | SecretRef = (
                SecretRef("env", text.removeprefix(_FROM_ENV))
                if text.startswith(_FROM_ENV)
                else ledger_place(text)
            )
        except ValueError as exc:
            raise ConfigError(
                f"this names no ledger: {exc}", hint="Write it as under `ledger:`, or as env:NAME."
            ) from exc
        runtime = self._runtime
        return store_at(place, self._project.directory, environment, runtime.env, runtime.redactor)
