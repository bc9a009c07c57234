"""The ``ledger`` setting: an SQLite file, a branch of the project's repository, or a PostgreSQL database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

from reconciler.kinds.schedule import seconds

DEFAULT_FILE = ".reconciler/ledger.db"
DEFAULT_LEASE = timedelta(minutes=10)
DEFAULT_SCHEMA = "reconciler"
_SCHEME = "git+branch"
_DATABASE_SCHEMES = ("postgresql", "postgres")
_SECRET_OPTIONS = {"password", "sslpassword"}
_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_NAME = re.compile(r"(?!.*(\.\.|//|/\.|\.lock(/|$)|[/.]$))[A-Za-z0-9_][A-Za-z0-9._/-]*")
_REMOTE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_LEASE = re.compile(r"[1-9][0-9]{0,4}[smh]")


@dataclass(frozen=True, slots=True)
class LedgerFile:
    """An SQLite file, relative to the project's directory."""

    path: str


@dataclass(frozen=True, slots=True)
class LedgerBranch:
    """A branch of ``remote`` (None: ``origin``, or the only one); a claim on it holds for ``lease``."""

    name: str
    remote: str | None = None
    lease: timedelta = DEFAULT_LEASE


@dataclass(frozen=True, slots=True)
class LedgerDatabase:
    """The schema ``schema`` of the PostgreSQL database ``url``, in libpq's form."""

    url: str
    schema: str = DEFAULT_SCHEMA


LedgerPlace = LedgerFile | LedgerBranch | LedgerDatabase


def ledger_place(text: str) -> LedgerPlace:
    """What ``ledger: text`` names.

    Raises ValueError for a text that names nothing, and for one with a password, which it never tells.
    """
    if "://" not in text:
        return LedgerFile(text)
    parts = urlsplit(text)
    if parts.scheme in _DATABASE_SCHEMES:
        place = database_place(text)
        if any(passwords_in(text)):
            raise ValueError(
                "a password is never written in a manifest; leave it to PGPASSWORD or a service file, or "
                "keep the whole URL elsewhere: ledger: {env: RECONCILER_LEDGER_URL}"
            )
        return place
    if parts.scheme != _SCHEME:
        raise ValueError(
            f"{parts.scheme}:// is no place for a ledger; write a file, {_SCHEME}://BRANCH or "
            "postgresql://HOST/DATABASE"
        )
    name = parts.netloc + parts.path
    if not _NAME.fullmatch(name) or parts.fragment:
        raise ValueError(f"{name!r} is no name of a branch; write {_SCHEME}://reconciler-ledger")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(options.keys() - {"remote", "lease"})
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no option of a ledger on a branch; there are remote and lease")
    remote, lease = options.get("remote"), options.get("lease")
    if remote is not None and not _REMOTE.fullmatch(remote):
        raise ValueError(f"{remote!r} is no name of a remote; write the name that `git remote` shows")
    if lease is not None and not _LEASE.fullmatch(lease):
        raise ValueError(f"the lease {lease!r} is no length of time; write 10m")
    return LedgerBranch(name, remote, timedelta(seconds=seconds(lease)) if lease else DEFAULT_LEASE)


def database_place(url: str) -> LedgerDatabase:
    """The ledger in a PostgreSQL database; what its URL leaves out, libpq takes from PGDATABASE and the like.

    Raises ValueError, without the URL, for one that names none.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _DATABASE_SCHEMES:
        raise ValueError("it is no URL of a PostgreSQL database; write postgresql://HOST/DATABASE")
    address, _, query = rest.partition("?")
    options = query.split("&") if query else []
    schemas = [option.partition("=")[2] for option in options if option.partition("=")[0] == "schema"]
    schema = schemas[-1] if schemas else DEFAULT_SCHEMA
    if not _SCHEMA.fullmatch(schema):
        raise ValueError(f"{schema!r} is no name of a schema; write small letters, digits and _")
    kept = "&".join(option for option in options if option.partition("=")[0] != "schema")
    return LedgerDatabase(f"postgresql://{address}{f'?{kept}' if kept else ''}", schema)


def passwords_in(url: str) -> list[str]:
    """The passwords written in the URL of a database. Raises ValueError for what is no URL."""
    parts = urlsplit(url)
    user, _, _ = parts.netloc.rpartition("@")
    written = [unquote(user.partition(":")[2])]
    written += [value for name, value in parse_qsl(parts.query) if name in _SECRET_OPTIONS]
    return [password for password in written if password]
