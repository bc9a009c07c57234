"""Canonical JSON and its SHA-256: preconditions, configuration digests, idempotency keys."""

from __future__ import annotations

import hashlib
import json

from reconciler.model import Address, Change, FieldChange, JsonObject, JsonValue, LiveObject, Operation, Plan
from reconciler.redaction import MASK

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


def changes_digest(plan: Plan) -> str:
    """What ``plan`` does and where, as one value: two plans that share it make the same changes.

    It covers the environment, the surface and of each change the address, action, fields and precondition,
    so it stays the same when a plan is made again later, after other reads, or from manifests that were only
    moved or laid out anew. Of a secret it says that it changes, not to what.
    """
    changes = sorted(plan.changes, key=lambda change: change.address)
    return digest([plan.environment, plan.surface, [_change_identity(change) for change in changes]])


def _change_identity(change: Change) -> JsonObject:
    return {
        "address": str(change.address),
        "action": change.action.value,
        "precondition": change.precondition,
        "fields": [
            [field.path, *shown_sides(field), field.secret, field.ignored]
            for field in sorted(change.fields, key=lambda field: field.path)
        ],
    }


def shown_sides(field: FieldChange) -> tuple[JsonValue, JsonValue]:
    """Before and after of ``field`` as they may leave the process: a secret is masked, whatever it holds."""
    before, after = (
        MASK if field.secret and side is not None else side for side in (field.before, field.after)
    )
    return before, after


def idempotency_key(address: Address, operation: Operation, payload: JsonValue, number: int) -> str:
    """The Idempotency-Key of one journalled intent, 64 hex digits.

    ``number`` is the intent's own: a repeat of the intent gets the same key, the next intent never
    does, even with equal content (DESIGN section 5). ``payload`` holds a keyed digest in the place of
    each secret, since the key is stored and shown.
    """
    return digest([str(address), operation, payload, number]).removeprefix("sha256:")
