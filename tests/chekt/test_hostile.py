"""A server that sends what no server should: nothing leaks, nothing hangs, nothing is guessed."""

from __future__ import annotations

import gzip
import itertools
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

import pytest

from reconciler.chekt import ClientSecret, Connection, Credentials, DealerKeys, connect
from reconciler.chekt.client import Client
from reconciler.errors import ApiError, AuthError, RemoteError
from reconciler.kinds.surfaces import surfaces
from reconciler.model import Address, Surface
from reconciler.redaction import Redactor
from reconciler.writes import Write
from tests.chekt.conftest import KEY, SECRET
from tests.chekt.hostile import RawServer, chunks, raw_server, response

MIB = 1024**2
PACKED = gzip.compress(b"[]", mtime=0)
BOMB = gzip.compress(b" " * (8 * MIB), mtime=0)
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
UPDATE = Write("update", Address("contact", ("acme", "hq", "john")), ("5", "7"), "9", "john", {}, "key-1")

Start = Callable[..., RawServer]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a server that answers with fixed bytes, or with what a function makes of the request."""
    with ExitStack() as stack:

        def begin(answer: bytes | Callable[[bytes], Iterable[bytes]]) -> RawServer:
            fixed = (lambda _request: [answer]) if isinstance(answer, bytes) else answer
            return stack.enter_context(raw_server(fixed))

        yield begin


def client(
    server: RawServer, surface: Surface = "dealer", credentials: Credentials | None = None, **limits: float
) -> Client:
    bounds = {"answer_size": 4 * MIB, "answer_timeout": 0.5, "read_timeout": 2.0, **limits}
    connection = Connection(server.url, surface, credentials or DealerKeys(KEY), **bounds)  # type: ignore[arg-type]
    return connect(
        connection, surfaces(surface, sandbox=False), redactor=Redactor(), sleep=lambda _seconds: None
    )


def refused(server: RawServer, **limits: float) -> RemoteError:
    """The error a list ends with."""
    with client(server, **limits) as reader, pytest.raises(RemoteError) as caught:
        reader.list("contact", ("5", "7"))
    return caught.value


def written(server: RawServer) -> str:
    """What becomes of an update: done, failed or unknown."""
    with client(server) as writer:
        (result,) = writer.write([UPDATE])
    assert sum(request.startswith(b"PUT") for request in server.heard) <= 1
    return "unknown" if result.ambiguous else "failed" if result.error else "done"


def endless(head: bytes, piece: bytes) -> Callable[[bytes], Iterator[bytes]]:
    return lambda _request: itertools.chain(
        [head + b"\r\n"], chunks(itertools.repeat(piece, 1024**3 // len(piece)))
    )


def test_a_gigabyte_is_not_read(start: Start) -> None:
    server = start(endless(STREAM, b" " * 65536))
    tracemalloc.start()
    try:
        error = refused(server, answer_timeout=60.0)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "larger than 4 MiB" in error.message
    assert most < 16 * MIB
    assert server.sent < 64 * MIB
    assert len(server.heard) == 1


def test_a_declared_gigabyte_is_not_even_begun(start: Start) -> None:
    server = start(response(b"[]", length=1024**3))
    assert "larger than 4 MiB" in refused(server).message
    assert len(server.heard) == 1


def test_a_gzip_bomb_is_stopped_as_it_unfolds(start: Start) -> None:
    bomb = gzip.compress(b"[" + b" " * (128 * MIB) + b"]", 9)
    assert len(bomb) < MIB
    server = start(response(bomb, "200 OK", "Content-Encoding: gzip"))
    tracemalloc.start()
    try:
        error = refused(server, answer_timeout=60.0)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "larger than 4 MiB" in error.message
    assert most < 16 * MIB


def test_gzip_is_read(start: Start) -> None:
    server = start(response(PACKED, "200 OK", "Content-Encoding: gzip"))
    with client(server) as reader:
        assert reader.list("contact", ("5", "7")) == ()
    assert b"Accept-Encoding: gzip\r\n" in server.heard[0]


@pytest.mark.parametrize(
    ("body", "encoding", "says"),
    [
        (b"[]", "br", "encoded as 'br', which was not asked for"),
        (b"[]", "gzip, gzip", "which was not asked for"),
        (b"[]", "gzip", "cannot be unpacked"),
        (PACKED[:-4], "gzip", "cannot be unpacked: it ends too early"),
    ],
)
def test_what_cannot_be_unpacked_is_named(start: Start, body: bytes, encoding: str, says: str) -> None:
    assert says in refused(start(response(body, "200 OK", f"Content-Encoding: {encoding}"))).message


def test_an_endless_trickle_has_an_end(start: Start) -> None:
    over = threading.Event()

    def trickle(_request: bytes) -> Iterator[bytes]:
        yield STREAM + b"\r\n"
        while not over.wait(0.05):
            yield b"1\r\n \r\n"

    server = start(trickle)
    began = time.monotonic()
    try:
        assert "not complete after 0.5 s" in refused(server).message
        assert time.monotonic() - began < 5
    finally:
        over.set()
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"data":' * 80 + b"[]" + b"}" * 80, "nested too deeply"),
        (b'[{"contact_id": ' + b"9" * 10_000 + b"}]", "a number of 10000 digits"),
        (b'[{"contact_id": 1e999}]', "the number 1e999 is too large"),
        (b'[{"contact_id": NaN}]', "NaN is not JSON"),
        (b'[{"contact_id": -Infinity}]', "-Infinity is not JSON"),
        (b'[{"contact_id": 1, "contact_id": 2}]', "the key 'contact_id' stands twice"),
        (b'[{"contact_id": 1, "first_name": "\\ud800"}]', "half a surrogate pair"),
        ('[{"first_name": "Jürgen"}]'.encode("latin-1"), "not UTF-8 at byte"),
        ("[]".encode("utf-16"), "not UTF-8"),
        (b"[]]", "Extra data"),
    ],
)
def test_json_that_two_readers_could_read_differently_is_refused(
    start: Start, body: bytes, says: str
) -> None:
    assert says in refused(start(response(body))).message


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "no-such-thing"])
def test_json_is_utf_8_whatever_the_header_says(start: Start, charset: str) -> None:
    body = '[{"contact_id": 1, "external_contact_id": "j", "first_name": "Jürgen"}]'.encode()
    server = start(response(body, "200 OK", f"Content-Type: application/json; charset={charset}"))
    with client(server) as reader:
        (contact,) = reader.list("contact", ("5", "7"))
    assert contact.fields["first_name"] == "Jürgen"


def test_a_body_shorter_than_declared_is_no_list(start: Start) -> None:
    def cut(_request: bytes) -> Iterator[bytes]:
        yield response(b"[]", length=50)
        raise OSError

    assert "peer closed connection" in refused(start(cut)).message


def test_a_body_longer_than_declared_is_no_list(start: Start) -> None:
    assert "does not parse" in refused(start(response(b'[{"contact_id": 1}]', length=5))).message


def test_ten_thousand_headers_are_too_many(start: Start) -> None:
    many = [f"X-Header-{number}: {'v' * 20}" for number in range(10_000)]
    assert "no answer" in refused(start(response(b"[]", "200 OK", *many))).message


@pytest.mark.parametrize(
    "answer",
    [
        response(b'{"contact_id": 9', length=16),
        response(b'{"contact_id": NaN}'),
        response(b'{"contact_id": 9, "contact_id": 9}'),
        response(b"[" * 100_000),
        response(b"{}", length=1024**3),
        response(b"{}", "200 OK", "Content-Encoding: br"),
        response(BOMB, "200 OK", "Content-Encoding: gzip"),
        response(b"", "303 See Other", "Location: /ext/v1/elsewhere"),
        response(b"", "302 Found", "Location: /ext/v1/elsewhere"),
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"v" * 200_000,
        b"no HTTP at all\r\n\r\n",
    ],
)
def test_a_write_whose_success_cannot_be_read_is_unknown_and_sent_once(start: Start, answer: bytes) -> None:
    assert written(start(answer)) == "unknown"


@pytest.mark.parametrize(
    "status", ["301 Moved Permanently", "307 Temporary Redirect", "308 Permanent Redirect"]
)
def test_a_write_that_is_redirected_was_not_done(start: Start, status: str) -> None:
    assert written(start(response(b"", status, "Location: /ext/v1/elsewhere"))) == "failed"


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
def test_no_redirect_is_followed_to_another_host(start: Start, status: str) -> None:
    other = start(response(b"[]"))
    server = start(response(b"", status, f"Location: {other.url}/ext/v1/contacts?token={KEY}"))
    error = refused(server)
    assert isinstance(error, ApiError)
    assert f"It points to {other.url}/ext/v1/contacts; redirects are never followed" in error.hint
    assert written(server) in ("failed", "unknown")
    assert other.heard == []


@pytest.mark.parametrize(
    "where", ["http://127.0.0.1:1/x", "/ext/v1/elsewhere", "//127.0.0.1:1/", "\\evil", ""]
)
def test_no_redirect_is_followed_anywhere(start: Start, where: str) -> None:
    server = start(response(b"", "302 Found", f"Location: {where}"))
    assert "302" in refused(server).message
    assert len(server.heard) == 1


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect"])
def test_the_token_request_follows_no_redirect(start: Start, status: str) -> None:
    other = start(response(b'{"access_token": "stolen"}'))
    server = start(response(b"", status, f"Location: {other.url}/token"))
    credentials = ClientSecret(f"{server.url}/token", "audience", "client", SECRET)
    with client(server, "partner", credentials) as reader, pytest.raises(AuthError) as caught:
        reader.list("site", ("5",))
    assert caught.value.hint == "Credentials never follow a redirect; correct CHEKT_TOKEN_URL."
    assert other.heard == []
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    "answer",
    [
        response(b'{"access_token": "t"}', length=1024**3),
        response(BOMB, "200 OK", "Content-Encoding: gzip"),
        response(b'{"access_token": "t", "expires_in": NaN}'),
        response(b'{"access_token": "a", "access_token": "b"}'),
        response(b'{"access_token": {"deep": ' + b"[" * 1000 + b"]" * 1000 + b"}}"),
        response(b'{"access_token": "a\\nb"}'),
    ],
)
def test_a_token_answer_out_of_bounds_ends_the_run(start: Start, answer: bytes) -> None:
    server = start(answer)
    credentials = ClientSecret(f"{server.url}/token", "audience", "client", SECRET)
    with client(server, "partner", credentials) as reader, pytest.raises(RemoteError, match="token"):
        reader.list("site", ("5",))
    assert len(server.heard) == 1


def test_a_next_page_on_another_host_is_asked_of_ours(start: Start) -> None:
    other = start(response(b"[]"))

    def pages(request: bytes) -> Iterable[bytes]:
        if b"cursor=2" in request:
            return [response(b'[{"contact_id": 2}]')]
        return [response(b'[{"contact_id": 1}]', "200 OK", f'Link: <{other.url}/steal?cursor=2>; rel="next"')]

    server = start(pages)
    with client(server) as reader:
        assert [contact.remote_id for contact in reader.list("contact", ("5", "7"))] == ["1", "2"]
    assert other.heard == []
    assert b"GET /ext/v1/" in server.heard[1]


def test_pages_that_lead_in_a_circle_end(start: Start) -> None:
    server = start(response(b'[{"contact_id": 1}]', "200 OK", 'Link: </x?cursor=1>; rel="next"'))
    assert "never ends" in refused(server).message
    assert len(server.heard) < 5
