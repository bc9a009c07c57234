"""Authentication flows: generators without I/O that httpx drives (httpx ``_auth.py``).

Tokens live in memory only, are refreshed shortly before they expire, and once when the server
answers 401; threads share one refresh.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Generator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from reconciler.chekt import wire
from reconciler.chekt.connection import Assertion, ClientSecret, DealerKeys
from reconciler.errors import AuthError
from reconciler.model import JsonValue
from reconciler.redaction import Redactor

TOKEN_REQUEST = "chekt_token_request"  # noqa: S105  a marker, not a secret
"""Extension that marks a token request, so that its failure is not taken for the API's."""

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS = 300
_MARGIN_SECONDS = 60.0
_MARGIN_SHARE = 0.1

Flow = Generator[httpx.Request, httpx.Response, None]


class TokenUnavailableError(Exception):
    """The token endpoint is busy or broken (429, 5xx): worth another try. Stays inside this room."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"the token endpoint answered {response.status_code}")
        self.response = response


class KeyAuth(httpx.Auth):
    """An API key: of a dealer, as Bearer, or of the Event API (chekt-api/README.md sections 2.1 and 2.5)."""

    def __init__(self, key: str, name: str, *, header: str = "Authorization") -> None:
        """``name``: what it is, for people. A key in ``header`` other than Authorization stands alone."""
        if not _sendable(key):
            hint = "Copy it again; it is one word of plain ASCII."
            raise AuthError(f"{name} holds characters that no header can carry", hint=hint)
        self._header = header
        self._value = f"Bearer {key}" if header == "Authorization" else key

    def auth_flow(self, request: httpx.Request) -> Flow:
        request.headers[self._header] = self._value
        yield request


class TokenAuth(httpx.Auth):
    """OAuth2 client credentials; ``form`` makes the grant's own fields anew for every request."""

    requires_response_body = True

    def __init__(
        self,
        token_url: str,
        form: Callable[[], Mapping[str, str]],
        redactor: Redactor,
        clock: Callable[[], float],
    ) -> None:
        self._token_url = token_url
        self._form = form
        self._redactor = redactor
        self._clock = clock
        self._lock = threading.Lock()
        self._token: str | None = None
        self._expires_at: float | None = None

    def auth_flow(self, request: httpx.Request) -> Flow:
        token = yield from self._current(request, refused=None)
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == 401:
            token = yield from self._current(request, refused=token)
            request.headers["Authorization"] = f"Bearer {token}"
            yield request

    def _current(
        self, request: httpx.Request, refused: str | None
    ) -> Generator[httpx.Request, httpx.Response, str]:
        """A usable token for ``request``, other than ``refused``; whoever comes second finds the first's."""
        with self._lock:
            if self._token is not None and self._token != refused and not self._expired():
                return self._token
            asked_at = self._clock()
            response = yield httpx.Request(
                "POST",
                self._token_url,
                data=dict(self._form()),
                headers={"Accept": "application/json", "User-Agent": wire.user_agent()},
                # httpx sends what a flow yields as it stands: without these it would wait for ever.
                extensions={TOKEN_REQUEST: True, "timeout": request.extensions.get("timeout", {})},
            )
            self._accept(response, asked_at)
            assert self._token is not None
            return self._token

    def _expired(self) -> bool:
        return self._expires_at is not None and self._clock() >= self._expires_at

    def _accept(self, response: httpx.Response, asked_at: float) -> None:
        status = response.status_code
        if status == 429 or status >= 500:
            raise TokenUnavailableError(response)
        if status != 200:
            said = wire.server_error(response, self._redactor)
            hint = "Check client id, secret or key id, and audience against your registration with CHeKT."
            if response.has_redirect_location:
                hint = "Credentials never follow a redirect; correct CHEKT_TOKEN_URL."
            raise AuthError(
                f"the token endpoint {self._token_url} answered {status}: {said.message}", hint=hint
            )
        try:
            body = wire.json_body(response)
        except ValueError as exc:
            raise AuthError(f"the token endpoint {self._token_url} answered no JSON: {exc}") from exc
        token = body.get("access_token") if isinstance(body, Mapping) else None
        if not isinstance(body, Mapping) or not isinstance(token, str) or not _sendable(token):
            raise AuthError(f"the token endpoint {self._token_url} answered without a usable access_token")
        self._redactor.add(token)
        self._token = token
        self._expires_at = _expiry(token, body.get("expires_in"), asked_at)


