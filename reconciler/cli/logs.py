"""The log of a run on stderr: a line of text or one JSON object for every request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from reconciler.escape import visible
from reconciler.observer import Content, Exchange

Write = Callable[[str], None]

_ADDRESS: ContextVar[str | None] = ContextVar("address", default=None)
"""What the thread is working on."""


def record(now: datetime, level: str, event: str, **facts: object) -> str:
    """One line of a JSON log; ``now`` is aware."""
    head = {"time": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z", "level": level, "event": event}
    return json.dumps({**head, **facts}, ensure_ascii=False)


class Log:
    """An observer that writes a line a request. ``detailed``: headers and bodies too."""

    def __init__(self, write: Write, clock: Callable[[], datetime], *, as_json: bool, detailed: bool) -> None:
        self._write = write
        self._clock = clock
        self._as_json = as_json
        self._detailed = detailed

    @property
    def detailed(self) -> bool:
        return self._detailed

    @contextmanager
    def doing(self, _what: str, /, **facts: str) -> Iterator[None]:
        token = _ADDRESS.set(facts.get("address", _ADDRESS.get()))
        try:
            yield
        finally:
            _ADDRESS.reset(token)

    def exchanged(self, exchange: Exchange) -> None:
        failed = exchange.status is None or exchange.status >= 400
        level = "warning" if failed else "info"
        if self._as_json:
            self._write(record(self._clock(), level, "request", **_facts(exchange)))
        else:
            self._write("\n".join([_line(self._clock(), level, exchange), *_details(exchange)]))


def _facts(exchange: Exchange) -> dict[str, object]:
    contents = {
        name: {"headers": dict(content.headers), "body": content.body}
        for name, content in _contents(exchange).items()
    }
    return {
        "trace_id": exchange.trace_id,
        "address": _ADDRESS.get(),
        "method": exchange.method,
        "host": exchange.host,
        "path": exchange.path,
        "status": exchange.status,
        "seconds": round(exchange.seconds, 3),
        "attempt": exchange.attempt,
        **({"problem": exchange.problem} if exchange.problem else {}),
        **contents,
    }


def _line(now: datetime, level: str, exchange: Exchange) -> str:
    came = str(exchange.status) if exchange.status is not None else f"no answer ({exchange.problem})"
    again = f", attempt {exchange.attempt}" if exchange.attempt > 1 else ""
    address = _ADDRESS.get()
    about = f" for {address}" if address else ""
    return visible(
        f"{now:%Y-%m-%dT%H:%M:%SZ} {level} {exchange.method} {exchange.path}: {came} "
        f"after {exchange.seconds:.3f} s{again}{about} [{exchange.trace_id}]"
    )


def _details(exchange: Exchange) -> Iterator[str]:
    for name, content in _contents(exchange).items():
        mark = ">" if name == "request" else "<"
        for header, value in content.headers:
            yield visible(f"  {mark} {header}: {value}")
        if content.body:
            yield visible(f"  {mark} {content.body}")


def _contents(exchange: Exchange) -> Mapping[str, Content]:
    found = {"request": exchange.request, "response": exchange.response}
    return {name: content for name, content in found.items() if content is not None}
