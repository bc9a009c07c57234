"""Files written whole: plans, schemas, metrics, heartbeats."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from reconciler.errors import ConfigError


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write ``text`` to ``path`` in one step: a reader sees the old file or the new one, never a part.

    ``mode``: the file's permissions. Raises ConfigError where the file cannot be written.
    """
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
