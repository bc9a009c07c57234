"""Tokens: who gets one, what it opens, when it ends."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest

from reconciler.sandbox import AUDIENCE, CLIENT_ID, CLIENT_SECRET, DEALER_ID, Sandbox, dealer_key
from reconciler.sandbox.credentials import SCOPES, KeyPair, generate_key
from reconciler.sandbox.oauth import ASSERTION_TYPE, PARTNER_CLAIM
from tests.sandbox.conftest import START, BaseClock

SECRET = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
NOW = int(START.timestamp())
SITES = f"/partner/v1/dealers/{DEALER_ID}/sites"


@pytest.fixture(scope="module")
def pair() -> KeyPair:
    return generate_key("partner-key")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def assertion(pair: KeyPair, kid: str = "partner-key", **changes: Any) -> str:
    claims = {
        "iss": CLIENT_ID,
        "sub": CLIENT_ID,
        "aud": "https://api.example.com/",
        "iat": NOW,
        "exp": NOW + 300,
        "jti": str(uuid.uuid4()),
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, pair.private_pem, "RS256", headers={"kid": kid})


def assert_with(client: httpx.Client, signed: str, **changes: str) -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
        "audience": AUDIENCE,
        **changes,
    }
    return client.post("/oauth/token", data=form)


def test_a_client_secret_buys_a_signed_token(anonymous: httpx.Client) -> None:
    answer = anonymous.post("/oauth/token", data=SECRET).json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    keys = anonymous.get("/.well-known/jwks.json").json()["keys"]
    kid = jwt.get_unverified_header(answer["access_token"])["kid"]
    key = jwt.PyJWK(next(each for each in keys if each["kid"] == kid)).key
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(answer["access_token"], key, ["RS256"], audience=AUDIENCE, options=options)
    assert claims["iss"] == "https://api.example.com/"
    assert claims["sub"] == f"{CLIENT_ID}@clients"
    assert claims["azp"] == CLIENT_ID
    assert claims["gty"] == "client-credentials"
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["scope"].split() == list(SCOPES)


def test_an_assertion_buys_a_token_with_the_custom_claim(
    sandbox: Sandbox, anonymous: httpx.Client, pair: KeyPair
) -> None:
    sandbox.register_key(pair.kid, pair.public_pem)
    answer = assert_with(anonymous, assertion(pair), **{PARTNER_CLAIM: '{"dealer_id": "1"}'})
    token = answer.json()["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims[PARTNER_CLAIM] == {"dealer_id": "1"}
    assert anonymous.get(SITES, headers=bearer(token)).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "other"},
        {"sub": "other"},
        {"aud": "https://api.example.com"},
        {"aud": "https://api.example.com/oauth/token"},
        {"exp": NOW - 60},
        {"exp": NOW + 3600},
        {"jti": None},
        {"exp": None},
        {"kid": "unregistered"},
    ],
)
def test_a_wrong_assertion_is_refused(
    sandbox: Sandbox, anonymous: httpx.Client, pair: KeyPair, changes: dict[str, Any]
) -> None:
    sandbox.register_key(pair.kid, pair.public_pem)
    assert assert_with(anonymous, assertion(pair, **changes)).status_code == 401


def test_an_assertion_counts_once_and_only_under_its_own_key(
    sandbox: Sandbox, anonymous: httpx.Client, pair: KeyPair
) -> None:
    sandbox.register_key(pair.kid, pair.public_pem)
    signed = assertion(pair)
    assert assert_with(anonymous, signed).status_code == 200
    assert assert_with(anonymous, signed).status_code == 401
    assert assert_with(anonymous, assertion(generate_key())).status_code == 401
    assert assert_with(anonymous, "not.a.token").status_code == 401


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({**SECRET, "client_secret": "wrong"}, 401),
        ({**SECRET, "client_id": "wrong"}, 401),
        ({**SECRET, "audience": "https://other.example.com/"}, 403),
        ({"grant_type": "password"}, 400),
        ({}, 400),
    ],
)
def test_a_wrong_token_request_is_refused(anonymous: httpx.Client, form: dict[str, str], status: int) -> None:
    answer = anonymous.post("/oauth/token", data=form)
    assert answer.status_code == status
    assert "access_token" not in answer.text


def test_a_token_ends_with_its_life(
    anonymous: httpx.Client, partner: httpx.Client, base_clock: BaseClock
) -> None:
    base_clock.advance(3599)
    assert partner.get("/sites").status_code == 200
    base_clock.advance(1)
    assert partner.get("/sites").status_code == 401


def test_a_token_opens_what_its_scopes_say(anonymous: httpx.Client, switch: Callable[..., None]) -> None:
    switch(token_scopes=["read:sites"])
    token = anonymous.post("/oauth/token", data=SECRET).json()["access_token"]
    body = {"external_site_id": "a", "name": "A", "timezone": "UTC"}
    assert anonymous.get(SITES, headers=bearer(token)).status_code == 200
    assert anonymous.post(SITES, headers=bearer(token), json=body).status_code == 403


@pytest.mark.parametrize(
    ("path", "credential", "status"),
    [
        (SITES, None, 401),
        (SITES, dealer_key(DEALER_ID), 401),
        (SITES, "a.b.c", 401),
        ("/ext/v1/sites", None, 401),
        ("/ext/v1/sites", "wrong", 401),
        ("/ext/v1/sites", dealer_key(777), 401),
        ("/v1/devices", dealer_key(DEALER_ID), 401),
        ("/v1/sites", dealer_key(DEALER_ID), 200),
        ("/sim/v0/schedules", None, 401),
        ("/sim/v0/schedules", dealer_key(DEALER_ID), 200),
    ],
)
def test_each_surface_wants_its_own_credential(
    anonymous: httpx.Client, path: str, credential: str | None, status: int
) -> None:
    headers = bearer(credential) if credential else {}
    assert anonymous.get(path, headers=headers).status_code == status


def consent(client: httpx.Client, **query: str) -> str:
    """The code that a dealer admin's consent gives."""
    asked = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": "https://app.example.com/callback",
        "scope": "openid offline_access read:dealer update:dealer read:sites",
        **query,
    }
    answer = client.get("/authorize", params=asked)
    assert answer.status_code == 302
    return str(httpx.URL(answer.headers["location"]).params["code"])


