"""Servers on loopback that answer with whatever bytes a test wants."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Answer = Callable[[bytes], Iterable[bytes]]


@dataclass
class RawServer:
    """``heard``: every request as it came, head and body; ``sent``: bytes that went out."""

    answer: Answer
    context: ssl.SSLContext | None = None
    heard: list[bytes] = field(default_factory=list)
    sent: int = 0
    url: str = ""

    def serve(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection:
                while request := _request(connection):
                    self.heard.append(request)
                    for piece in self.answer(request):
                        connection.sendall(piece)
                        self.sent += len(piece)
                    if b"Connection: close" in request:
                        return
        except OSError:
            return  # the client has had enough


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        ),
        0,
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def raw_server(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """A server on a free port of 127.0.0.1 until the block ends; it speaks TLS with a ``context``."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = RawServer(answer, context)
        server.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=server.serve, args=(listening,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def response(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    """One HTTP response; ``length`` lies about its body."""
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", *headers]
    if not any(line.startswith("Transfer-Encoding") for line in headers):
        head.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """``pieces`` as a chunked body."""
    for piece in pieces:
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    yield b"0\r\n\r\n"
