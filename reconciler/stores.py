"""Where a ledger is, opened: the store at what ``ledger:`` names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reconciler.errors import ConfigError
from reconciler.ledger import KEY_VARIABLE, BranchStore, FileStore, Store, database_store
from reconciler.manifests import secrets
from reconciler.manifests.ledger_setting import (
    LedgerDatabase,
    LedgerFile,
    LedgerPlace,
    database_place,
    passwords_in,
)
from reconciler.model import SecretRef
from reconciler.redaction import Redactor


def store_at(
    place: LedgerPlace | SecretRef,
    directory: Path,
    environment: str,
    env: Mapping[str, str],
    redact: Redactor,
) -> Store:
    """The ledger of ``environment`` at ``place``; files are relative to ``directory``.

    ``env``: environment variables; what in them is secret is masked from now on. Raises ConfigError,
    SecretError, and LedgerError where the branch's repository is not to be found.
    """
    if isinstance(place, SecretRef):
        place = _referenced(place, directory, env, redact)
    if isinstance(place, LedgerFile):
        return FileStore(directory / place.path, environment)
    if isinstance(place, LedgerDatabase):
        redact.add(env.get("PGPASSWORD", ""))
        return database_store(place.url, place.schema, environment, env, redact)
    redact.add(env.get(KEY_VARIABLE, ""))
    return BranchStore(directory, environment, place.name, remote=place.remote, lease=place.lease, env=env)


def _referenced(ref: SecretRef, directory: Path, env: Mapping[str, str], redact: Redactor) -> LedgerDatabase:
    """The database whose URL is kept outside of the manifests."""
    url = secrets.resolve(ref, directory, env)
    redact.add(url)
    try:
        for password in passwords_in(url):
            redact.add(password)
        return database_place(url)
    except ValueError as exc:
        raise ConfigError(
            f"the ledger's URL in {{{ref.store}: {ref.name}}} cannot be used: {exc}",
            hint="Write it as postgresql://USER:PASSWORD@HOST/DATABASE?schema=NAME.",
        ) from exc
