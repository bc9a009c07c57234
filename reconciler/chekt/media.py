"""Uploads of an event's media to the URLs that CHeKT answered: never with credentials, never far."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import httpx

from reconciler.chekt import exchanges, wire
from reconciler.chekt.bounds import ACCEPTED_ENCODING, Bounds
from reconciler.errors import RemoteError
from reconciler.observer import NOBODY, Observer
from reconciler.redaction import Redactor
from reconciler.urls import is_loopback

LARGEST = 32 * 1024**2
"""Bytes of a file that is uploaded, at most."""

_ANSWER = Bounds(1024**2, 30.0)
"""An upload's answer says nothing that is needed."""

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


def check_upload_url(url: str, redactor: Redactor) -> str:
    """``url``, if a file may go there: https, or plain http on this machine. Raises RemoteError.

    Its query is a signature: it is masked from now on.
    """
    parts = urlsplit(url)
    if parts.query:
        redactor.add(parts.query)
    where = wire.printable(f"{parts.scheme}://{parts.hostname}", redactor)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(url)):
        raise RemoteError(
            f"CHeKT answered {where} as the place to upload to, which is neither https nor this machine",
            hint="Nothing was uploaded. Ask CHeKT's support.",
        )
    if parts.username is not None or parts.password is not None or not parts.hostname:
        raise RemoteError(f"CHeKT answered an upload URL that makes no sense, at {where}")
    return url


def upload(
    url: str,
    content: bytes,
    content_type: str,
    *,
    redactor: Redactor,
    observer: Observer = NOBODY,
    way: httpx.BaseTransport | None = None,
) -> None:
    """PUT ``content`` to ``url``, once, without any credential of ours. Raises RemoteError.

    ``observer`` hears of it; ``way``: into the sandbox in process. Redirects are not followed.
    """
    check_upload_url(url, redactor)
    parts = urlsplit(url)
    place = wire.printable(f"{parts.hostname}{parts.path}", redactor)
    started = time.monotonic()
    try:
        with httpx.Client(
            transport=way,
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=way is None and not is_loopback(url),
            event_hooks={"response": [_ANSWER.watch]},
        ) as client:
            headers = {
                "Content-Type": content_type,
                "User-Agent": wire.user_agent(),
                "Accept-Encoding": ACCEPTED_ENCODING,
            }
            response = client.put(url, content=content, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise RemoteError(f"the upload to {place} did not arrive: {type(exc).__name__}") from exc
    seconds = time.monotonic() - started
    observer.exchanged(exchanges.answered(response, seconds, 1, "", redactor, detailed=False))
    if not response.is_success:
        said = wire.server_error(response, redactor).message
        raise RemoteError(f"the upload to {place} was refused with {response.status_code}: {said}")
