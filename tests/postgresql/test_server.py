"""The tests bring their own PostgreSQL server, and leave none behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psycopg

from tests.postgresql import Server

_ROOT = Path(__file__).parents[2]
_USER = """
import os, sys
from pathlib import Path
from tests.postgresql import join
print(join(Path(sys.argv[1])).folder, flush=True)
sys.stdin.read()
os.kill(os.getpid(), 9)
"""


def _user(shared: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _USER, str(shared)],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_ledger_of_the_server_is_one_that_nobody_has_used(postgresql: Server) -> None:
    assert postgresql.ledger() != postgresql.ledger()
    with psycopg.connect(postgresql.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_processes_share_a_server_and_it_ends_with_the_last_one_killed(tmp_path: Path) -> None:
    with _user(tmp_path) as one, _user(tmp_path) as other:
        assert one.stdin is not None
        assert one.stdout is not None
        assert other.stdin is not None
        assert other.stdout is not None
        folder = Path(one.stdout.readline().strip())
        assert folder == Path(other.stdout.readline().strip())
        one.stdin.close()
        one.wait()
        with psycopg.connect(Server(folder).url):  # closed here: the server does not wait for it
            other.stdin.close()
            other.wait()
    until = time.monotonic() + 20
    while folder.parent.exists():
        assert time.monotonic() < until, "the server is still there"
        time.sleep(0.02)
