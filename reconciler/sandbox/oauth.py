"""The authorization server: token endpoint, user consent, revocation, keys (sections 2.3 and 2.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode, urlsplit

from reconciler.model import JsonObject, JsonValue
from reconciler.sandbox.call import Call
from reconciler.sandbox.credentials import CLIENT_ID, CLIENT_SECRET
from reconciler.sandbox.errors import Refusal
from reconciler.sandbox.messages import Response, reply
from reconciler.sandbox.routing import Route
from reconciler.sandbox.tokens import Tokens, new_secret

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PARTNER_CLAIM = "https://api.chektdev.com/claims/partner"
_CODE_LIFETIME = 600


class AuthorizationServer:
    """Token endpoint and its neighbours."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens

    def routes(self) -> Iterator[Route]:
        yield Route("POST", "/oauth/token", self.token)
        yield Route("POST", "/oauth/revoke", self.revoke)
        yield Route("GET", "/authorize", self.authorize)
        yield Route("GET", "/v2/logout", self.logout)
        yield Route("GET", "/.well-known/jwks.json", lambda _call: reply(self.tokens.jwks()))

    def token(self, call: Call) -> Response:
        """An access token for client credentials, a code or a refresh token (RFC 6749, RFC 7523)."""
        form = call.request.form()
        grant = form.get("grant_type")
        if grant == "client_credentials":
            return self._machine(call, form)
        if grant not in ("authorization_code", "refresh_token"):
            raise Refusal(400, f"grant_type {grant!r} is not supported", code="unsupported_grant_type")
        _check_client(form)
        if grant == "authorization_code":
            saved = _redeem(call, "code", form.get("code", ""))
            if saved.get("redirect_uri") != form.get("redirect_uri"):
                raise Refusal(400, "redirect_uri is not the one of the request", code="invalid_grant")
            return self._user(call, saved, refresh=None)
        refresh = form.get("refresh_token", "")
        saved = _redeem(call, "refresh", refresh, keep=not call.switches.refresh_rotation)
        return self._user(call, saved, refresh=None if call.switches.refresh_rotation else refresh)

    def _machine(self, call: Call, form: Mapping[str, str]) -> Response:
        if "client_assertion" in form or "client_assertion_type" in form:
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                raise Refusal(400, f"client_assertion_type must be {ASSERTION_TYPE}", code="invalid_request")
            issuer = f"{call.request.base_url}/"
            client_id = self.tokens.check_assertion(form.get("client_assertion", ""), issuer, call.now)
            if "audience" not in form:
                raise Refusal(400, "audience is required", code="invalid_request", field="audience")
        else:
            client_id = _check_client(form)
        audience = form.get("audience", call.switches.audience)
        if audience != call.switches.audience:
            raise Refusal(403, f"{audience!r} is no API of this server", code="access_denied")
        claims = _claims(call, client_id, audience, " ".join(call.switches.token_scopes))
        claims |= {"sub": f"{client_id}@clients", "gty": "client-credentials"}
        if PARTNER_CLAIM in form:
            claims[PARTNER_CLAIM] = _custom_claim(form[PARTNER_CLAIM])
        return self._answer(call, claims)

    def _user(self, call: Call, saved: JsonObject, refresh: str | None) -> Response:
        claims = _claims(call, CLIENT_ID, str(saved["audience"]), str(saved["scope"]))
        claims |= {"sub": f"auth0|dealer-admin-{saved['dealer_id']}", "dealer_id": saved["dealer_id"]}
        extra: JsonObject = {}
        if "offline_access" in str(saved["scope"]).split():
            extra["refresh_token"] = refresh or _grant(call, "refresh", saved, None)
        return self._answer(call, claims, extra)

    def _answer(self, call: Call, claims: JsonObject, extra: JsonObject | None = None) -> Response:
        body: JsonObject = {
            "access_token": self.tokens.issue(claims),
            "token_type": "Bearer",
            "expires_in": call.switches.token_lifetime,
            "scope": claims["scope"],
        }
        return reply(body | (extra or {})).with_headers([("Cache-Control", "no-store")])

    def authorize(self, call: Call) -> Response:
        """Consent at once, as the admin of the dealer in ``login_hint`` (else of the first dealer)."""
        query = call.request.query
        redirect = query.get("redirect_uri", "")
        if query.get("response_type") != "code" or query.get("client_id") != CLIENT_ID or not redirect:
            raise Refusal(400, "response_type=code, client_id and redirect_uri are required")
        hint = query.get("login_hint", "")
        dealers = call.store.all("dealer")
        chosen = [row for row in dealers if str(row.id) == hint] or dealers
        saved: JsonObject = {
            "redirect_uri": redirect,
            "scope": query.get("scope", "openid"),
            "audience": query.get("audience", call.switches.audience),
            "dealer_id": chosen[0].id if chosen else 0,
        }
        with call.store.transaction():
            code = _grant(call, "code", saved, call.now + _CODE_LIFETIME)
        answer = {"code": code} | ({"state": query["state"]} if "state" in query else {})
        join = "&" if urlsplit(redirect).query else "?"
        return Response(302, b"", [("Location", f"{redirect}{join}{urlencode(answer)}")])

    def revoke(self, call: Call) -> Response:
        """Forget a refresh token (RFC 7009): 200 for an unknown one too."""
        form = call.request.form()
        _check_client(form)
        call.store.run("DELETE FROM grants WHERE sort = 'refresh' AND value = ?", (form.get("token", ""),))
        return reply({})

    def logout(self, call: Call) -> Response:
        back = call.request.query.get("returnTo")
        return Response(302, b"", [("Location", back)]) if back else reply({})


def _check_client(form: Mapping[str, str]) -> str:
    if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
        raise Refusal(401, "client id or secret is wrong", code="invalid_client")
    return CLIENT_ID


def _claims(call: Call, client_id: str, audience: str, scope: str) -> JsonObject:
    issued = int(call.now)
    return {
        "iss": f"{call.request.base_url}/",
        "aud": audience,
        "iat": issued,
        "exp": issued + call.switches.token_lifetime,
        "scope": scope,
        "azp": client_id,
    }


def _custom_claim(text: str) -> JsonValue:
    """A number, a string, or an object encoded as JSON, parsed (section 2.3)."""
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value


def _grant(call: Call, sort: str, saved: JsonObject, expires_at: float | None) -> str:
    value = new_secret(sort)
    call.store.run("INSERT INTO grants VALUES (?, ?, ?, ?)", (sort, value, expires_at, json.dumps(saved)))
    return value


def _redeem(call: Call, sort: str, value: str, *, keep: bool = False) -> JsonObject:
    found = call.store.rows("SELECT body, expires_at FROM grants WHERE sort = ? AND value = ?", (sort, value))
    if not found or (found[0][1] is not None and found[0][1] < call.now):
        raise Refusal(400, f"the {sort} is unknown, used or expired", code="invalid_grant")
    if not keep:
        call.store.run("DELETE FROM grants WHERE sort = ? AND value = ?", (sort, value))
    saved: JsonObject = json.loads(found[0][0])
    return saved
