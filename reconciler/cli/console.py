"""Where a command prints: results on stdout, notes, progress and errors on stderr, all redacted."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TextIO

from reconciler.errors import Problem, ReconcilerError, UnsafePlanError
from reconciler.escape import harmless, visible
from reconciler.redaction import Redactor

if TYPE_CHECKING:  # the command line starts before the model is built
    from datetime import datetime

    from reconciler.cli.progress import Progress
    from reconciler.observer import Observer
    from reconciler.runtime import Runtime


class OutputError(OSError):
    """A result could not be printed: stdout is a full disk, say."""


@contextmanager
def while_the_terminal_stands() -> Iterator[None]:
    """What is told on a terminal that has been closed meanwhile is told to nobody, and the run goes on."""
    try:
        yield
    except OSError as exc:
        if exc.errno != errno.EIO:
            raise
        discard(sys.stderr)


def discard(stream: TextIO) -> None:
    """Let what ``stream`` still holds, and gets, go nowhere: its last flush, at the end, must not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@dataclass(slots=True)
class Console:
    """The streams of one command. ``json``: errors go to stdout as JSON, notes are left out.

    ``log_format``: of the log on stderr, None without one; with ``json`` all of stderr is JSON, one object a
    line. ``debug``: the log tells headers and bodies too, and an error its traceback.
    ``spans`` hears of the work, None without one.
    """

    json: bool = False
    debug: bool = False
    max_rate: int | None = None
    log_format: Literal["text", "json"] | None = None
    spans: Observer | None = None
    redactor: Redactor = field(default_factory=Redactor)

    @property
    def colour(self) -> bool:
        """Whether stdout takes colours: a terminal, and ``NO_COLOR`` is not set."""
        return _colour(sys.stdout.isatty())

    @property
    def interactive(self) -> bool:
        """Whether a person can answer a question."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def runtime(self, lock_timeout: float = 0.0) -> Runtime:
        """What a run takes from this process: its environment, the clock, and stderr for its log.

        ``lock_timeout``: seconds to wait for a lock that another run holds.
        """
        from reconciler.runtime import Runtime

        return Runtime(
            os.environ,
            self.redactor,
            _now,
            observer=self.observer(),
            notice=None if self.json else self.note,
            lock_timeout=lock_timeout,
            max_rate=self.max_rate,
        )

    def observer(self) -> Observer:
        """Who hears of the work: the log and the spans, where they are asked for."""
        from reconciler.cli.logs import Log
        from reconciler.observer import Observers

        found = [] if self.spans is None else [self.spans]
        if self.log_format is not None or self.debug:
            found.append(Log(self._write, _now, as_json=self.log_format == "json", detailed=self.debug))
        return Observers(found)

    def progress(self) -> Progress:
        """How far a run has come: a bar on a terminal, plain lines elsewhere, nothing with JSON."""
        from reconciler.cli.progress import Progress

        return Progress(self)

    def confirm(self, question: str) -> bool:
        """Whether the person at the terminal typed ``yes``. Anything else is a no."""
        sys.stderr.write(f"{question}\n  Only 'yes' is accepted: ")
        sys.stderr.flush()
        answer = sys.stdin.readline()
        if not answer.endswith("\n"):
            sys.stderr.write("\n")  # Ctrl-D leaves the cursor behind the question
        return answer.strip() == "yes"

    def out(self, text: str) -> None:
        """A result, for stdout; a newline is added where there is none. Raises OutputError."""
        text = harmless(self.redactor(text), colours=self.colour)
        try:
            sys.stdout.write(text if text.endswith("\n") else text + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise OutputError(exc.errno, exc.strerror) from exc

    def document(self, content: object) -> None:
        """A result as JSON: indented, keys sorted, any script readable."""
        import json

        self.out(json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True))

    def warn(self, warnings: Iterable[str]) -> None:
        """What may be amiss, a line each, on stderr."""
        for warning in warnings:
            if self.log_format == "json":
                self._record("warning", "warning", message=warning)
            else:
                self.note(f"Warning: {printable(warning)}")

    def note(self, text: str) -> None:
        """Something for a person to read, on stderr."""
        if self.log_format == "json":
            self._record("info", "note", message=text.rstrip("\n"))
        else:
            self._write(text)

    def _record(self, level: str, event: str, **facts: object) -> None:
        from reconciler.cli.logs import record

        self._write(record(_now(), level, event, **facts))

    def _write(self, text: str) -> None:
        text = harmless(self.redactor(text), colours=_colour(sys.stderr.isatty()))
        with while_the_terminal_stands():
            sys.stderr.write(text if text.endswith("\n") else text + "\n")
            sys.stderr.flush()

    def error(self, error: ReconcilerError) -> None:
        """The error, as JSON on stdout or as text on stderr, below the plan it refuses."""
        if self.log_format == "json":
            self._record("error", "error", **error.to_json())
        if self.json:
            self.document(error.to_json())
        if self.json or self.log_format == "json":
            return
        colour = _colour(sys.stderr.isatty())
        if isinstance(error, UnsafePlanError) and error.refused is not None:
            from reconciler.render import render_plan

            self.note(render_plan(error.refused, "text", colour=colour))
        self.note(error_text(error, colour=colour))


def _now() -> datetime:
    from datetime import UTC, datetime

    return datetime.now(tz=UTC)


def _colour(terminal: bool) -> bool:  # noqa: FBT001
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def error_text(error: ReconcilerError, *, colour: bool = False) -> str:
    """The error as a person reads it: every problem with its place and the way out."""
    red, bold, off = ("\x1b[31m", "\x1b[1m", "\x1b[0m") if colour else ("", "", "")
    problems = error.problems or (Problem(error.message, error.source, error.hint, error.address),)
    heading = f"{red}{len(problems)} errors{off}\n" if len(problems) > 1 else ""
    lines = []
    for problem in problems:
        place = f"{bold}{visible(str(problem.source))}{off}: " if problem.source else ""
        address = str(problem.address or "")
        about = f"{visible(address)}: " if address and address not in problem.message else ""
        lines.append(f"{red}Error{off}: {place}{about}{printable(problem.message)}")
        if problem.hint:
            lines.append(f"  {printable(problem.hint)}")
    return heading + "\n".join(lines)


def printable(text: str) -> str:
    """``text`` with its line breaks, and all else that could drive the terminal shown as escapes."""
    return "\n".join(visible(line) for line in text.split("\n"))
