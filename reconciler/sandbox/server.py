"""The sandbox on a port, behind waitress."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from reconciler.sandbox.errors import Dropped
from reconciler.sockets import bound

if TYPE_CHECKING:
    from reconciler.sandbox.app import Sandbox

_TICK = 0.2

_CONNECTIONS = 2000
"""Open at the same time, at most: a fleet keeps some open for every dealer key."""


class Server:
    """A running server. ``url`` is its origin; ``close`` stops it and waits for its threads."""

    def __init__(self, sandbox: Sandbox, host: str, port: int, threads: int) -> None:
        from waitress import create_server  # type: ignore[import-untyped]  # noqa: PLC0415

        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            try:
                return sandbox(environ, start_response)
            except Dropped as exc:
                time.sleep(exc.seconds)
                raise

        # waitress closes the connection without an answer on an OSError, such as Dropped, unless it
        # is told to log socket errors.
        self._server: Any = create_server(
            app,
            sockets=[bound(host, port)],
            threads=threads,
            connection_limit=_CONNECTIONS,
            asyncore_use_poll=True,  # select() ends at 1,024 descriptors
            log_socket_errors=False,
            clear_untrusted_proxy_headers=True,
            ident="chekt-sandbox",
        )
        # A queue of requests is what a busy client makes; it is no news for the person at the terminal.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._sandbox = sandbox
        self._stopping = threading.Event()
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._server.effective_port}"
        self._threads = [
            threading.Thread(target=self._server.run, name="sandbox-server", daemon=True),
            threading.Thread(target=self._deliver, name="sandbox-deliveries", daemon=True),
        ]

    def start(self) -> None:
        """Begin to answer, in the background."""
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        """Block until the server is closed, or Ctrl-C."""
        self._stopping.wait()

    def close(self) -> None:
        """Stop answering. Closing twice does nothing."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._server.task_dispatcher.shutdown()
        self._server.trigger.pull_trigger(self._close_in_loop)
        for thread in self._threads:
            thread.join(timeout=5)

    def _close_in_loop(self) -> None:
        """Close the listening socket and every connection, on the thread that polls them."""
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _deliver(self) -> None:
        while not self._stopping.wait(_TICK):
            self._sandbox.deliver()


def serve(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0, *, threads: int = 8) -> Server:
    """Serve ``sandbox`` in the background; port 0 takes a free one. Raises OSError when it is taken."""
    server = Server(sandbox, host, port, threads)
    server.start()
    return server
