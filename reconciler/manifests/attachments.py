"""Files that manifests name and plans depend on: the iCalendar files of calendars."""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.errors import Problem
from reconciler.kinds import Kind
from reconciler.manifests.files import contains, read_text
from reconciler.manifests.nodes import Table
from reconciler.model import FieldValue

_FIELDS = {"calendar": "ics"}


@dataclass(slots=True)
class Attachments:
    """The files read so far, ``texts`` by project-relative path, and what is wrong with others."""

    directory: Path
    texts: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def attach(self, kind: Kind, table: Table, fields: dict[str, FieldValue]) -> None:
        """Read the file a resource names and put its path and digest in the field."""
        name = _FIELDS.get(kind.name)
        if name is None or fields.get(name) is None:
            return
        written = table[name]
        page = table.page_of(name)
        if not isinstance(written, str):
            self.problems.append(
                Problem(f"{name}: not the path of a file", table.value_source(name), "Write a path.")
            )
            return
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page.file), written))
        text = self._text(path, table, name)
        if text is not None:
            digest = hashlib.sha256(text.encode()).hexdigest()
            fields[name] = {"file": path, "sha256": digest}

    def _text(self, path: str, table: Table, name: str) -> str | None:
        if path in self.texts:
            return self.texts[path]
        source = table.value_source(name)
        if not contains(self.directory, self.directory / path):
            self.problems.append(
                Problem(
                    f"{name}: {path} lies outside the project, or hidden",
                    source,
                    "Put the file in the project directory.",
                )
            )
            return None
        text = read_text(self.directory / path, path)
        if isinstance(text, Problem):
            self.problems.append(Problem(f"{name}: {text.message}", source, text.hint))
            return None
        self.texts[path] = text
        return text
