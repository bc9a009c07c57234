"""One server for all the processes of a run: whoever needs it first starts it, the last one to end stops it.

A keeper, a process of its own, runs the server. Every user holds a shared lock on one file as long as it
lives, and the keeper waits for that lock alone: the system gives it when the last user has ended, however
it ended.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock

NOTE, USERS = "postgresql.socket", "postgresql.users"
USER, DATABASE = "reconciler", "postgres"

_schemas = itertools.count(1)
_joined: list[IO[str]] = []
"""The locks that say this process uses a server; the system releases them with it."""

_keepers: list[subprocess.Popen[str]] = []
"""Those this process started, which outlive it by a moment."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, by the folder of its socket. Everybody who can reach the socket may do everything."""

    folder: Path

    @property
    def url(self) -> str:
        """The database, for libpq."""
        return f"postgresql://{USER}@/{DATABASE}?host={self.folder}"

    def schema(self) -> str:
        """The name of a schema that nobody has used: a ledger's own."""
        return f"test_{os.getpid()}_{next(_schemas)}"

    def ledger(self) -> str:
        """What ``ledger:`` names for a ledger that nobody has used."""
        return f"{self.url}&schema={self.schema()}"


_servers: list[Server] = []


def running() -> Server:
    """The server this process has joined."""
    assert _servers, "nobody has asked for a PostgreSQL server"
    return _servers[-1]


def join(shared: Path) -> Server:
    """The server of everybody who names the folder ``shared``, until this process ends.

    Raises RuntimeError where it cannot be started, with what it said.
    """
    note, users = shared / NOTE, (shared / USERS).open("a")
    with FileLock(shared / "postgresql.lock"):
        try:
            fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:  # the last one has just ended: wait until it is gone
            fcntl.flock(users, fcntl.LOCK_SH)
        _joined.append(users)
        if not note.exists():
            _start_keeper(shared)
        server = Server(Path(note.read_text(encoding="utf-8")))
    _servers.append(server)
    return server


def _start_keeper(shared: Path) -> None:
    """Returns when the server takes connections. Nothing of this process is left open in the keeper."""
    root = Path(__file__).parents[2]
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.postgresql.keeper", str(shared)],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for the tests; the keeper sees them end
        text=True,
    )
    _keepers.append(keeper)
    assert keeper.stdout is not None
    with keeper.stdout as output:
        said = output.read()  # it closes its output once it has nothing more to say
    if said:
        raise RuntimeError(f"the tests' PostgreSQL server did not start: {said}")
