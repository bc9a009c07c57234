"""waitress on one port, with limits for slow, large and many clients; what it refuses itself is told of."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from waitress import create_server  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.task import ErrorTask  # type: ignore[import-untyped]

from reconciler.listening.admission import Reason
from reconciler.sockets import bound

Application: TypeAlias = Callable[[Mapping[str, Any], Callable[..., object]], Iterable[bytes]]

CutOff: TypeAlias = Callable[[Reason, str], None]
"""Told why a request did not reach the application, and the address at the other end."""

_FLUSH_SECONDS = 2.0
_CLOSE_SECONDS = 10.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client, and all of them, may ask for. Sizes in bytes, times in seconds.

    ``request_seconds``: for a request to arrive whole, and for a connection to stay idle. ``threads``:
    requests answered at the same time.
    """

    body: int = 1024 * 1024
    header: int = 16 * 1024
    request_seconds: float = 20.0
    connections: int = 500
    threads: int = 16


DEFAULT_LIMITS = Limits()


class Server:
    """A server for ``application``, bound from the beginning; ``url`` and ``port`` say where."""

    def __init__(
        self, application: Application, cut_off: CutOff, host: str, port: int, limits: Limits
    ) -> None:
        self._server: Any = create_server(
            application,
            sockets=[bound(host, port)],
            threads=limits.threads,
            connection_limit=limits.connections,
            backlog=1024,
            channel_timeout=limits.request_seconds,
            cleanup_interval=1,
            max_request_body_size=limits.body + 1,  # waitress refuses what reaches its limit
            max_request_header_size=limits.header,
            inbuf_overflow=limits.body + 1,  # a body never touches the disk
            asyncore_use_poll=True,
            log_socket_errors=False,
            clear_untrusted_proxy_headers=False,  # admission judges them itself
            ident="reconciler",
        )
        self._server.channel_class = _channel(cut_off, limits.request_seconds)
        # Busy clients are no news, and a request's path may be a secret.
        for name in ("waitress", "waitress.queue"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.port = int(self._server.effective_port)  # waitress has it as text
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.port}"
        self._thread = threading.Thread(target=self._server.run, name="listen-server", daemon=True)

    def start(self) -> None:
        """Begin to answer, in the background."""
        self._thread.start()

    def close(self) -> None:
        """Take no more connections, answer what was taken, send the answers, close."""
        self._server.trigger.pull_trigger(self._stop_accepting)
        self._server.task_dispatcher.shutdown()
        until = time.monotonic() + _FLUSH_SECONDS
        while any(each.total_outbufs_len for each in self._channels()) and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
        self._server.trigger.pull_trigger(self._close_all)
        self._thread.join(_CLOSE_SECONDS)

    def _channels(self) -> list[Any]:
        return list(self._server.active_channels.values())

    def _stop_accepting(self) -> None:
        self._server.accepting = False
        self._server.socket.close()
        self._server.del_channel()

    def _close_all(self) -> None:
        """Close every connection, on the thread that polls them; without any the polling ends."""
        for channel in self._channels():
            channel.handle_close()
        self._server.trigger.close()


_REASONS: Mapping[int, Reason] = {413: "too_large", 431: "too_large"}


def _channel(cut_off: CutOff, request_seconds: float) -> type[Any]:
    """The class of a connection that reports to ``cut_off``, and ends where a request takes too long."""

    class Task(ErrorTask):  # type: ignore[misc]  # waitress has no types
        def execute(self) -> None:
            cut_off(_REASONS.get(self.request.error.code, "bad_request"), self.channel.addr[0])
            super().execute()

    class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
        request: object
        last_activity: float
        error_task_class = Task
        began = 0.0
        too_long = False

        def received(self, data: bytes) -> bool:
            """Take ``data``; a client that trickles keeps a connection busy, but only for so long."""
            now = time.monotonic()
            if self.request is None:
                self.began = now
            taken: bool = super().received(data)
            if self.request is not None and now - self.began > request_seconds:
                self.too_long = self.will_close = True
            return taken

        def handle_close(self) -> None:
            """Close; a request that this side cuts off in its middle, after all its time, was too slow."""
            silent = time.time() - self.last_activity >= request_seconds
            if self.request is not None and (self.too_long or silent):
                self.request = None
                cut_off("too_slow", self.addr[0])
            super().handle_close()

    return Channel
