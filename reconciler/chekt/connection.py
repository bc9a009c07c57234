"""Where to connect and as whom: plain data, and the reading of credentials from the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

from reconciler.errors import AuthError
from reconciler.model import Shelf, Surface
from reconciler.observer import NOBODY, Observer
from reconciler.redaction import Redactor

_NO_KEYS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """OAuth2 client credentials with a secret (chekt-api/README.md section 2.3, the newer pages)."""

    token_url: str
    audience: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Assertion:
    """OAuth2 client credentials with an RS256 assertion (chekt-api/README.md section 2.3, RFC 7523)."""

    token_url: str
    audience: str
    client_id: str
    private_key_pem: str = field(repr=False)
    key_id: str


@dataclass(frozen=True, slots=True)
class DealerKeys:
    """API keys of the dealer surface. A key opens one dealer; ``default`` serves all not named."""

    default: str | None = field(default=None, repr=False)
    by_dealer: Mapping[str, str] = field(default_factory=lambda: _NO_KEYS, repr=False)


@dataclass(frozen=True, slots=True)
class EventKey:
    """The key of the Event API, where that is no token (chekt-api/README.md section 2.5)."""

    key: str = field(repr=False)


Credentials: TypeAlias = ClientSecret | Assertion | DealerKeys | EventKey


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a minute, sustained, and how many may be sent at once after a pause."""

    per_minute: int
    burst: int


DOCUMENTED_RATES: Mapping[Surface, Rate] = MappingProxyType(
    {"partner": Rate(per_minute=5000, burst=500), "dealer": Rate(per_minute=1000, burst=100)}
)
"""chekt-api/README.md section 3.6."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One way into one account.

    ``dialect``: the form in which the dealer surface takes commands and announces pages: what live
    clients see, or what the documentation pages show. ``clear``: how a field is emptied on the wire;
    nobody knows which one CHeKT wants (chekt-api/README.md section 12.5). ``rate``: None for the
    documented figures; the server's word moves it, but never above a lower figure of the user's.
    ``max_rate``: requests a minute of this connection, all credentials together, whatever the budget allows.
    Time-outs are in seconds: until a connection stands, between two pieces of an answer, for all of its
    body; ``answer_size``: bytes of it, unpacked. ``state_dir``: folder of the rate budget that this machine's
    processes share, None to keep it in memory; ``shelf``: where machines share it instead. ``observer``
    hears of every request. ``page_sizes``: lengths at which a bare array may be a cut list (see
    ``paging``). ``permit`` is called at the last moment before a request leaves, and raises where nothing may
    be sent any more.
    """

    base_url: str
    surface: Surface
    credentials: Credentials
    dialect: Literal["live", "page"] = "live"
    clear: Literal["null", "empty"] = "null"
    rate: Rate | None = None
    max_rate: int | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    answer_timeout: float = 300.0
    answer_size: int = 256 * 1024**2
    state_dir: Path | None = None
    shelf: Shelf | None = None
    observer: Observer = NOBODY
    page_sizes: frozenset[int] = frozenset()
    permit: Callable[[], None] | None = None


def secrets_of(credentials: Credentials) -> tuple[str, ...]:
    """Every value in ``credentials`` that must never be shown, a key's single lines included."""
    match credentials:
        case ClientSecret():
            return (credentials.client_secret,)
        case Assertion():
            pem = credentials.private_key_pem
            lines = (line.strip() for line in pem.splitlines())
            return (pem, *(line for line in lines if len(line) > 20 and not line.startswith("--")))
        case EventKey():
            return (credentials.key,)
        case DealerKeys():
            keys = (credentials.default, *credentials.by_dealer.values())
            return tuple(key for key in keys if key)


_ALTERNATIVES = (
    "Set CHEKT_TOKEN_URL, CHEKT_AUDIENCE, CHEKT_CLIENT_ID and either CHEKT_CLIENT_SECRET, or "
    "CHEKT_PRIVATE_KEY_FILE and CHEKT_KEY_ID (RS256 assertion)."
)


def credentials_from_env(
    env: Mapping[str, str],
    surface: Surface,
    *,
    dealers: Mapping[str, str] = _NO_KEYS,
    redactor: Redactor | None = None,
) -> Credentials:
    """The credentials for ``surface`` in the variables ``env``; an empty variable counts as missing.

    ``dealers``: API keys by dealer id, already resolved. Secrets are added to ``redactor``. Raises
    AuthError that names the missing variables and the alternatives.
    """
    credentials = _dealer(env, dealers) if surface == "dealer" else _partner(env)
    if redactor is not None:
        for secret in secrets_of(credentials):
            redactor.add(secret)
    return credentials


def _dealer(env: Mapping[str, str], dealers: Mapping[str, str]) -> DealerKeys:
    key = env.get("CHEKT_API_KEY", "").strip()
    if not key and not dealers:
        raise AuthError(
            "no dealer API key: CHEKT_API_KEY is not set",
            hint="Set CHEKT_API_KEY, or environments.NAME.dealers.ID.api_key for several dealers.",
        )
    return DealerKeys(key or None, MappingProxyType({id_: key.strip() for id_, key in dealers.items()}))


def _partner(env: Mapping[str, str]) -> ClientSecret | Assertion:
    names = ("CHEKT_TOKEN_URL", "CHEKT_AUDIENCE", "CHEKT_CLIENT_ID")
    secret = env.get("CHEKT_CLIENT_SECRET", "").strip()
    key_file = env.get("CHEKT_PRIVATE_KEY_FILE", "").strip()
    key_id = env.get("CHEKT_KEY_ID", "").strip()
    missing = [name for name in names if not env.get(name, "").strip()]
    if not secret and not key_file and not key_id:
        missing.append("CHEKT_CLIENT_SECRET (or CHEKT_PRIVATE_KEY_FILE and CHEKT_KEY_ID)")
    elif not secret and not key_file:
        missing.append("CHEKT_PRIVATE_KEY_FILE")
    elif not secret and not key_id:
        missing.append("CHEKT_KEY_ID")
    if missing:
        raise AuthError(f"credentials are missing: {', '.join(missing)}", hint=_ALTERNATIVES)
    if secret and key_file:
        raise AuthError(
            "CHEKT_CLIENT_SECRET and CHEKT_PRIVATE_KEY_FILE are both set",
            hint="Unset the one your registration with CHeKT does not use.",
        )
    token_url, audience, client_id = (env[name].strip() for name in names)
    if secret:
        return ClientSecret(token_url, audience, client_id, secret)
    return Assertion(token_url, audience, client_id, _read_key(Path(key_file)), key_id)


def _read_key(path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="ascii")
    except OSError as exc:
        raise AuthError(
            f"CHEKT_PRIVATE_KEY_FILE: {path} cannot be read ({exc.strerror})",
            hint="Name the PEM file of the RSA private key registered with CHeKT.",
        ) from exc
    except UnicodeDecodeError as exc:
        raise AuthError(
            f"CHEKT_PRIVATE_KEY_FILE: {path} is not a PEM file",
            hint="Name the PEM file of the RSA private key registered with CHeKT.",
        ) from exc
