"""Why no answer came, as a sentence for a person and what they can do about it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import httpx

from reconciler.chekt.bounds import OutOfBoundsError


class Trouble(NamedTuple):
    """What is wrong with the way to a host, and what to do."""

    problem: str
    hint: str


_CERTIFICATES = {
    10: Trouble(
        "has expired", "Check this machine's clock; if it is right, the certificate must be renewed."
    ),
    9: Trouble("is not valid yet", "Check this machine's clock."),
    62: Trouble("is for another host", "Correct the URL: the certificate names the host it belongs to."),
}
"""By OpenSSL's verification code."""

_STRANGER = Trouble(
    "is signed by nobody this machine trusts",
    "A proxy that opens TLS, or a private authority? Name its certificate: SSL_CERT_FILE=FILE.pem.",
)


def explain(error: httpx.RequestError) -> Trouble:
    """``error`` in words. Its own text may hold secrets: mask it before it is shown."""
    causes = tuple(_causes(error))
    return _insecure(error, causes) or _unconnected(error, causes) or _unanswered(error)


def _insecure(error: httpx.RequestError, causes: Sequence[BaseException]) -> Trouble | None:
    host = error.request.url.host
    failed = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if isinstance(failed, ssl.SSLCertVerificationError):
        what, hint = _CERTIFICATES.get(failed.verify_code, _STRANGER)
        return Trouble(f"the certificate of {host} {what}", hint)
    if failed is not None:
        said = f"{host} does not speak TLS as expected ({failed.reason})"
        return Trouble(said, "Check scheme and port of the URL.")
    return None


def _unconnected(error: httpx.RequestError, causes: Sequence[BaseException]) -> Trouble | None:
    url = error.request.url
    place = f"{url.host}:{url.port or (443 if url.scheme == 'https' else 80)}"
    if isinstance(error, httpx.ProxyError):
        return Trouble(f"the proxy does not let requests through: {error}", "Check HTTPS_PROXY and NO_PROXY.")
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Trouble(
            f"the name {url.host} is not known", "Check the URL, the network and its name servers."
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return Trouble(f"nothing listens at {place}", "Check host and port of the URL.")
    if isinstance(error, (httpx.ConnectTimeout, httpx.PoolTimeout)):
        return Trouble(f"no connection to {place} in time", "Check the network and its firewall.")
    return None


def _unanswered(error: httpx.RequestError) -> Trouble:
    host = error.request.url.host
    if isinstance(error, httpx.TimeoutException):
        return Trouble(f"{host} did not answer in time", "Try again; environments.NAME.timeouts allow more.")
    if isinstance(error, OutOfBoundsError):
        return Trouble(f"{host}: {error}", "Check the URL: that is not how CHeKT answers.")
    if isinstance(error, httpx.RemoteProtocolError):
        return Trouble(f"{host} answers no sound HTTP: {error}", "Check the URL: something else is there.")
    return Trouble(
        f"no answer from {host}: {str(error) or type(error).__name__}", "Check the URL and the network."
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
