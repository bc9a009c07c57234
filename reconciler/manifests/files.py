"""The files of a project: which ones are manifests, and their text."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from reconciler.errors import Problem
from reconciler.manifests.settings import SETTINGS_FILE
from reconciler.model import Source

TEMPLATE_SUFFIX = ".yaml.j2"
_SUFFIXES = (".yaml", ".yml", TEMPLATE_SUFFIX)
MAX_BYTES = 64 * 1024 * 1024
"""Of one file. Editors give up long before."""


@dataclass(slots=True)
class Found:
    """The manifests below a directory, project-relative and sorted, and what could not be looked at."""

    files: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def find(directory: Path) -> Found:
    """Every manifest below ``directory``: hidden files and folders and the settings file are none."""
    found = Found()
    _walk(directory, PurePosixPath(), (), found)
    found.files.sort()
    return found


def _walk(directory: Path, below: PurePosixPath, above: tuple[tuple[int, int], ...], found: Found) -> None:
    folder = directory / below
    try:
        info = folder.stat()
        names = sorted(os.listdir(folder))  # noqa: PTH208 - names only, sorted
    except OSError as exc:
        found.problems.append(_unreadable(str(below), exc, "directory"))
        return
    here = (info.st_dev, info.st_ino)
    if here in above:
        found.problems.append(
            Problem(
                f"{below}: a link back to a folder above it", Source(str(below), 1, 1), "Remove the link."
            )
        )
        return
    for name in names:
        if name.startswith("."):
            continue
        if not name.isprintable() or any("\ud800" <= letter <= "\udfff" for letter in name):
            found.problems.append(
                Problem(
                    f"{name!a}: the name of a file is not readable text",
                    Source(ascii(str(below / name)), 1, 1),
                    "Rename it.",
                )
            )
            continue
        path = below / name
        if os.path.isdir(directory / path):  # noqa: PTH112 - unlike Path.is_dir, never raises
            _walk(directory, path, (*above, here), found)
        elif name.endswith(_SUFFIXES):
            if name != SETTINGS_FILE:
                found.files.append(path.as_posix())
            elif path.as_posix() != SETTINGS_FILE:
                found.problems.append(
                    Problem(
                        f"{path}: a project has one {SETTINGS_FILE}, at its root",
                        Source(path.as_posix(), 1, 1),
                        "Move its settings there, or run in that folder as a project of its own.",
                    )
                )


def _unreadable(file: str, exc: OSError, what: str) -> Problem:
    why = exc.strerror or type(exc).__name__
    return Problem(
        f"{file}: this {what} cannot be read: {why}",
        Source(file, 1, 1),
        f"Create the {what}, or let this user read it.",
    )


_KEPT: ContextVar[dict[str, str] | None] = ContextVar("_KEPT", default=None)


@contextmanager
def texts_read() -> Iterator[dict[str, str]]:
    """The project's files that are read while the block runs: text by project-relative path.

    What a project is made of is known only to its loader: templates include files and read tables.
    Secrets are not read that way.
    """
    kept: dict[str, str] = {}
    token = _KEPT.set(kept)
    try:
        yield kept
    finally:
        _KEPT.reset(token)


class NotTextError(Exception):
    """A file is there and can be opened, yet is not what is wanted: message, and the way out."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def read_text(path: Path, file: str) -> str | Problem:
    """The text of a regular UTF-8 file, without its byte-order mark; a problem where that fails.

    ``file`` is the name in messages.
    """
    try:
        content = read_bytes(path, MAX_BYTES)
    except OSError as exc:
        return _unreadable(file, exc, "file")
    except NotTextError as exc:
        return Problem(f"{file}: {exc.message}", Source(file, 1, 1), exc.hint)
    text = decoded(content, file)
    kept = _KEPT.get()
    if kept is not None and isinstance(text, str):
        kept[posixpath.normpath(file)] = text
    return text


def decoded(content: bytes, file: str) -> str | Problem:
    """The text of a UTF-8 file's content, without its byte-order mark; a problem where it is no UTF-8."""
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as exc:
        before = content[: exc.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode("utf-8")) + 1
        wide = content.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff"))
        return Problem(
            f"{file}: not UTF-8 text" + (", but UTF-16 or UTF-32" if wide else ""),
            Source(file, line, column),
            "Save the file in the UTF-8 encoding.",
        )


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of a regular file of at most ``limit`` bytes. Raises OSError and NotTextError.

    What is looked at is the file that was opened: a name can be given to another one, such as a pipe that
    nobody writes to, at any moment.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        before = os.fstat(stream.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise NotTextError("not a regular file", "Put a text file there.")
        if before.st_size > limit:
            raise NotTextError(f"larger than {_size(limit)}", "Split it into several.")
        content = stream.read(limit + 1)
        after = os.fstat(stream.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(
        content
    ) != before.st_size:
        raise NotTextError("changed while it was read", "Run again when nothing writes to it.")
    return content


def _size(count: int) -> str:
    return f"{count // 2**20} MiB" if count >= 2**20 else f"{count // 2**10} KiB"


def contains(directory: Path, path: Path) -> bool:
    """Whether manifests may read ``path``: links followed, in ``directory`` and in no hidden folder.

    What lies in ``.git`` may hold credentials, and a plan is shown to people who may not see them.
    """
    target, root = Path(os.path.realpath(path)), os.path.realpath(directory)
    if not target.is_relative_to(root):
        return False
    return not any(step.startswith(".") for step in target.relative_to(root).parts)
