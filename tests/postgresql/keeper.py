"""Runs the tests' server until nobody uses it: ``python -m tests.postgresql.keeper FOLDER``."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.postgresql.programs import NOBODY, as_whom, programs
from tests.postgresql.server import NOTE, USER, USERS

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_CLUSTER = ("-E", "UTF8", "--no-locale", "--no-sync")
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # what a killed process wrote is kept all the same; only a machine's crash loses it
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "autovacuum": "off",
    "max_wal_senders": "0",
    "wal_level": "minimal",
}


def keep(shared: Path) -> None:
    """Start a server, note in ``shared`` where it listens, and stop it when its last user has ended."""
    # The path of a socket is short by law: not below pytest's own folders.
    room = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        make(room)
        server = start(room)
        try:
            note = shared / NOTE
            note.write_text(str(room / "run"), encoding="utf-8")
            _say("")
            with (shared / USERS).open("a") as users:
                fcntl.flock(users, fcntl.LOCK_EX)
                note.unlink(missing_ok=True)
                stop(server)
        finally:
            stop(server)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def make(room: Path) -> None:
    """An empty database cluster in the folder ``room``. Raises RuntimeError with what was said."""
    for name in ("run", "data"):
        (room / name).mkdir(mode=0o700)
    if as_whom():
        room.chmod(0o711)
        for name in ("run", "data"):
            os.chown(room / name, NOBODY, NOBODY)
    folder, data = programs(room), room / "data"
    (room / "programs").symlink_to(folder)
    with (room / "log").open("wb") as log:
        made = subprocess.run(
            [*(folder / "initdb", "-D", data, "-U", USER, "-A", "trust"), *_CLUSTER],
            cwd=data,
            stdout=log,
            stderr=log,
            check=False,
            **as_whom(),  # type: ignore[call-overload]
        )
    if made.returncode:
        raise RuntimeError((room / "log").read_text(errors="replace"))


def start(room: Path) -> subprocess.Popen[bytes]:
    """The server of what ``make`` made; it takes connections. Raises RuntimeError with what it said."""
    data = room / "data"
    settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    with (room / "log").open("ab") as log:
        server = subprocess.Popen(
            [(room / "programs").resolve() / "postgres", "-D", data, "-k", room / "run", *settings],
            cwd=data,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **as_whom(),  # type: ignore[call-overload]
        )
    until = time.monotonic() + _START_SECONDS
    pid_file = data / "postmaster.pid"
    while not (pid_file.exists() and pid_file.read_text().splitlines()[-1].strip() == "ready"):
        if server.poll() is not None or time.monotonic() > until:
            stop(server)
            raise RuntimeError((room / "log").read_text(errors="replace"))
        time.sleep(0.02)
    return server


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server without waiting for those still connected."""
    if server.poll() is None:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _say(text: str) -> None:
    """``text``, and that nothing follows, to whoever waits for the server."""
    sys.stdout.write(text)
    sys.stdout.flush()
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)


def _end(*_: object) -> None:
    sys.exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    try:
        keep(Path(sys.argv[1]))
    except (RuntimeError, OSError) as exc:
        _say(str(exc) or type(exc).__name__)
