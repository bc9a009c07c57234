"""One apply at a time in an environment, enforced by the operating system.

The lock is a file lock (``flock`` and its like): the system releases it when its holder ends, however
it ends. A small file beside it says who holds it. In a folder that machines share, a file lock may not
reach from one to the other, and a process number says nothing of another machine; so the holder touches
that file as long as it lives, and one that another machine touched lately is held.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from filelock import FileLock, Timeout

from reconciler.errors import LedgerError, LockedError
from reconciler.ledger.database import instant, stamp

BEAT = 15.0
"""Seconds between two touches of the file that names the holder."""

_DEAD_AFTER = 4 * BEAT
"""Seconds without a touch after which a holder on another machine has ended."""


def user_name() -> str:
    """The operating system's name of the person; its number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds, or held, the lock. ``since`` is UTC in ISO form."""

    user: str
    pid: int
    host: str
    command: str
    since: str

    def __str__(self) -> str:
        return f"`{self.command}` of {self.user}, process {self.pid} on {self.host}, since {self.since}"


_LOCKED = {
    "enforce": "enforcement in environment {}",
    "listen": "listening in environment {}",
    "verification": "answering verifications in environment {}",
    "report": "reporting of site {1} in environment {0}",
}
"""What the lock ``WHAT:ENVIRONMENT`` is of, and ``report:ENVIRONMENT:SITE``; one without a WHAT is of all."""


def spoken_lock(name: str) -> str:
    """What the lock ``name`` keeps others from, as the subject of a sentence."""
    what, _, rest = name.partition(":")
    if what not in _LOCKED or not rest:
        return f"environment {name}"
    environment, _, site = rest.rpartition(":") if what == "report" else (rest, "", "")
    return _LOCKED[what].format(environment, site)


def refusal(name: str, holder: Holder | None) -> LockedError:
    """Why the lock ``name`` cannot be had: ``holder`` has it, somebody unknown where None."""
    by = "another run" if holder is None else str(holder)
    return LockedError(
        f"{spoken_lock(name)} is locked by {by}",
        hint="Run the command again when it has finished, or let it wait: --lock-timeout 5m. "
        "The lock ends with that process.",
        command="" if holder is None else holder.command,
        since=None if holder is None else instant(holder.since),
        holder=None if holder is None else asdict(holder),
    )


class EnvironmentLock:
    """A lock, such as the right to change an environment, held from ``__enter__`` to ``__exit__``.

    ``directory`` is where the ledger lies; ``beat``: seconds between two signs of life. ``took_over``
    names, once entered, the holder that ended without releasing the lock (killed, or its machine went
    down); its unsettled intents are in the journal. None after a clean end.
    """

    def __init__(
        self, directory: Path, name: str, *, command: str, now: datetime, beat: float = BEAT
    ) -> None:
        self._name = name
        self._sidecar = _sidecar(directory, name)
        self._holder = Holder(user_name(), os.getpid(), socket.gethostname(), command, stamp(now))
        self._beat = beat
        self._released = threading.Event()
        # Bound to the process, not to a thread: a signal may end the run from another one.
        self._lock = FileLock(
            directory / f"{quote(name, safe='')}.lock", timeout=0, mode=0o644, thread_local=False
        )
        self.took_over: Holder | None = None

    def __enter__(self) -> Self:
        """Take the lock. Raises LockedError, naming the holder and since when, if another has it."""
        try:
            self._sidecar.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire()
            try:
                self.took_over = self._ended_elsewhere()
                self._announce()
            except BaseException:
                self._lock.release()
                raise
        except Timeout:
            raise refusal(self._name, _read(self._sidecar)) from None
        except OSError as exc:
            raise LedgerError(
                f"the lock of {spoken_lock(self._name)} cannot be taken: {exc}",
                hint="Let this user write the ledger's directory, on a disk with room.",
            ) from exc
        self._released.clear()
        threading.Thread(target=self._show_life, name="lock", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        try:
            self._sidecar.unlink(missing_ok=True)
        finally:
            self._lock.release()

    def _announce(self) -> None:
        """Write the sidecar in one step: a reader sees a whole one or none."""
        draft = self._sidecar.with_suffix(f".{self._holder.pid}.tmp")
        draft.write_text(json.dumps(asdict(self._holder)), encoding="utf-8")
        draft.chmod(0o644)
        draft.replace(self._sidecar)

    def _show_life(self) -> None:
        """Touch the sidecar until the lock is released."""
        while not self._released.wait(self._beat):
            with suppress(OSError):  # just released, or the folder is out of reach: then others see no life
                os.utime(self._sidecar)

    def _ended_elsewhere(self) -> Holder | None:
        """The holder that left its sidecar behind, None where there is none.

        Raises LockedError where it is another machine's and shows life, by the clock of their shared folder.
        """
        holder = _read(self._sidecar)
        if holder is None or holder.host == self._holder.host:
            return holder
        lock = Path(self._lock.lock_file)
        os.utime(lock)
        try:
            shown = self._sidecar.stat().st_mtime
        except FileNotFoundError:  # released meanwhile
            return None
        if lock.stat().st_mtime - shown < _DEAD_AFTER:
            raise refusal(self._name, _read(self._sidecar))
        return holder


def _sidecar(directory: Path, name: str) -> Path:
    return directory / f"{quote(name, safe='')}.holder.json"


def holder_of(directory: Path, name: str) -> Holder | None:
    """Who holds the lock, told without taking it: the holder that is named and shows life."""
    sidecar = _sidecar(directory, name)
    holder = _read(sidecar)
    if holder is None:
        return None
    try:
        if holder.host != socket.gethostname():
            return holder if time.time() - sidecar.stat().st_mtime < _DEAD_AFTER else None
        os.kill(holder.pid, 0)
    except PermissionError:
        return holder  # another user's process
    except OSError:
        return None
    return holder


def _read(sidecar: Path) -> Holder | None:
    """The holder named in ``sidecar``; None where there is none or it is no holder's."""
    try:
        text = sidecar.read_text(encoding="utf-8")
    except OSError:
        return None
    try:
        content = json.loads(text)
        since = stamp(instant(content["since"]))
        texts = {name: str(content[name]) for name in ("user", "host", "command")}
        return Holder(**texts, pid=int(content["pid"]), since=since)
    except (ValueError, TypeError, KeyError):
        return None
