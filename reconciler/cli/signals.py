"""SIGINT, SIGTERM and SIGHUP as a wish to stop, for commands that must finish what they have begun."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from reconciler.cli.console import Console


@contextmanager
def stop_on_signal(console: Console, wake: Callable[[], object] = lambda: None) -> Iterator[threading.Event]:
    """An event that SIGINT, SIGTERM and SIGHUP set while the block runs, in place of ending the process.

    ``wake`` is called then: it ends a wait for something else. A SIGHUP that is ignored (``nohup``) stays so.
    """
    stop = threading.Event()
    came: SimpleQueue[bool] = SimpleQueue()

    def tell() -> None:
        if came.get():
            console.note("Stopping: what is under way is finished, nothing else is begun.")

    def on_signal(number: int, frame: object) -> None:  # noqa: ARG001  # the signature is the system's
        stop.set()
        wake()
        came.put(True)  # told by a thread: the signal may have come in the middle of a write to stderr

    telling = threading.Thread(target=tell, name="stopping", daemon=True)
    telling.start()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield stop
    finally:
        for number, action in before.items():
            signal.signal(number, action)
        came.put(False)
        telling.join()
