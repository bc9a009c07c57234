"""What a step says to the runner: workflow commands on stdout, and the files it names.

Formats: docs.github.com, "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

from reconciler.escape import harmless, visible

Level = Literal["error", "warning", "notice"]

SUMMARY_LIMIT = 1_000_000
"""Bytes a step may add to the summary; GitHub drops one of more than 1 MiB (1,048,576) whole."""

_CUT = "\n\nThe rest is left out: the summary is full.\n"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an annotation points: a file relative to the repository's root, line and column from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Runner:
    """The runner of this job. ``env``: the step's environment; ``out``: its stdout."""

    env: Mapping[str, str]
    out: TextIO

    def mask(self, value: str) -> None:
        """Keep ``value`` out of the log from now on, each of its lines by itself too."""
        for secret in {value, *value.splitlines()}:
            if secret.strip():
                self._command("add-mask", {}, secret)

    def annotate(self, level: Level, title: str, message: str, place: Place | None = None) -> None:
        """A note on the job's page and, with a ``place``, in the changed file."""
        where: dict[str, str] = {}
        if place is not None:
            where = {"file": place.file, "line": str(place.line), "col": str(place.column)}
        told = harmless(message, colours=False)
        self._command(level, {**where, "title": harmless(title, colours=False)}, told)

    @contextmanager
    def foreign(self) -> Iterator[None]:
        """The time in which what others wrote is printed: nothing in it is taken for a command."""
        token = uuid.uuid4().hex
        self._command("stop-commands", {}, token)
        try:
            yield
        finally:
            self._command(token, {}, "")

    def tell(self, text: str) -> None:
        """Print ``text``, which others may have written, into the log."""
        with self.foreign():
            self.out.write(harmless(text.removesuffix("\n"), colours=False) + "\n")

    def output(self, name: str, value: str) -> None:
        """Set the step's output ``name``; the value may hold anything."""
        end = f"end-{uuid.uuid4().hex}"
        self._append("GITHUB_OUTPUT", f"{name}<<{end}\n{value}\n{end}\n")

    def room(self) -> int:
        """How many bytes the summary still takes."""
        path = self.env.get("GITHUB_STEP_SUMMARY", "")
        used = Path(path).stat().st_size if path and Path(path).exists() else 0
        return max(SUMMARY_LIMIT - used - len(_CUT), 0)

    def summary(self, markdown: str) -> None:
        """Add ``markdown`` to the job's summary, cut where it is full."""
        text = markdown if markdown.endswith("\n") else markdown + "\n"
        data = text.encode("utf-8")
        if len(data) > self.room():
            text = data[: self.room()].decode("utf-8", errors="ignore") + _CUT
        self._append("GITHUB_STEP_SUMMARY", text)

    def _append(self, variable: str, text: str) -> None:
        path = self.env.get(variable)
        if path:
            with Path(path).open("a", encoding="utf-8") as stream:
                stream.write(text)

    def _command(self, name: str, properties: Mapping[str, str], message: str) -> None:
        written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
        self.out.write(f"::{name}{' ' if written else ''}{written}::{_data(message)}\n")
        self.out.flush()


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(visible(text)).replace(":", "%3A").replace(",", "%2C")
