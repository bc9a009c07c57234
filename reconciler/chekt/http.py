"""What speaks HTTP to one host, for those who write to it and for those who only look."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import httpx

from reconciler.chekt import wire
from reconciler.chekt.bounds import ACCEPTED_ENCODING, Bounds
from reconciler.chekt.connection import Connection
from reconciler.model import MOST_IN_FLIGHT
from reconciler.urls import check_url, is_loopback


def http_client(
    connection: Connection,
    transport: httpx.BaseTransport | None,
    on_request: Sequence[Callable[[httpx.Request], None]],
    *,
    on_answer: Callable[[httpx.Response], None],
) -> httpx.Client:
    """What speaks HTTP to the host of ``connection``, within its bounds; redirects are never followed.

    ``on_answer`` hears of a response before its body is read. Raises ConfigError for a base URL that is
    refused.
    """
    base_url = check_url(connection.base_url, "the base URL")
    bounds = Bounds(connection.answer_size, connection.answer_timeout)
    return httpx.Client(
        base_url=base_url,
        transport=transport,
        timeout=httpx.Timeout(connection.read_timeout, connect=connection.connect_timeout),
        limits=httpx.Limits(max_connections=MOST_IN_FLIGHT, max_keepalive_connections=MOST_IN_FLIGHT),
        headers={
            "User-Agent": wire.user_agent(),
            "Accept": "application/json",
            "Accept-Encoding": ACCEPTED_ENCODING,
        },
        event_hooks={"request": [*on_request], "response": [bounds.watch, on_answer]},
        trust_env=transport is None and not is_loopback(base_url),
    )
