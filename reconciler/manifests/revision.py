"""A project as it was at a git revision, without touching the checkout."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from reconciler.errors import ConfigError

_OF_ANOTHER = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
"""Set where git runs a hook; here the directory alone decides which repository is meant."""

_LINK, _SUBMODULE = b"120000", b"160000"
_WHOLE_HISTORY = (
    "This clone has only the newest commits. Fetch them all: `fetch-depth: 0` for actions/checkout, or "
    "`git fetch --unshallow`."
)


@dataclass(frozen=True, slots=True)
class Revision:
    """The commit at which ``ref`` and the checkout of ``directory`` parted."""

    directory: Path
    ref: str
    commit: str
    env: Mapping[str, str]


class _Entry(NamedTuple):
    """A file of a commit: its mode and content id, and its path below the project."""

    mode: bytes
    content: bytes
    path: PurePosixPath


def parted(directory: Path, ref: str, env: Mapping[str, str]) -> Revision:
    """The commit that ``git diff REF...`` compares with: the best common ancestor of ``ref`` and HEAD.

    So what others did on the branch since does not count, as in a pull request. ``env``: the environment
    variables git runs with. Raises ConfigError where ``directory`` is in no repository, where ``ref`` is
    no commit there, and where the two have no commit in common.
    """
    environment = _environment(env)
    inside = _git(directory, environment, "rev-parse", "--is-shallow-repository")
    if inside.returncode:
        raise ConfigError(
            f"{directory} is in no git repository that can be read: {_said(inside)}",
            hint="--changed-since compares with a commit; run it in a checkout that has its .git.",
        )
    shallow = inside.stdout.strip() == b"true"
    known = None if ref.startswith("-") else _commit(directory, environment, f"{ref}^{{commit}}")
    if known is None:
        raise ConfigError(
            f"--changed-since {ref}: this repository has no such commit",
            hint=_WHOLE_HISTORY if shallow else "Name a branch, tag or commit it has, such as origin/main.",
        )
    found = _git(directory, environment, "merge-base", known, "HEAD")
    if found.returncode:
        raise ConfigError(
            f"--changed-since {ref}: {ref} and HEAD have no commit in common here",
            hint=_WHOLE_HISTORY if shallow else "Name a branch that this one began from.",
        )
    return Revision(directory, ref, found.stdout.decode().strip(), environment)


@contextmanager
def exported(revision: Revision) -> Iterator[Path]:
    """A directory with the project's files as the revision has them, gone when the block ends.

    Hidden files are left out, as manifests are never read from them. Raises ConfigError where the
    revision has no such directory, and for a link that leads out of it.
    """
    with tempfile.TemporaryDirectory(prefix="reconciler-") as place:
        target = Path(place) / "project"
        target.mkdir()
        entries = _entries(revision)
        contents = Path(place) / "contents"
        with contents.open("wb") as stream:
            asked = b"".join(entry.content + b"\n" for entry in entries)
            done = _git(
                revision.directory, revision.env, "cat-file", "--batch", feed=asked, out=stream.fileno()
            )
        if done.returncode:
            raise ConfigError(f"git cannot read the files of {revision.ref}: {_said(done)}")
        with contents.open("rb") as stream:
            for entry in entries:
                size = int(stream.readline().split()[-1])
                _write(target, entry, stream.read(size), revision)
                stream.read(1)
        yield target


def _entries(revision: Revision) -> list[_Entry]:
    prefix = _git(revision.directory, revision.env, "rev-parse", "--show-prefix").stdout.rstrip(b"\n")
    tree = f"{revision.commit}:{os.fsdecode(prefix)}"
    listed = _git(revision.directory, revision.env, "ls-tree", "-r", "-z", "--full-tree", tree)
    if listed.returncode:
        raise ConfigError(f"{revision.ref} has no directory {os.fsdecode(prefix) or '.'}")
    entries = []
    for line in listed.stdout.split(b"\0")[:-1]:
        about, _, path = line.partition(b"\t")
        mode, _, content = about.split(b" ")
        below = PurePosixPath(os.fsdecode(path))
        if mode != _SUBMODULE and not any(step.startswith(".") for step in below.parts):
            entries.append(_Entry(mode, content, below))
    return entries


def _write(target: Path, entry: _Entry, content: bytes, revision: Revision) -> None:
    path = target / entry.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if entry.mode != _LINK:
        path.write_bytes(content)
        return
    leads = os.path.normpath(path.parent / os.fsdecode(content))
    if not Path(leads).is_relative_to(target):
        raise ConfigError(f"{entry.path} at {revision.ref} is a link that leads out of the project")
    path.symlink_to(os.fsdecode(content))


def _commit(directory: Path, env: Mapping[str, str], name: str) -> str | None:
    found = _git(directory, env, "rev-parse", "--verify", "--quiet", name)
    return None if found.returncode else found.stdout.decode().strip()


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in env.items() if name not in _OF_ANOTHER}
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


def _git(
    directory: Path, env: Mapping[str, str], *arguments: str, feed: bytes = b"", out: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603 - no shell, and what a person wrote never begins with a dash
            ["git", "-C", str(directory), *arguments],  # noqa: S607 - the git of this machine
            input=feed,
            stdout=out,
            stderr=subprocess.PIPE,
            env=dict(env),
            check=False,
        )
    except OSError as exc:
        raise ConfigError(
            f"git cannot be run: {exc.strerror}", hint="--changed-since needs git; install it."
        ) from exc


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return os.fsdecode(done.stderr).strip().partition("\n")[0].removeprefix("fatal: ")
