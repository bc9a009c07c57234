"""``doctor`` at hosts that are not CHeKT, answer badly, or not at all: a sentence each, never a traceback."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.chekt.hostile import chunks, raw_server, response
from tests.integration.conftest import DEALER, Cli, Result

Project = Callable[..., Path]
Answer = Callable[[bytes], Iterable[bytes]]

PAGE = b"<!doctype html><html><head><title>Dealer portal</title></head></html>"
TOKEN = response(b'{"access_token": "a.b.c", "expires_in": 60}')


def _html(_: bytes) -> Iterator[bytes]:
    yield response(PAGE, "200 OK").replace(b"application/json", b"text/html")


def _api_html(request: bytes) -> Iterator[bytes]:
    yield from [TOKEN] if request.startswith(b"POST") else _html(request)


def _nothing(_: bytes) -> Iterator[bytes]:
    raise ConnectionError
    yield b""


def _garbage(_: bytes) -> Iterator[bytes]:
    yield b"\x00\xff\x16\x03 no http at all \x1b[2J\r\n\r\n"


def _json_garbage(request: bytes) -> Iterator[bytes]:
    yield TOKEN if request.startswith(b"POST") else response(b'{"data": [[[ \xff')


def _odd_json(request: bytes) -> Iterator[bytes]:
    yield TOKEN if request.startswith(b"POST") else response(b'[1, null, {"site_id": {}}, "x"]')


def _odd_token(request: bytes) -> Iterator[bytes]:
    yield response(b'{"access_token": ["x"], "scope": 7, "expires_in": "soon"}')


def _redirect(_: bytes) -> Iterator[bytes]:
    yield response(b"", "302 Found", "Location: https://login.example.com/?next=secret")


def _api_redirect(request: bytes) -> Iterator[bytes]:
    yield from [TOKEN] if request.startswith(b"POST") else _redirect(request)


def _broken(request: bytes) -> Iterator[bytes]:
    yield TOKEN if request.startswith(b"POST") else response(b"{}", "503 Service Unavailable")


def _refusing(request: bytes) -> Iterator[bytes]:
    headers = ("Retry-After: 30", "X-RateLimit-Limit: 60", "X-RateLimit-Remaining: 0")
    yield TOKEN if request.startswith(b"POST") else response(b"{}", "429 Too Many Requests", *headers)


def _slow(request: bytes) -> Iterator[bytes]:
    time.sleep(1.5)
    yield TOKEN


def _dripping(request: bytes) -> Iterator[bytes]:
    if request.startswith(b"POST"):
        yield TOKEN
        return
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield next(iter(chunks([b"["])))
    time.sleep(1.5)


def _look(cli: Cli, directory: Path) -> tuple[Result, dict[str, Any]]:
    result = cli("doctor", directory, "--format", "json")
    text = cli("doctor", directory)
    for each in (result, text):
        assert each.code == (0 if result.json["healthy"] else 1)
        assert "Traceback" not in each.out + each.err
        assert "internal error" not in each.out + each.err
        assert "\x1b" not in each.out
    assert "next=secret" not in result.out
    return result, {check["name"]: check for check in result.json["checks"]}


@pytest.fixture
def directory(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CHEKT_AUDIENCE", "CHEKT_CLIENT_ID", "CHEKT_CLIENT_SECRET", "CHEKT_API_KEY"):
        monkeypatch.setenv(name, f"planted-{name.lower()}")
    return project(sites_yaml=DEALER)


@pytest.mark.parametrize(
    ("answer", "check", "seen", "to_do"),
    [
        (_html, "credentials.partner", "expected JSON, received text/html", "correct CHEKT_TOKEN_URL"),
        (_api_html, "network.partner", "not as CHeKT does", "Correct base_url"),
        (_nothing, "credentials.partner", "No token", "Check the URL"),
        (_garbage, "credentials.partner", "answers no sound HTTP", "something else is there"),
        (_json_garbage, "network.partner", "does not parse", "Correct base_url"),
        (_odd_json, "endpoints.partner", "Unexpected: GET /partner/v1/dealers/{dealer_id}", "Ask CHeKT"),
        (_odd_token, "credentials.partner", "there is no access_token in it", "is no token endpoint"),
        (_redirect, "credentials.partner", "It points to https://login.example.com/.", "follow no redirect"),
        (_api_redirect, "network.partner", "points to https://login.example.com/ (302)", "base_url"),
        (_broken, "network.partner", "with 503 only", "try again later"),
        (_refusing, "limits.partner", "too many (429)", "wait"),
    ],
)
def test_what_is_wrong_is_said(
    cli: Cli,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    check: str,
    seen: str,
    to_do: str,
) -> None:
    with raw_server(answer) as server:
        monkeypatch.setenv("CHEKT_BASE_URL", server.url)
        monkeypatch.setenv("CHEKT_TOKEN_URL", f"{server.url}/oauth/token")
        _, told = _look(cli, directory)
        assert seen in told[check]["seen"], told[check]
        assert to_do in told[check]["to_do"], told[check]
        assert told["ledger"]["result"] == "ok"
        assert all(head.split()[0] in (b"GET", b"POST") for head in server.heard)
        posts = [head.split()[1] for head in server.heard if head.startswith(b"POST")]
        assert set(posts) <= {b"/oauth/token"}
        assert len(posts) <= 2, "once a run: wrong credentials are not tried again"


@pytest.mark.parametrize("answer", [_slow, _dripping])
def test_a_host_that_keeps_one_waiting_is_asked_once_and_no_more(
    cli: Cli, directory: Path, project: Project, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    with raw_server(answer) as server:
        settings = (
            f"environments: {{slow: {{base_url: '{server.url}', timeouts: {{read: 0.2, connect: 1}}}}}}\n"
        )
        project(reconciler_yaml=settings)
        monkeypatch.setenv("CHEKT_TOKEN_URL", f"{server.url}/oauth/token")
        result = cli("doctor", directory, "--env", "slow", "--format", "json")
        told = {check["name"]: check for check in result.json["checks"]}
        assert result.code == 1
        assert any("did not answer in time" in each["seen"] for each in told.values()), told
        assert len([head for head in server.heard if head.startswith(b"GET")]) <= 2


def test_without_a_network_every_check_says_what_could_not_be_reached(
    cli: Cli, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHEKT_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CHEKT_TOKEN_URL", "http://127.0.0.1:9/oauth/token")
    result, told = _look(cli, directory)
    assert result.code == 1
    assert "nothing listens at 127.0.0.1:9" in told["credentials.partner"]["seen"]
    assert "Nothing listens at 127.0.0.1:9" in told["network.dealer"]["seen"]
    unknown = {name for name, check in told.items() if check["result"] == "unknown"}
    assert {"clock", "scopes", "shapes.partner", "shapes.dealer", "endpoints.dealer"} <= unknown
    assert told["ledger"]["result"] == "ok"


def test_a_certificate_that_nobody_signed_is_a_sentence(
    cli: Cli, directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context = _self_signed(tmp_path)
    with raw_server(_html, context) as server:
        url = server.url.replace("http:", "https:")
        monkeypatch.setenv("CHEKT_BASE_URL", url)
        monkeypatch.setenv("CHEKT_TOKEN_URL", f"{url}/oauth/token")
        _, told = _look(cli, directory)
        assert "is signed by nobody this machine trusts" in told["network.dealer"]["seen"]
        assert "SSL_CERT_FILE" in told["network.dealer"]["to_do"]


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(tz=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM
    file = folder / "host.pem"
    secret = key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + certificate.public_bytes(form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_a_proxy_is_named_without_its_password(
    cli: Cli, directory: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(reconciler_yaml="environments: {far: {base_url: 'https://api.example.com', surface: dealer}}\n")
    monkeypatch.setenv("HTTPS_PROXY", "http://kim:planted-password@127.0.0.1:9")
    result = cli("doctor", directory, "--env", "far", "--format", "json")
    told = {check["name"]: check for check in result.json["checks"]}["network.dealer"]
    assert (told["result"], told["facts"]["proxy"]) == ("failed", "http://127.0.0.1:9")
    assert "through the proxy http://127.0.0.1:9" in told["seen"]
    assert "planted-password" not in result.out
