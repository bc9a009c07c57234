"""The ``ledger`` setting: an SQLite file, or a branch of the repository the project lies in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

from reconciler.kinds.schedule import seconds

DEFAULT_FILE = ".reconciler/ledger.db"
DEFAULT_LEASE = timedelta(minutes=10)
_SCHEME = "git+branch"
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


def ledger_place(text: str) -> LedgerFile | LedgerBranch:
    """What ``ledger: text`` names. Raises ValueError for a text that names nothing."""
    if "://" not in text:
        return LedgerFile(text)
    parts = urlsplit(text)
    if parts.scheme != _SCHEME:
        raise ValueError(f"{parts.scheme}:// is no place for a ledger; write a file or {_SCHEME}://BRANCH")
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
