"""The sandbox in process, behind an httpx client. The only place of the sandbox that knows httpx."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from reconciler.sandbox.app import READ_TIMEOUT
from reconciler.sandbox.errors import Dropped
from reconciler.sandbox.store import unusable

if TYPE_CHECKING:
    import httpx

    from reconciler.sandbox.app import Sandbox


def transport(sandbox: Sandbox) -> httpx.BaseTransport:
    """A transport that calls ``sandbox`` directly; thread-safe.

    A dropped connection raises ``httpx.ReadError``, a time-out (or an answer slower than the client's
    read time-out) ``httpx.ReadTimeout`` at once, a truncated body ``httpx.RemoteProtocolError``, and a
    database that fails ``ConfigError``.
    """
    import httpx  # noqa: PLC0415 - the sandbox does without httpx otherwise

    class InProcess(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            patience = request.extensions.get("timeout", {}).get("read")

            def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
                environ[READ_TIMEOUT] = patience
                return sandbox(environ, start_response)

            try:
                response = httpx.WSGITransport(app=app).handle_request(request)
                body = response.read()
            except Dropped as exc:
                error = httpx.ReadTimeout if exc.timed_out else httpx.ReadError
                raise error(str(exc), request=request) from exc
            except sqlite3.Error as exc:
                raise unusable(sandbox.store.path, exc) from exc
            declared = response.headers.get("content-length")
            if declared is not None and int(declared) != len(body):
                raise httpx.RemoteProtocolError(
                    "peer closed connection without sending complete message body", request=request
                )
            return response

    return InProcess()
