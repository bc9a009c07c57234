"""Canonical JSON and its SHA-256: preconditions, configuration digests, idempotency keys."""

from __future__ import annotations

import hashlib
import json

from reconciler.model import Address, JsonValue, LiveObject, Operation

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
"""Made once: making one a call costs more than the encoding."""


def canonical(value: JsonValue) -> str:
    """``value`` as JSON with sorted keys and no spaces: equal values give equal text."""
    return _ENCODER.encode(value)


def digest(value: JsonValue) -> str:
    """The SHA-256 of ``canonical(value)``, as hex with its name in front."""
    return "sha256:" + hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


def precondition(live: LiveObject) -> str:
    """What a saved plan remembers of a live object: any difference in what was read changes it."""
    return digest([live.kind, live.remote_id, live.external_id, dict(live.fields)])


def idempotency_key(address: Address, operation: Operation, payload: JsonValue, number: int) -> str:
    """The Idempotency-Key of one journalled intent, 64 hex digits.

    ``number`` is the intent's own: a repeat of the intent gets the same key, the next intent never
    does, even with equal content (DESIGN section 5). ``payload`` holds a keyed digest in the place of
    each secret, since the key is stored and shown.
    """
    return digest([str(address), operation, payload, number]).removeprefix("sha256:")
