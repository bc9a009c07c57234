"""Credentials: where they come from, how they are sent, when a token is fetched anew."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from reconciler.chekt import Assertion, ClientSecret, DealerKeys, credentials_from_env
from reconciler.chekt.auth import assertion_auth
from reconciler.errors import AuthError, ConfigError, RemoteError
from reconciler.model import Address
from reconciler.redaction import Redactor
from reconciler.writes import Write
from tests.chekt.conftest import KEY, SECRET, TOKEN, TOKEN_URL, Lab, always, in_turn

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SMALL_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> str:
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, how).decode()


PEM = pem(RSA_KEY)
ASSERTION = Assertion(TOKEN_URL, "https://api.example.com/", "client-1", PEM, "key-7")
PARTNER = {
    "CHEKT_TOKEN_URL": TOKEN_URL,
    "CHEKT_AUDIENCE": "https://api.example.com/",
    "CHEKT_CLIENT_ID": "client-1",
}
UPDATE = Write("update", Address("site", ("acme", "hq")), ("5",), "17", "hq", {"name": "New"}, "key-1")


def form(request: httpx.Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.content.decode()).items()}


def test_a_token_request_has_the_time_outs_of_the_call_it_is_for(lab: Lab) -> None:
    with lab.client(always(200, json=[])) as client:
        client.list("site", ("5",))
    (token,), (call,) = lab.token_requests, lab.seen
    assert token.extensions["timeout"] == call.extensions["timeout"]
    assert token.extensions["timeout"]["read"] is not None


def test_a_client_secret_is_exchanged_for_a_token(lab: Lab) -> None:
    with lab.client(always(200, json=[])) as client:
        client.list("site", ("5",))
        client.list("site", ("5",))
    (request,) = lab.token_requests
    assert form(request) == {
        "grant_type": "client_credentials",
        "client_id": "client-1",
        "client_secret": SECRET,
        "audience": "https://api.example.com/",
    }
    assert {request.headers["Authorization"] for request in lab.seen} == {f"Bearer {TOKEN}"}
    assert (client.requests.tokens, client.requests.reads) == (1, 2)


def test_an_assertion_is_signed_as_registered(lab: Lab) -> None:
    with lab.client(always(200, json=[]), credentials=ASSERTION) as client:
        client.list("site", ("5",))
    sent = form(lab.token_requests[0])
    assert sorted(sent) == ["audience", "client_assertion", "client_assertion_type", "grant_type"]
    assert sent["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assertion = sent["client_assertion"]
    assert jwt.get_unverified_header(assertion) == {"alg": "RS256", "kid": "key-7", "typ": "JWT"}
    claims = jwt.decode(
        assertion,
        RSA_KEY.public_key(),
        algorithms=["RS256"],
        audience="https://auth.example.com/",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["iss"] == claims["sub"] == "client-1"
    assert claims["exp"] - claims["iat"] == 300
    assert claims["iat"] == int(lab.clock.now)
    assert len(claims["jti"]) == 36
    assert lab.redactor(assertion) == "***"


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("not a key", "not in PEM form"),
        ("", "not in PEM form"),
        (pem(EC_KEY), "not an RSA key"),
        (pem(SMALL_KEY), "only 1024 bits"),
        (pem(RSA_KEY, b"password"), "encrypted"),
        (PEM[:200], "not in PEM form"),
    ],
)
def test_an_unusable_private_key_is_named_without_being_shown(lab: Lab, key: str, says: str) -> None:
    credentials = Assertion(TOKEN_URL, "a", "c", key, "k")
    with pytest.raises(AuthError) as caught:
        assertion_auth(credentials, lab.redactor, lab.clock)
    assert says in caught.value.message
    assert PEM[40:80] not in str(caught.value.to_json())


def test_a_token_is_renewed_shortly_before_it_expires(lab: Lab) -> None:
    with lab.client(always(200, json=[])) as client:
        for later in (0, 3500, 50):
            lab.clock.now += later
            client.list("site", ("5",))
    assert len(lab.token_requests) == 2


def test_without_expires_in_the_tokens_own_exp_counts(lab: Lab) -> None:
    token = jwt.encode({"exp": int(lab.clock.now) + 100}, "x" * 32)
    lab.token = always(200, json={"access_token": token})
    with lab.client(always(200, json=[])) as client:
        for later in (0, 80, 15):
            lab.clock.now += later
            client.list("site", ("5",))
    assert len(lab.token_requests) == 2


def test_a_token_that_names_no_lifetime_is_used_until_it_is_refused(lab: Lab) -> None:
    lab.token = always(200, json={"access_token": "opaque-token"})
    with lab.client(always(200, json=[])) as client:
        for _ in range(3):
            lab.clock.now += 100_000
            client.list("site", ("5",))
    assert len(lab.token_requests) == 1


def test_a_401_renews_the_token_once_and_sends_the_same_write_again(lab: Lab) -> None:
    refused = httpx.Response(401, json={"message": "expired"})
    with lab.client(in_turn(refused, httpx.Response(200, json={"site_id": 17}))) as client:
        (result,) = client.write([UPDATE])
    assert result.error is None
    assert len(lab.token_requests) == 2
    assert [request.headers["Idempotency-Key"] for request in lab.seen] == ["key-1"] * 2
    assert lab.seen[0].content == lab.seen[1].content


def test_a_second_401_is_an_error(lab: Lab) -> None:
    with lab.client(always(401, json={"message": "no"})) as client, pytest.raises(AuthError):
        client.list("site", ("5",))
    assert (len(lab.seen), len(lab.token_requests)) == (2, 2)


def test_threads_share_one_renewal(lab: Lab) -> None:
    tokens = iter(["first-token", "second-token", "third-token"])
    lab.token = lambda _request: httpx.Response(200, json={"access_token": next(tokens)})
    together = threading.Barrier(8)

    def serve(request: httpx.Request) -> httpx.Response:
        if request.headers["Authorization"] == "Bearer first-token":
            together.wait(timeout=10)
            return httpx.Response(401, json={"message": "expired"})
        return httpx.Response(200, json=[])

    with lab.client(serve) as client, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: client.list("site", ("5",)), range(8))) == [()] * 8
    assert len(lab.token_requests) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_token_endpoint_is_asked_again_even_for_a_write(lab: Lab, status: int) -> None:
    lab.token = in_turn(
        httpx.Response(status, headers={"Retry-After": "4"}),
        httpx.Response(200, json={"access_token": TOKEN}),
    )
    with lab.client(always(200, json={"site_id": 17})) as client:
        (result,) = client.write([UPDATE])
    assert result.error is None
    assert lab.clock.slept == [4.0]
    assert len(lab.seen) == 1


def test_a_write_that_got_no_token_was_certainly_not_sent(lab: Lab) -> None:
    def down(_request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow")

    lab.token = down
    with lab.client(always(200, json={"site_id": 17})) as client:
        (result,) = client.write([UPDATE])
    assert not result.ambiguous
    assert f"token endpoint cannot be reached: {TOKEN_URL}: slow" in (result.error or "")
    assert not lab.seen


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            httpx.Response(401, json={"error": "access_denied", "error_description": f"no {SECRET}"}),
            r"no \*\*\*",
        ),
        (httpx.Response(200, json={"token": "x"}), "without a usable access_token"),
        (httpx.Response(200, json={"access_token": "planted\n"}), "without a usable access_token"),
        (httpx.Response(200, html="<html></html>"), "no JSON"),
        (httpx.Response(302), "302"),
    ],
)
def test_a_refused_token_request_says_why(lab: Lab, answer: httpx.Response, says: str) -> None:
    lab.token = in_turn(answer)
    with lab.client(always(200, json=[])) as client, pytest.raises(AuthError, match=says) as caught:
        client.list("site", ("5",))
    assert TOKEN_URL in caught.value.message


def test_a_token_url_in_the_clear_is_refused(lab: Lab) -> None:
    credentials = ClientSecret("http://auth.example.com/oauth/token", "a", "c", SECRET)
    with pytest.raises(ConfigError, match="CHEKT_TOKEN_URL"):
        lab.client(always(200, json=[]), credentials=credentials)


def test_each_dealer_is_opened_by_its_own_key(lab: Lab) -> None:
    keys = DealerKeys("default-key", {"5": "fifth-key"})
    with lab.client(always(200, json=[]), "dealer", credentials=keys) as client:
        client.list("contact", ("5", "1"))
        client.list("contact", ("6", "1"))
    sent = [request.headers["Authorization"] for request in lab.seen]
    assert sent == ["Bearer fifth-key", "Bearer default-key"]


def test_a_dealer_without_a_key_is_named(lab: Lab) -> None:
    keys = DealerKeys(None, {"5": "fifth-key"})
    client = lab.client(always(200, json=[]), "dealer", credentials=keys)
    with client, pytest.raises(AuthError, match="no API key for dealer 6"):
        client.list("contact", ("6", "1"))


@pytest.mark.parametrize(
    ("without", "extra", "missing"),
    [
        (("CHEKT_TOKEN_URL",), {"CHEKT_CLIENT_SECRET": SECRET}, ["CHEKT_TOKEN_URL"]),
        (("CHEKT_AUDIENCE", "CHEKT_CLIENT_ID"), {"CHEKT_CLIENT_SECRET": SECRET}, ["AUDIENCE", "CLIENT_ID"]),
        ((), {}, ["CHEKT_CLIENT_SECRET (or CHEKT_PRIVATE_KEY_FILE and CHEKT_KEY_ID)"]),
        ((), {"CHEKT_KEY_ID": "k"}, ["CHEKT_PRIVATE_KEY_FILE"]),
        ((), {"CHEKT_PRIVATE_KEY_FILE": "key.pem"}, ["CHEKT_KEY_ID"]),
        (
            (),
            {"CHEKT_CLIENT_SECRET": ""},
            ["CHEKT_CLIENT_SECRET (or CHEKT_PRIVATE_KEY_FILE and CHEKT_KEY_ID)"],
        ),
    ],
)
def test_missing_variables_are_named(
    without: tuple[str, ...], extra: dict[str, str], missing: list[str]
) -> None:
    env = {name: value for name, value in PARTNER.items() if name not in without} | extra
    with pytest.raises(AuthError) as caught:
        credentials_from_env(env, "partner")
    named = caught.value.message.partition(": ")[2]
    assert [name in named for name in missing] == [True] * len(missing)
    assert named.count("CHEKT_") == sum(name.count("CHEKT_") or 1 for name in missing)
    assert "either CHEKT_CLIENT_SECRET, or CHEKT_PRIVATE_KEY_FILE and CHEKT_KEY_ID" in caught.value.hint


def test_credentials_come_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text(PEM)
    redactor = Redactor()
    secret = credentials_from_env({**PARTNER, "CHEKT_CLIENT_SECRET": SECRET}, "partner", redactor=redactor)
    assertion = credentials_from_env(
        {**PARTNER, "CHEKT_PRIVATE_KEY_FILE": str(file), "CHEKT_KEY_ID": "key-7"},
        "partner",
        redactor=redactor,
    )
    keys = credentials_from_env({"CHEKT_API_KEY": KEY}, "dealer", dealers={"5": "fifth"}, redactor=redactor)
    assert secret == ClientSecret(TOKEN_URL, "https://api.example.com/", "client-1", SECRET)
    assert assertion == ASSERTION
    assert keys == DealerKeys(KEY, {"5": "fifth"})
    line = PEM.splitlines()[1]
    assert redactor(f"{SECRET} {KEY} fifth {line}") == "*** *** *** ***"
    for credentials in (secret, assertion, keys):
        shown = repr(credentials)
        assert not any(value in shown for value in (SECRET, KEY, "fifth", line))


def test_the_dealer_surface_needs_a_key() -> None:
    with pytest.raises(AuthError, match="CHEKT_API_KEY"):
        credentials_from_env({}, "dealer")


def test_two_ways_at_once_and_an_unreadable_key_file_are_errors(tmp_path: Path) -> None:
    both = {**PARTNER, "CHEKT_CLIENT_SECRET": SECRET, "CHEKT_PRIVATE_KEY_FILE": "k", "CHEKT_KEY_ID": "k"}
    with pytest.raises(AuthError, match="both set"):
        credentials_from_env(both, "partner")
    env = {**PARTNER, "CHEKT_PRIVATE_KEY_FILE": str(tmp_path / "none.pem"), "CHEKT_KEY_ID": "k"}
    with pytest.raises(AuthError, match="cannot be read"):
        credentials_from_env(env, "partner")
    (tmp_path / "none.pem").write_bytes(b"\xff\xfe")
    with pytest.raises(RemoteError, match="not a PEM file"):
        credentials_from_env(env, "partner")


@pytest.mark.parametrize("key", ["planted-kéy-é", "planted\nkey", "planted key"])
def test_a_key_no_header_can_carry_is_named_without_being_shown(lab: Lab, key: str) -> None:
    client = lab.client(always(200, json=[]), "dealer", credentials=DealerKeys(key))
    with client, pytest.raises(AuthError, match="no header can carry") as caught:
        client.list("contact", ("5", "1"))
    assert "planted" not in f"{caught.value.to_json()} {lab.lines}"
