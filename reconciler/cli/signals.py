"""SIGINT, SIGTERM and SIGHUP as a wish to stop, for commands that must finish what they have begun."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciler.cli.console import Console


@contextmanager
def stop_on_signal(console: Console, wake: Callable[[], object] = lambda: None) -> Iterator[threading.Event]:
    """An event that SIGINT, SIGTERM and SIGHUP set while the block runs, in place of ending the process.

    ``wake`` is called then: it ends a wait for something else. A SIGHUP that is ignored (``nohup``) stays so.
    """
    stop = threading.Event()

    def on_signal(number: int, frame: object) -> None:  # noqa: ARG001  # the signature is the system's
        first = not stop.is_set()
        stop.set()
        wake()
        if first:
            console.note("Stopping: what is under way is finished, nothing else is begun.")

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield stop
    finally:
        for number, action in before.items():
            signal.signal(number, action)
