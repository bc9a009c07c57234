"""The ``git`` program, asked without touching anything a person works with.

Objects are written and one branch of the remote is moved, and what tracks it. The working tree, the
index, HEAD and every local branch stay as they are; no hook runs, nothing is signed, nobody is asked for
a password, and every call has an end.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from reconciler.errors import LedgerError

LOCAL_SECONDS = 60.0
REMOTE_SECONDS = 120.0
IDENTITY = ("reconciler", "reconciler@localhost")

_MISLEADING = re.compile(
    r"GIT_(DIR|WORK_TREE|INDEX_FILE|INDEX_VERSION|COMMON_DIR|PREFIX|NAMESPACE|OBJECT_DIRECTORY"
    r"|ALTERNATE_OBJECT_DIRECTORIES|QUARANTINE_PATH|IMPLICIT_WORK_TREE|GRAFT_FILE|SHALLOW_FILE"
    r"|NO_REPLACE_OBJECTS|REPLACE_REF_BASE|INTERNAL_SUPER_PREFIX|EXTERNAL_DIFF|PAGER|LITERAL_PATHSPECS"
    r"|(AUTHOR|COMMITTER)_(NAME|EMAIL|DATE)|TRACE.*|TR2.*|REDIRECT_.*|PUSH_OPTION.*)"
)
"""Variables that would send git elsewhere, as a hook's do. Those for access (SSH, askpass, config) stay."""

_QUIET = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "commit.gpgSign=false",
    "push.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.writeCommitGraph=false",
    "advice.detachedHead=false",
)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)")


class GitError(LedgerError):
    """A git command that failed; ``text`` is what it said, without credentials."""

    def __init__(self, command: str, text: str) -> None:
        super().__init__(
            f"the ledger is kept on a git branch, and `git {command}` failed: {text}",
            hint="Let this user write the repository's `.git`, on a disk with room, and run it again.",
        )
        self.text = text


class Git:
    """The repository around a directory, by ``root``, its top."""

    def __init__(self, directory: Path) -> None:
        """Raises LedgerError where ``directory`` lies in no repository, or git is missing."""
        self.root = directory
        try:
            self.root = Path(self.run("rev-parse", "--show-toplevel"))
            self.shallow = self.run("rev-parse", "--is-shallow-repository") == "true"
            self.prefix = self.run("rev-parse", "--show-prefix", directory=directory).rstrip("/")
        except GitError as exc:
            raise LedgerError(
                f"the ledger is kept on a git branch, and git finds no repository at {directory}: {exc.text}",
                hint="Keep the project in a git repository, or name a file under `ledger:`.",
            ) from exc

    def run(
        self,
        *arguments: str,
        given: bytes = b"",
        variables: Mapping[str, str] | None = None,
        seconds: float = LOCAL_SECONDS,
        directory: Path | None = None,
    ) -> str:
        """What ``git ARGUMENTS`` answers, without the line's end. ``given``: its input.

        Raises GitError where it fails or takes longer than ``seconds``, LedgerError where it is missing.
        """
        raw = self.read(*arguments, given=given, variables=variables, seconds=seconds, directory=directory)
        return raw.decode(errors="replace").rstrip("\n")

    def read(
        self,
        *arguments: str,
        given: bytes = b"",
        variables: Mapping[str, str] | None = None,
        seconds: float = LOCAL_SECONDS,
        directory: Path | None = None,
    ) -> bytes:
        """As ``run``, the bytes as they are."""
        options = [word for setting in _QUIET for word in ("-c", setting)]
        try:
            # A session of its own: no terminal to ask a password on, and Ctrl-C lets a push end.
            process = subprocess.Popen(  # noqa: S603  # the arguments are ours, without a shell
                ["git", *options, *arguments],  # noqa: S607  # the user's git, from PATH
                cwd=directory or self.root,
                env={**_environment(), **(variables or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as exc:
            raise LedgerError(
                f"the ledger is kept on a git branch, and git cannot be started: {exc.strerror}",
                hint="Install git, 2.30 or later, or name a file under `ledger:` in reconciler.yaml.",
            ) from exc
        with process:
            try:
                out, err = process.communicate(given, timeout=seconds)
            except BaseException as exc:
                with suppress(ProcessLookupError):  # it has ended by itself meanwhile
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                if isinstance(exc, subprocess.TimeoutExpired):
                    raise GitError(arguments[0], f"no end after {seconds:.0f} s") from exc
                raise
        if process.returncode:
            said = _CREDENTIALS.sub("***", (err + out).decode(errors="replace")).strip()
            raise GitError(arguments[0], said or f"exit code {process.returncode}")
        return out

    def blobs(self, names: Sequence[str]) -> list[bytes | None]:
        """The contents of the objects ``names``, in order; None for one that does not exist."""
        answer = self.read("cat-file", "--batch", given="".join(f"{name}\n" for name in names).encode())
        found: list[bytes | None] = []
        for _ in names:
            head, _, answer = answer.partition(b"\n")
            if head.endswith(b"missing"):
                found.append(None)
            else:
                size = int(head.split()[-1])
                found.append(answer[:size])
                answer = answer[size + 1 :]
        return found

    def remote(self, wanted: str | None) -> str:
        """``wanted``, else ``origin``, else the only remote there is. Raises LedgerError."""
        known = self.run("remote").splitlines()
        if wanted is None:
            wanted = known[0] if len(known) == 1 else "origin"
        if wanted not in known:
            raise LedgerError(
                f"the repository {self.root} has no remote {wanted}",
                hint="Add it with `git remote add`, or name another: ledger: git+branch://NAME?remote=REMOTE.",
            )
        return wanted


def _environment() -> dict[str, str]:
    name, email = IDENTITY
    kept = {key: value for key, value in os.environ.items() if not _MISLEADING.fullmatch(key)}
    return {
        **kept,
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
    }
