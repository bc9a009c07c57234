"""Who calls: bearer tokens, dealer keys, app keys, the event key (section 2)."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import uuid

from reconciler.sandbox.call import Call, Caller
from reconciler.sandbox.credentials import EVENT_KEY
from reconciler.sandbox.errors import Refusal
from reconciler.sandbox.routing import Access
from reconciler.sandbox.store import Row
from reconciler.sandbox.tokens import Tokens

APP_KEY_PREFIX = "chekt_test_"


def app_key(app_id: int) -> str:
    """The key of the app: ``chekt_test_`` and 32 hex digits (section 2.2)."""
    return APP_KEY_PREFIX + hashlib.sha256(f"app {app_id}".encode()).hexdigest()[:32]


def app_secret(app_id: int) -> str:
    """What signs the deliveries to the app."""
    return "whsec_" + hashlib.sha256(f"webhook {app_id}".encode()).hexdigest()[:32]


def authenticate(call: Call, tokens: Tokens, access: Access) -> Caller:
    """The caller, if the route is theirs. Raises Refusal 401 or 403."""
    if access == "event" and call.request.headers.get("x-api-key") == EVENT_KEY:
        return Caller("partner", "event key")
    credential = bearer(call)
    if not credential:
        raise Refusal(401, "send Authorization: Bearer and a key or token")
    if access in ("partner", "event") or (access == "any" and credential.count(".") == 2):
        return _partner(call, tokens, credential)
    if access == "app" or (access == "site_reader" and credential.startswith(APP_KEY_PREFIX)):
        return _app(call, credential)
    return _dealer(call, credential)


def bearer(call: Call) -> str:
    """The token or key that the request carries, empty where it carries none."""
    scheme, _, credential = call.request.headers.get("authorization", "").partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else ""


def check_scope(caller: Caller, scope: str | None) -> None:
    """Raises Refusal 403 where the caller lacks ``scope``. A dealer key opens the whole account."""
    if scope is not None and caller.family != "dealer" and scope not in caller.scopes:
        raise Refusal(403, f"this needs the permission {scope}")


def check_trace_id(call: Call) -> None:
    """Raises Refusal 400 for a partner's trace id that is no UUID (section 3.1)."""
    trace_id = call.request.headers.get("x-partner-trace-id")
    if trace_id is None or not call.request.path.startswith("/partner/"):
        return
    try:
        uuid.UUID(trace_id)
    except ValueError as exc:
        raise Refusal(400, "x-partner-trace-id must be a UUID", field="x-partner-trace-id") from exc


def _partner(call: Call, tokens: Tokens, token: str) -> Caller:
    claims = tokens.check(token, call.now)
    if claims.get("aud") != call.switches.audience:
        raise Refusal(401, "the access token is for another audience", code="invalid_token")
    dealer_id = claims.get("dealer_id")
    return Caller(
        "partner",
        f"partner {claims['sub']}",
        frozenset(str(claims.get("scope", "")).split()),
        dealer_id=dealer_id,
        user=dealer_id is not None,
    )


def _dealer(call: Call, key: str) -> Caller:
    found = call.store.rows("SELECT body FROM grants WHERE sort = 'dealer_key' AND value = ?", (key,))
    if not found:
        raise Refusal(401, "the API key is not valid", code="invalid_api_key")
    saved = json.loads(found[0][0])
    if saved.get("disabled"):
        raise Refusal(401, "the API key is disabled", code="invalid_api_key")
    dealer_id = int(saved["dealer_id"])
    return Caller("dealer", f"dealer {dealer_id} {digest(key)}", dealer_id=dealer_id)


def _app(call: Call, key: str) -> Caller:
    row = next((each for each in call.store.all("app") if app_key(each.id) == key), None)
    if row is None:
        raise Refusal(401, "the API key is not valid", code="invalid_api_key")
    _check_address(call, row)
    permissions = row.body.get("permissions")
    scopes = frozenset(map(str, permissions)) if isinstance(permissions, list) else frozenset[str]()
    return Caller("app", f"app {row.id}", scopes, dealer_id=int(row.scope), app_id=row.id)


def _check_address(call: Call, app: Row) -> None:
    """Refuse an address outside the allow list (section 2.2)."""
    allowed = app.body.get("ip_allow_list")
    if not isinstance(allowed, list) or not allowed:
        return
    address = ipaddress.ip_address(call.request.remote)
    if not any(address in ipaddress.ip_network(str(network)) for network in allowed):
        raise Refusal(403, f"{address} is not on the app's allow list")


def digest(secret: str) -> str:
    """A short name for a secret that may stand in a log."""
    return hashlib.sha256(secret.encode()).hexdigest()[:12]
