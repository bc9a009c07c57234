"""The directory that an import fills: with everything, or with nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import ConfigError
from reconciler.manifests.files import find
from reconciler.manifests.settings import SETTINGS_FILE


def refuse_taken(directory: Path) -> None:
    """Raise ConfigError unless ``directory`` can take an import: it may hold anything but manifests."""
    if directory.exists() and not directory.is_dir():
        raise ConfigError(f"{directory} is not a directory", hint="Name a new or empty directory.")
    found = find(directory).files if directory.exists() else []
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise ConfigError(
            f"{directory} already holds manifests: {found[0]}{more}; nothing was written",
            hint="Import into a new directory, or take over single objects with `import ADDRESS ID`.",
        )


def settings_in(directory: Path) -> str | None:
    """The text of the settings as it stands, line ends included."""
    path = directory / SETTINGS_FILE
    return path.read_bytes().decode("utf-8") if path.exists() else None


@contextmanager
def beside(directory: Path) -> Iterator[Path]:
    """A hidden folder in ``directory``, in which no manifest is looked for, until the block ends."""
    try:
        place = Path(tempfile.mkdtemp(prefix=".import-", dir=directory))
    except OSError as exc:
        raise ConfigError(
            f"{directory} cannot be written: {exc.strerror}", hint="Let this user write it."
        ) from exc
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def moved_into(place: Path, directory: Path) -> Iterator[None]:
    """Everything in ``place`` in ``directory``; where the block fails, nothing of it.

    Only the settings may be there already; their old text comes back on a failure.
    """
    done: list[Path] = []
    kept = directory / SETTINGS_FILE
    before = kept.read_bytes() if kept.exists() else None
    try:
        for source in sorted(place.iterdir()):
            target = directory / source.name
            if os.path.lexists(target) and source.name != SETTINGS_FILE:
                raise ConfigError(
                    f"{target} is there already; nothing was written",
                    hint="Move it away, or import elsewhere.",
                )
            done.append(target)
            source.replace(target)
        yield
    except BaseException:
        for target in done:
            if target == kept and before is not None:
                target.write_bytes(before)
            elif target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)
        raise
