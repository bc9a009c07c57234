"""Idempotency keys: the stored answer again, or a conflict (section 3.5)."""

from __future__ import annotations

import json

from reconciler.sandbox.call import Call
from reconciler.sandbox.errors import Refusal
from reconciler.sandbox.messages import Response

REPLAY_HEADER = "Idempotency-Replayed"
"""Marks a stored answer. Ours: the documents name no such header."""


_PRUNE_EVERY = 1000
"""Requests between two removals of answers that are too old to be replayed."""


def key_of(call: Call) -> str | None:
    """The key that counts for this call, None where there is none."""
    honoured = call.switches.idempotency and call.request.method != "GET" and call.caller is not None
    return call.request.headers.get("idempotency-key") or None if honoured else None


def stored_answer(call: Call, key: str) -> Response | None:
    """The answer given before to this key. Raises Refusal 409 when the payload was another one."""
    oldest = call.now - call.switches.idempotency_hours * 3600
    found = call.store.rows(
        "SELECT digest, status, headers, body FROM answers"
        " WHERE credential = ? AND endpoint = ? AND key = ? AND at > ?",
        (*_space(call), key, oldest),
    )
    if not found:
        return None
    digest, status, headers, body = found[0]
    if digest != call.request.digest():
        raise Refusal(409, "this Idempotency-Key was used with another payload", code="idempotency_conflict")
    return Response(status, body, [*map(tuple, json.loads(headers)), (REPLAY_HEADER, "true")])


def latest_answer(call: Call) -> Response | None:
    """The newest stored answer to this method and path, whatever its key: what a collision would give."""
    found = call.store.rows(
        "SELECT status, headers, body FROM answers WHERE credential = ? AND endpoint = ?"
        " ORDER BY at DESC LIMIT 1",
        _space(call),
    )
    if not found:
        return None
    status, headers, body = found[0]
    return Response(status, body, [*map(tuple, json.loads(headers)), (REPLAY_HEADER, "true")])


def store_answer(call: Call, key: str, response: Response) -> None:
    """Keep ``response`` for repeats of ``key``, where the switches want it kept."""
    highest = {"success": 399, "client_errors": 499, "all": 599}[call.switches.idempotency_stores]
    if response.status > highest:
        return
    if call.number % _PRUNE_EVERY == 0:
        oldest = call.now - call.switches.idempotency_hours * 3600
        call.store.run("DELETE FROM answers WHERE at <= ?", (oldest,))
    call.store.run(
        "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *_space(call),
            key,
            call.request.digest(),
            call.now,
            response.status,
            json.dumps(response.headers),
            response.body,
        ),
    )


def _space(call: Call) -> tuple[str, str]:
    """Keys are per credential and endpoint, the path included."""
    assert call.caller is not None
    return call.caller.credential, f"{call.request.method} {call.request.path}"