def exchange(client: httpx.Client, **fields: str) -> httpx.Response:
    known = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    return client.post("/oauth/token", data={**known, **fields})


def test_a_dealer_admin_connects_a_dealer(sandbox: Sandbox, anonymous: httpx.Client) -> None:
    sandbox.seed_dealer(777, company_name="Example Alarms Inc.", connected=False)
    machine = bearer(anonymous.post("/oauth/token", data=SECRET).json()["access_token"])
    assert anonymous.get("/partner/v1/dealers/777", headers=machine).status_code == 404
    body = {"external_dealer_id": "adc-777", "company_name": "Example Alarms"}
    assert anonymous.put("/partner/v1/dealers/connect", headers=machine, json=body).status_code == 403
    code = consent(anonymous, login_hint="777")
    granted = {"grant_type": "authorization_code", "code": code}
    redirect = "https://app.example.com/callback"
    user = bearer(exchange(anonymous, **granted, redirect_uri=redirect).json()["access_token"])
    answer = anonymous.put("/partner/v1/dealers/connect", headers=user, json=body)
    assert answer.json()["company_name"] == "Example Alarms Inc."
    assert anonymous.get("/partner/v1/dealers/777", headers=machine).json()["external_dealer_id"] == "adc-777"
    assert anonymous.get(SITES, headers=user).status_code == 404


def test_a_code_counts_once_and_a_refresh_token_until_revoked(anonymous: httpx.Client) -> None:
    code = consent(anonymous)
    granted = {"grant_type": "authorization_code", "code": code}
    assert exchange(anonymous, **granted, redirect_uri="https://other.example.com").status_code == 400
    code = consent(anonymous)
    granted = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": "https://app.example.com/callback",
    }
    first = exchange(anonymous, **granted).json()["refresh_token"]
    assert exchange(anonymous, **granted).status_code == 400
    second = exchange(anonymous, grant_type="refresh_token", refresh_token=first).json()["refresh_token"]
    assert second != first
    assert exchange(anonymous, grant_type="refresh_token", refresh_token=first).status_code == 400
    known = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "token": second}
    assert anonymous.post("/oauth/revoke", data=known).status_code == 200
    assert exchange(anonymous, grant_type="refresh_token", refresh_token=second).status_code == 400


def test_an_app_calls_within_its_scopes_and_addresses(partner: httpx.Client, site: dict[str, Any]) -> None:
    apps = f"https://api.example.com/sim/v0/dealers/{DEALER_ID}/apps"
    body = {"external_app_id": "ai", "permissions": ["devices:read"], "ip_allow_list": ["203.0.113.0/24"]}
    assert partner.post(apps, json=body).status_code == 201
    keys = partner.get("https://api.example.com/sim/v0/keys").json()["apps"]
    headers = bearer(keys[0]["api_key"])
    devices = "https://api.example.com/v1/devices"
    assert partner.get(devices, headers=headers).status_code == 403
    partner.patch(f"{apps}/1", json={"ip_allow_list": None})
    assert [each["id"] for each in partner.get(devices, headers=headers).json()["data"]] == ["1"]
    assert partner.get("https://api.example.com/v1/alarms", headers=headers).status_code == 403
