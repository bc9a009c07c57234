"""How much of an answer is read, and for how long: a server must not fill the memory or hold a run.

``Bounds.watch`` is a response hook of httpx: it hears of every response before its body is read, of the
token endpoint's too. The body is decoded here, piece by piece, so that a small one cannot grow into a
large one unseen.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx

ACCEPTED_ENCODING = "gzip"
"""What is asked for. Anything else in answer is refused."""

_PIECE = 65536


class OutOfBoundsError(httpx.ReadError):
    """An answer that is too large, too slow, or packed in a way nobody asked for."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """``size``: bytes of a body, unpacked. ``seconds``: for all of it, from its first byte on."""

    size: int
    seconds: float
    clock: Callable[[], float] = time.monotonic

    def watch(self, response: httpx.Response) -> None:
        """Let nobody read more of ``response`` than allowed. Raises OutOfBoundsError."""
        declared = response.headers.get("Content-Length", "")
        if declared.isascii() and declared.isdecimal() and int(declared[:20]) > self.size:
            raise OutOfBoundsError(self._too_large(), request=response.request)
        if not isinstance(response.stream, httpx.SyncByteStream):
            return
        encoding = response.headers.pop("Content-Encoding", "identity").strip().lower()
        response.stream = _Bounded(response.stream, encoding, self)

    def read(self, pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
        """``pieces`` unpacked, up to the bounds."""
        until = self.clock() + self.seconds
        size = 0
        for plain in _unpacked(pieces, encoding):
            size += len(plain)
            if size > self.size:
                raise OutOfBoundsError(self._too_large())
            if self.clock() > until:
                raise OutOfBoundsError(f"the answer was not complete after {self.seconds:g} s")
            yield plain

    def _too_large(self) -> str:
        return f"the answer is larger than {self.size // 1024**2} MiB"


class _Bounded(httpx.SyncByteStream):
    """A body as it comes off the connection, unpacked and within bounds."""

    def __init__(self, packed: httpx.SyncByteStream, encoding: str, bounds: Bounds) -> None:
        self._packed = packed
        self._encoding = encoding
        self._bounds = bounds

    def __iter__(self) -> Iterator[bytes]:
        return self._bounds.read(iter(self._packed), self._encoding)

    def close(self) -> None:
        self._packed.close()


def _unpacked(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """``pieces`` without their Content-Encoding, never more than a piece at a time in memory."""
    if encoding in ("", "identity"):
        yield from pieces
    elif encoding in (ACCEPTED_ENCODING, "x-gzip"):
        yield from _inflated(pieces)
    else:
        raise OutOfBoundsError(f"the answer is encoded as {encoding[:40]!r}, which was not asked for")


def _inflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Inflated gzip data; nothing at all stays nothing."""
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    begun = False
    try:
        for piece in pieces:
            begun = True
            yield stream.decompress(piece, _PIECE)
            while stream.unconsumed_tail:
                yield stream.decompress(stream.unconsumed_tail, _PIECE)
        yield stream.flush()
    except zlib.error as exc:
        raise OutOfBoundsError(f"the answer cannot be unpacked: {exc}") from exc
    if begun and not stream.eof:
        raise OutOfBoundsError("the answer cannot be unpacked: it ends too early")
