"""Slow, large, many and strange requests get their refusal, and good deliveries are answered meanwhile."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from reconciler.listening.server import Limits
from tests.listening.rig import APP, Rig, app_event, app_headers, listening, wait_for

SMALL = Limits(body=2000, header=1000, request_seconds=2.0, connections=40, threads=4)


def raw(rig: Rig, *parts: bytes) -> bytes:
    """What comes back for ``parts``, sent one after the other, until the other side closes."""
    with socket.create_connection(("127.0.0.1", rig.receiver.port), 10) as connection:
        connection.settimeout(5)
        answer = b""
        try:
            for part in parts:
                connection.sendall(part)
            while data := connection.recv(65536):
                answer += data
        except OSError:
            return answer
        return answer


def post(body: bytes, *headers: str, version: str = "1.1") -> bytes:
    signed = [f"{name}: {value}" for name, value in app_headers(body).items()]
    lines = [f"POST {APP.path} HTTP/{version}", "Host: localhost", "Connection: close", *signed, *headers]
    return "\r\n".join([*lines, "", ""]).encode()


EVENT = app_event("evt_1")
LENGTH = f"Content-Length: {len(EVENT)}"
LARGE = app_event("evt_1", text="x" * 2000)

STRANGE: list[tuple[str, Callable[[], list[bytes]], bytes, str]] = [
    ("as it should be", lambda: [post(EVENT, LENGTH) + EVENT], b"200", "received"),
    ("HTTP/1.0", lambda: [post(EVENT, LENGTH, version="1.0") + EVENT], b"200", "received"),
    (
        "in chunks",
        lambda: [post(EVENT, "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVENT), EVENT)],
        b"200",
        "received",
    ),
    ("byte by byte", lambda: [post(EVENT, LENGTH), *(bytes([each]) for each in EVENT)], b"200", "received"),
    ("a body too large", lambda: [post(LARGE, f"Content-Length: {len(LARGE)}") + LARGE], b"413", "too_large"),
    (
        "a body too large in chunks",
        lambda: [post(LARGE, "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n" % (len(LARGE), LARGE)],
        b"413",
        "too_large",
    ),
    ("a length only", lambda: [post(EVENT, "Content-Length: 999999999999")], b"413", "too_large"),
    ("headers too large", lambda: [post(EVENT, f"X-Filler: {'x' * 1000}")], b"431", "too_large"),
    ("no HTTP", lambda: [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"], b"400", "bad_request"),
    ("two lengths", lambda: [post(EVENT, LENGTH, "Content-Length: 3") + EVENT], b"400", "bad_request"),
    ("no length", lambda: [post(EVENT)], b"401", "bad_signature"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "parts", "status", "reason"), STRANGE, ids=[each[0] for each in STRANGE])
def test_a_strange_request_is_answered_and_counted(
    what: str, parts: Callable[[], list[bytes]], status: bytes, reason: str
) -> None:
    with listening(limits=SMALL) as rig:
        answer = raw(rig, *parts())
        # Whoever goes on sending what nobody reads may be cut off before the refusal reaches them.
        assert answer[9:12] == status or (status != b"200" and not answer), answer
        wait_for(lambda: sum(rig.ledger.delivery_figures().outcomes.values()) == 1)
        ((_, _, counted),) = rig.ledger.delivery_figures().outcomes
        assert counted == reason
        assert rig.app("evt_2") == 200


def test_the_largest_body_that_is_allowed_is_taken() -> None:
    padding = 2000 - len(app_event("evt_1", text=""))
    exact = app_event("evt_1", text="x" * padding)
    assert len(exact) == 2000
    with listening(limits=SMALL) as rig:
        assert rig.send(APP.path, exact, app_headers(exact))[0] == 200
        over = exact + b" "
        assert rig.send(APP.path, over, app_headers(over))[0] == 413


def test_a_client_that_trickles_or_falls_silent_is_cut_off_while_others_are_served() -> None:
    with listening(limits=SMALL) as rig:
        slow = [socket.create_connection(("127.0.0.1", rig.receiver.port)) for _ in range(20)]
        try:
            for each in slow:
                each.sendall(b"POST /chekt/app HTTP/1.1\r\nHost: ")
            began = time.monotonic()
            while time.monotonic() - began < 3.0:
                for each in slow[:10]:  # these never fall silent
                    _trickle(each)
                time.sleep(0.02)  # the pace of a trickle: it must not reach the limit of headers first
                assert rig.app(f"evt_{time.monotonic()}") == 200
            wait_for(lambda: rig.outcome("", "too_slow") == 20)
            assert all(_closed(each) for each in slow)
        finally:
            for each in slow:
                each.close()


def _trickle(connection: socket.socket) -> None:
    try:
        connection.sendall(b"x")
    except OSError:
        return  # it was cut off, as it should be


def _closed(connection: socket.socket) -> bool:
    connection.settimeout(5)
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True


def test_more_connections_than_are_allowed_wait_their_turn() -> None:
    with listening(limits=SMALL) as rig:
        idle = [socket.create_connection(("127.0.0.1", rig.receiver.port)) for _ in range(80)]
        try:
            assert rig.app("evt_1") == 200, "once the idle ones were cut off"
        finally:
            for each in idle:
                each.close()


def test_a_receiver_that_stops_answers_what_it_has_taken() -> None:
    taken = []
    with listening() as rig:
        for number in range(8):
            event = app_event(f"evt_{number}")
            connection = socket.create_connection(("127.0.0.1", rig.receiver.port), 10)
            connection.sendall(post(event, f"Content-Length: {len(event)}") + event)
            taken.append(connection)
        wait_for(lambda: len(rig.heard) == 8)
    for connection in taken:
        with connection:
            assert connection.recv(1000)[9:12] == b"200"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", rig.receiver.port), 1)
