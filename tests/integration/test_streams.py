"""No arguments, closed streams, full disks, damaged files: a sentence, never a traceback."""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import DEALER, Cli

RECONCILER = f"{sys.executable} -m reconciler"


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", line],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("words", ["", "ledger", "sandbox"])
def test_a_command_left_out_shows_the_help(words: str) -> None:
    ended = shell(f"{RECONCILER} {words}")
    assert ended.returncode == 1
    assert ended.stderr.startswith("Usage: reconciler")


def test_the_shell_completes_commands() -> None:
    ended = shell(
        f"{RECONCILER}",
        _RECONCILER_COMPLETE="bash_complete",
        COMP_WORDS="reconciler pl",
        COMP_CWORD="1",
    )
    assert ended.stdout == "plain,plan\n"


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_a_stream_may_be_closed(redirection: str, project: Callable[..., Path]) -> None:
    directory = project(account_yaml=DEALER)
    ended = shell(f"{RECONCILER} validate {directory} {redirection}")
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("words", ["--format text", "--format json"])
def test_a_full_disk_under_stdout_is_said_on_stderr(
    words: str, project: Callable[..., Path], tmp_path: Path
) -> None:
    directory = project(account_yaml=DEALER)
    ended = shell(f"ulimit -f 0; {RECONCILER} validate {directory} {words} >{tmp_path / 'out'}")
    assert ended.returncode == 1
    assert ended.stderr == "Error: the output cannot be written: File too large\n"


@pytest.mark.parametrize("words", ["--help", "--version", "plan --help"])
def test_a_full_disk_is_no_defect_of_the_help(words: str, tmp_path: Path) -> None:
    ended = shell(f"ulimit -f 0; {RECONCILER} {words} >{tmp_path / 'out'}")
    assert ended.returncode == 1
    assert ended.stderr == "Error: the output cannot be written: File too large\n"


def test_a_plan_is_saved_only_where_a_file_can_stand(
    cli: Cli, project: Callable[..., Path], tmp_path: Path
) -> None:
    directory = project(account_yaml=DEALER)
    pipe, stream = tmp_path / "pipe", tmp_path / "stream"
    os.mkfifo(pipe)
    stream.symlink_to("/proc/self/fd/1")
    for place in (pipe, stream, tmp_path):
        result = cli("plan", directory, "--out", place)
        assert (result.code, "it is a directory, device or pipe" in result.err) == (1, True)
    assert (pipe.is_fifo(), stream.is_symlink()) == (True, True)


def test_the_command_that_applies_a_saved_plan_can_be_pasted(
    cli: Cli, project: Callable[..., Path], tmp_path: Path
) -> None:
    place = tmp_path / "the plan.json"
    said = cli("plan", project(account_yaml=DEALER), "--out", place).err
    _, command = said.splitlines()[-1].split("Apply it with: reconciler apply ")
    assert shlex.split(command) == [str(place)]


@pytest.mark.parametrize(
    ("typed", "code"), [(b"yes\n", 0), (b"no\n", 1), (b"y\n", 1), (b"\x04", 1)], ids=["yes", "no", "y", "^D"]
)
@pytest.mark.parametrize("words", ["--format=text", "--format=json"])
def test_an_apply_asks_at_the_terminal_and_takes_only_yes(
    project: Callable[..., Path], typed: bytes, code: int, words: str
) -> None:
    directory = project(account_yaml=DEALER)
    person, terminal = pty.openpty()
    process = subprocess.Popen(
        [*RECONCILER.split(), "apply", str(directory), words],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
    )
    os.close(terminal)
    heard = b""
    while b"Only 'yes' is accepted" not in heard:
        heard += os.read(person, 4096)
    os.write(person, typed)
    out, _ = process.communicate(timeout=60)
    heard += os.read(person, 4096)
    os.close(person)
    assert process.returncode == code
    assert b"adopt dealer:acme" in heard + out
    assert (b"not confirmed; nothing was changed" in heard + out) is (code == 1)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (".reconciler", b"", "the folder"),
        (".reconciler/sandbox.db", b"no database", "the sandbox's data in"),
        (".reconciler/ledger.db", b"no database", "the ledger"),
    ],
)
def test_a_file_of_ours_that_is_no_use(
    cli: Cli, project: Callable[..., Path], name: str, content: bytes, said: str
) -> None:
    directory = project(account_yaml=DEALER)
    path = directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    ended = cli("plan", directory)
    assert ended.code == 1
    assert ended.err.startswith(f"Error: {said} {directory}")
