"""How far a run has come: a bar on a terminal, plain lines elsewhere, nothing where JSON is asked for."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from reconciler.cli.console import while_the_terminal_stands
from reconciler.engine import Event, IntentRecovered, ReadProgress, StepFinished, StepStarted, ValueReplaced
from reconciler.escape import visible
from reconciler.writes import OutcomeStatus

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from reconciler.cli.console import Console

_SHOWN = {
    OutcomeStatus.DONE: "done",
    OutcomeStatus.FAILED: "FAILED",
    OutcomeStatus.SKIPPED: "skipped",
    OutcomeStatus.UNKNOWN: "UNKNOWN",
}


class Progress:
    """Hears the events of a run and shows them on stderr. A context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Bar | None = None
        self._reading: TaskID | None = None
        self._writing: TaskID | None = None

    def __enter__(self) -> Self:
        quiet = self._console.json or self._console.debug or self._console.log_format is not None
        if not quiet and sys.stderr.isatty():
            from rich.console import Console as Terminal
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._bar = Bar(*columns, console=Terminal(stderr=True), transient=True)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()

    def pause(self) -> None:
        """Take the bar away: a question or a result is about to be printed."""
        if self._bar is not None:
            with while_the_terminal_stands():
                self._bar.stop()
            self._bar, self._reading, self._writing = None, None, None

    def __call__(self, event: Event) -> None:
        match event:
            case ReadProgress(done, planned):
                self._reading = self._moved(self._reading, "Reading", done, planned)
            case StepFinished():
                self._writing = self._moved(self._writing, "Applying", event.done, event.total)
                self._finished(event)
            case ValueReplaced(address, path):
                self._line(f"  {address}: CHeKT stored its own value for {path}; remembered, not drift")
            case IntentRecovered(address, operation, message):
                self._line(f"  {address}: {operation} of an earlier run: {message}")
            case StepStarted():
                return

    def _finished(self, event: StepFinished) -> None:
        part = f" ({event.part})" if event.part else ""
        why = f": {event.message}" if event.message else ""
        word = _SHOWN.get(event.status, event.status.value)
        self._line(f"  [{event.done}/{event.total}] {event.operation} {event.address}{part} {word}{why}")

    def _moved(self, task: TaskID | None, title: str, done: int, total: int) -> TaskID | None:
        if self._bar is None:
            return None
        if task is None:
            task = self._bar.add_task(title, total=total)
        self._bar.update(task, completed=done, total=total)
        return task

    def _line(self, text: str) -> None:
        if self._console.json:
            return
        line = visible(self._console.redactor(text))
        if self._bar is not None:
            with while_the_terminal_stands():
                self._bar.console.print(line, markup=False, highlight=False)
        else:
            self._console.note(line)
