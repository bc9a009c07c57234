"""RS256 tokens: the sandbox's signing key, access tokens, client assertions (section 2.3)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from reconciler.model import JsonObject, JsonValue
from reconciler.sandbox.credentials import CLIENT_ID, KeyPair, generate_key
from reconciler.sandbox.errors import Refusal
from reconciler.sandbox.store import Store

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_SIGNING_KID = "sandbox-signing-key"
_LONGEST_ASSERTION = 300
_LEEWAY = 30


@cache
def _process_key() -> KeyPair:
    """One key pair a process, since making one is slow; a sandbox keeps it in its database."""
    return generate_key(_SIGNING_KID)


@cache
def _private_key(pem: str) -> RSAPrivateKey:
    """The key in ``pem``, which we made ourselves: checking it again would take a tenth of a second."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    return cast(
        "RSAPrivateKey",
        load_pem_private_key(pem.encode(), password=None, unsafe_skip_rsa_key_validation=True),
    )


class Tokens:
    """Issues and checks tokens. The signing key is made once and kept in the database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pair: KeyPair | None = None
        self._checked: dict[str, Mapping[str, Any]] = {}
        self._revoked: set[str] = set()

    def clear(self) -> None:
        """Forget the cached key and tokens; they are read again from the database."""
        self._pair = None
        self._checked.clear()
        self._revoked.clear()

    def revoke(self, token: str) -> None:
        """Refuse ``token`` from now on, as long as this sandbox is open."""
        self._revoked.add(token)

    def pair(self) -> KeyPair:
        """The signing key pair."""
        if self._pair is None:
            with self._store.transaction():
                saved = self._store.setting("signing_key")
                pair = KeyPair(*map(str, saved)) if isinstance(saved, list) else _process_key()
                self._store.save_setting("signing_key", list(pair))
            self._pair = pair
        return self._pair

    def jwks(self) -> JsonObject:
        """The public half, as ``/.well-known/jwks.json`` serves it."""
        import jwt  # noqa: PLC0415 - slow to import
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

        public = load_pem_public_key(self.pair().public_pem.encode())
        assert isinstance(public, RSAPublicKey)
        jwk: JsonObject = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(public))
        return {"keys": [{**jwk, "kid": _SIGNING_KID, "alg": "RS256", "use": "sig"}]}

    def issue(self, claims: Mapping[str, JsonValue]) -> str:
        """An access token with ``claims``."""
        import jwt  # noqa: PLC0415

        key = _private_key(self.pair().private_pem)
        return jwt.encode(dict(claims), key, "RS256", headers={"kid": _SIGNING_KID})

    def check(self, token: str, now: float) -> Mapping[str, Any]:
        """The claims of an access token of ours.

        Raises Refusal 401 when it is forged, revoked, or expired at ``now``.
        """
        if token in self._revoked:
            raise Refusal(401, "the access token was revoked", code="token_revoked")
        claims = self._checked.get(token)
        if claims is None:
            import jwt  # noqa: PLC0415

            options: Any = {"verify_exp": False, "verify_aud": False, "verify_iat": False, "require": ["exp"]}
            try:
                claims = jwt.decode(token, self.pair().public_pem, algorithms=["RS256"], options=options)
            except jwt.InvalidTokenError as exc:
                raise Refusal(401, "the access token is not valid", code="invalid_token") from exc
            if len(self._checked) > 1000:
                self._checked.clear()
            self._checked[token] = claims
        if now >= claims["exp"]:
            raise Refusal(401, "the access token has expired", code="token_expired")
        return claims

    def check_assertion(self, assertion: str, audience: str, now: float) -> str:
        """The client id that signed ``assertion`` (RFC 7523, section 2.3 of the facts).

        ``audience``: the origin of the token URL with a trailing slash. Raises Refusal 401: unknown key,
        wrong signature, issuer, subject or audience, a life of more than 5 minutes, a repeated ``jti``.
        """
        import jwt  # noqa: PLC0415

        try:
            kid = jwt.get_unverified_header(assertion).get("kid")
            registered = self._store.rows(
                "SELECT body FROM grants WHERE sort = 'key' AND value = ?", (str(kid),)
            )
            if not registered:
                raise Refusal(401, f"no key {kid!r} is registered", code="invalid_client")
            key = json.loads(registered[0][0])
            options: Any = {
                "verify_exp": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_nbf": False,
                "require": ["iss", "sub", "aud", "exp", "jti"],
            }
            claims = jwt.decode(assertion, key["pem"], algorithms=["RS256"], options=options)
        except jwt.PyJWTError as exc:
            raise Refusal(401, f"the assertion is not valid: {exc}", code="invalid_client") from exc
        problem = _assertion_problem(claims, key["client_id"], audience, now)
        if problem is not None:
            raise Refusal(401, f"the assertion is not valid: {problem}", code="invalid_client")
        self._spend(str(claims["jti"]), now)
        return str(key["client_id"])

    def _spend(self, jti: str, now: float) -> None:
        self._store.run("DELETE FROM grants WHERE sort = 'jti' AND expires_at < ?", (now,))
        if self._store.rows("SELECT 1 FROM grants WHERE sort = 'jti' AND value = ?", (jti,)):
            raise Refusal(401, "the assertion was used before (jti)", code="invalid_client")
        self._store.run(
            "INSERT INTO grants VALUES ('jti', ?, ?, '{}')", (jti, now + _LONGEST_ASSERTION + 2 * _LEEWAY)
        )

    def register_key(self, kid: str, public_pem: str, client_id: str = CLIENT_ID) -> None:
        """Accept assertions signed with this key for ``client_id``. Raises ValueError for no RSA key."""
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

        rsa = isinstance(load_pem_public_key(public_pem.encode()), RSAPublicKey)
        if not rsa:
            raise ValueError("register the public half of an RSA key, as PEM")
        body = json.dumps({"pem": public_pem, "client_id": client_id})
        with self._store.transaction():
            self._store.run("INSERT OR REPLACE INTO grants VALUES ('key', ?, NULL, ?)", (kid, body))


def _assertion_problem(claims: Mapping[str, Any], client_id: str, audience: str, now: float) -> str | None:
    expires = claims["exp"]
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if claims["iss"] != client_id or claims["sub"] != client_id:
        return "iss and sub must be the client id"
    if audience not in audiences:
        return f"aud must be {audience}"
    if not isinstance(expires, (int, float)) or expires <= now - _LEEWAY:
        return "it has expired"
    if expires > now + _LONGEST_ASSERTION + _LEEWAY:
        return "it lives longer than 5 minutes"
    return None


def new_secret(prefix: str) -> str:
    """A fresh opaque value: an authorization code, a refresh token."""
    return f"{prefix}_{uuid.uuid4().hex}"
