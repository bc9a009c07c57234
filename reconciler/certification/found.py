"""What a certification found before it changed anything, on disk until it is put back.

A process that is killed puts nothing back; the next certification reads this and does.
"""

from __future__ import annotations

import json
from pathlib import Path

from reconciler.chekt import wire
from reconciler.errors import PlanError
from reconciler.files import write_whole
from reconciler.model import JsonObject, JsonValue


class Found:
    """What was found, in parts, each until it is put back.

    ``state``: the site's. ``field``: what ``Field`` keeps.
    """

    def __init__(self, path: Path, place: JsonObject) -> None:
        """``place``: the host and the site. Raises PlanError for a file of another place, or a broken one."""
        self._path = path
        self._place = place
        self._parts: JsonObject = {}
        if not path.exists():
            return
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise PlanError(
                f"{path} cannot be read: what a certification that was ended found is in it",
                hint="Look after the site, then remove the file.",
            ) from exc
        where, parts = (kept.get("place"), kept.get("found")) if wire.is_object(kept) else (None, None)
        if where != place or not wire.is_object(parts):
            names = ", ".join(map(str, where.values())) if wire.is_object(where) else "another site"
            raise PlanError(
                f"a certification was ended before it had put back what it found ({names})",
                hint=f"Certify there again, which puts it back; or look after it, and remove {path}.",
            )
        self._parts = dict(parts)

    def part(self, name: str) -> JsonValue:
        """What is still to be put back of ``name``; None for nothing."""
        return self._parts.get(name)

    def keep(self, name: str, value: JsonValue) -> None:
        """Write down what was found. Raises ConfigError where it cannot be written."""
        if self._parts.get(name) != value:
            self._parts[name] = value
            self._write()

    def settle(self, name: str) -> None:
        """It is put back."""
        if self._parts.pop(name, None) is None:
            return
        if self._parts:
            self._write()
        else:
            self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        content = {"place": self._place, "found": self._parts}
        write_whole(self._path, json.dumps(content, indent=2, sort_keys=True) + "\n", 0o600)
