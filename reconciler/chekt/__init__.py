"""The API client: the only room that speaks HTTP to CHeKT (DESIGN section 5).

``connect`` opens a client on a ``Connection``; what it needs of httpx and PyJWT is imported then, so
that importing this package stays cheap.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from reconciler.chekt.connection import (
    DOCUMENTED_RATES,
    Assertion,
    ClientSecret,
    Connection,
    Credentials,
    DealerKeys,
    EventKey,
    Rate,
    credentials_from_env,
)

if TYPE_CHECKING:
    import httpx

    from reconciler.chekt.client import Client
    from reconciler.kinds.surfaces import Surfaces
    from reconciler.redaction import Redactor

__all__ = [
    "DOCUMENTED_RATES",
    "Assertion",
    "ClientSecret",
    "Connection",
    "Credentials",
    "DealerKeys",
    "EventKey",
    "Rate",
    "connect",
    "credentials_from_env",
]


def connect(  # each is a separate door to the world, given by name
    connection: Connection,
    surfaces: Surfaces,
    *,
    redactor: Redactor,
    transport: httpx.BaseTransport | None = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], object] = time.sleep,
    jitter: Callable[[], float] = random.random,
    on_wait: Callable[[str, float], None] | None = None,
) -> Client:
    """A client for ``connection``; use it as a context manager, from any number of threads.

    ``transport``: where requests go instead of the network (the sandbox in process). ``clock``: Unix
    seconds; ``jitter``: a number in [0, 1). ``on_wait`` hears why a request is tried again and in how many
    seconds.
    Credentials are added to ``redactor``. Raises ConfigError for a base or token URL that is not https
    (plain http: loopback only), AuthError for unusable credentials.
    """
    from reconciler.chekt.client import Client  # noqa: PLC0415  httpx loads here, not at start-up
    from reconciler.chekt.transport import Runtime  # noqa: PLC0415  as above

    runtime = Runtime(redactor, clock=clock, sleep=sleep, jitter=jitter, on_wait=on_wait)
    return Client(connection, surfaces, runtime, transport)