def _sendable(secret: str) -> bool:
    return bool(secret) and secret.isascii() and secret.isprintable() and " " not in secret


def _expiry(token: str, expires_in: JsonValue, asked_at: float) -> float | None:
    """When to fetch the next token, Unix seconds; None when neither the answer nor the token says."""
    seconds = _seconds(expires_in)
    if seconds is None:
        seconds = _lifetime(token, asked_at)
    if seconds is None:
        return None
    return asked_at + seconds - min(_MARGIN_SECONDS, seconds * _MARGIN_SHARE)


def _seconds(value: JsonValue) -> float | None:
    try:
        return max(0.0, float(value)) if isinstance(value, (int, float, str)) else None
    except (ValueError, OverflowError):
        return None


def _lifetime(token: str, asked_at: float) -> float | None:
    """Seconds until the token's ``exp``; its signature is the server's business, not ours."""
    import jwt  # noqa: PLC0415  needed by few, slow to import

    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return None
    expires = _seconds(claims.get("exp"))
    return None if expires is None else max(0.0, expires - asked_at)


def secret_auth(credentials: ClientSecret, redactor: Redactor, clock: Callable[[], float]) -> TokenAuth:
    """The client secret flow (chekt-api/README.md section 2.3, last paragraph)."""
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "audience": credentials.audience,
    }
    return TokenAuth(credentials.token_url, lambda: form, redactor, clock)


def assertion_auth(credentials: Assertion, redactor: Redactor, clock: Callable[[], float]) -> TokenAuth:
    """The RS256 assertion flow (chekt-api/README.md section 2.3). Raises AuthError for a bad key."""
    key = _rsa_key(credentials.private_key_pem)

    def form() -> Mapping[str, str]:
        assertion = sign(credentials, key, now=int(clock()))
        redactor.add(assertion)
        return {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
            "audience": credentials.audience,
        }

    return TokenAuth(credentials.token_url, form, redactor, clock)


def sign(credentials: Assertion, key: Any, *, now: int) -> str:
    """A client assertion valid for five minutes from ``now`` (Unix seconds)."""
    import jwt  # noqa: PLC0415  needed by few, slow to import

    claims = {
        "iss": credentials.client_id,
        "sub": credentials.client_id,
        "aud": token_origin(credentials.token_url),
        "iat": now,
        "exp": now + _ASSERTION_SECONDS,
        "jti": str(uuid.uuid4()),
    }
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": credentials.key_id})


def token_origin(token_url: str) -> str:
    """Scheme and host of the token URL with a slash: the assertion's audience (DESIGN section 5)."""
    parts = urlsplit(token_url)
    return f"{parts.scheme}://{parts.netloc}/"


def _rsa_key(pem: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  slow to import
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415  as above
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    hint = "Use an unencrypted RSA private key in PEM form, 2048 bits or more."
    try:
        key = load_pem_private_key(pem.strip().encode(), password=None)
    except TypeError:
        raise AuthError("the private key (CHEKT_PRIVATE_KEY_FILE) is encrypted", hint=hint) from None
    except (ValueError, UnsupportedAlgorithm):
        # What cryptography says may quote the key's bytes, so it is not passed on.
        raise AuthError("the private key (CHEKT_PRIVATE_KEY_FILE) is not in PEM form", hint=hint) from None
    if not isinstance(key, RSAPrivateKey):
        raise AuthError("the private key (CHEKT_PRIVATE_KEY_FILE) is not an RSA key", hint=hint)
    if key.key_size < 2048:
        raise AuthError(f"the private key (CHEKT_PRIVATE_KEY_FILE) has only {key.key_size} bits", hint=hint)
    return key


def dealer_key(credentials: DealerKeys, dealer_id: str | None) -> str:
    """The key that opens ``dealer_id`` (None: no dealer in particular). Raises AuthError."""
    if dealer_id is not None and dealer_id in credentials.by_dealer:
        return credentials.by_dealer[dealer_id]
    if credentials.default:
        return credentials.default
    if dealer_id is None and len(credentials.by_dealer) == 1:
        return next(iter(credentials.by_dealer.values()))
    whose = f"dealer {dealer_id}" if dealer_id is not None else "calls that concern no single dealer"
    raise AuthError(
        f"no API key for {whose}",
        hint=f"Set environments.NAME.dealers.{dealer_id or 'ID'}.api_key, or CHEKT_API_KEY.",
    )
