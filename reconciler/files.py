"""Files written whole: plans, schemas, metrics, heartbeats."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from reconciler.errors import ConfigError


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write ``text`` to ``path`` in one step: a reader sees the old file or the new one, never a part.

    ``mode``: the file's permissions. Raises ConfigError where the file cannot be written, or ``path`` is a
    directory, device or pipe: one step means a new file in its place, which ``/dev/null`` must not become.
    """
    if _is_no_file(path):
        raise ConfigError(
            f"{path} cannot be written: it is a directory, device or pipe",
            hint="Name a file in a directory you can write.",
        )
    try:
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
            Path(draft).chmod(mode)
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise ConfigError(
            f"{path} cannot be written: {exc.strerror}", hint="Name a file in a directory you can write."
        ) from exc


def _is_no_file(path: Path) -> bool:
    """Whether something else than a file, or a process's open stream (``/dev/stdout``), is at ``path``."""
    stream = path.is_symlink() and path.readlink().is_relative_to("/proc")
    return stream or (path.exists() and not path.is_file())
