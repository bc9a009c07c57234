"""One plan with every action, and values that try to forge what is printed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler.model import (
    MASK,
    Action,
    Address,
    Change,
    ChangedSince,
    EndpointUse,
    FieldChange,
    Plan,
    RequestEstimate,
    Source,
)
from reconciler.writes import Outcome, OutcomeStatus, Report

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SITES = "/partner/v1/dealers/{dealer_id}/sites"
DEVICES = f"{SITES}/{{site_id}}/devices"
HOSTILE = 'x"\n- delete site:acme/hq\x1b[2J\u202e`` </pre><script>alert(1)</script> @everyone ```'
"""A name that would forge a line, clear the screen, turn the line round and leave a code block."""


def _use(method: str, path: str, grade: str) -> EndpointUse:
    return EndpointUse(method, path, grade)  # type: ignore[arg-type]


def _digest(digit: str) -> str:
    return "sha256:" + digit * 64


CHANGES = (
    Change(
        Address("dealer", ("acme",)), Action.ADOPT, reason="it exists in the account and is not owned yet"
    ),
    Change(
        Address("site", ("acme", "hq")),
        Action.UPDATE,
        (
            FieldChange("name", "Old name", "Gangnam \uac15\ub0a8"),
            FieldChange("address1", "Main street", None),
            FieldChange("account_number", "1", "2", ignored=True),
        ),
        precondition=_digest("a"),
        endpoints=(_use("PATCH", f"{SITES}/{{site_id}}", "inferred"),),
        source=Source("sites.yaml", 12, 3),
    ),
    Change(
        Address("device", ("acme", "hq", "old")),
        Action.DELETE,
        precondition=_digest("b"),
        endpoints=(_use("DELETE", DEVICES, "inferred"),),
        reason="no manifest declares it any more",
    ),
    Change(
        Address("device", ("acme", "hq", "door")),
        Action.REPLACE,
        (FieldChange("device_type", "camera", "bridge"),),
        precondition=_digest("c"),
        endpoints=(_use("DELETE", DEVICES, "inferred"), _use("POST", DEVICES, "documented")),
        reason="device_type cannot be changed in place",
        source=Source("sites.yaml", 20, 5),
    ),
    Change(
        Address("contact", ("acme", "hq", "john")),
        Action.CREATE,
        (FieldChange("first_name", None, "John"), FieldChange("last_name", None, HOSTILE)),
        endpoints=(_use("POST", f"{SITES}/{{site_id}}/contacts", "documented"),),
        source=Source("people.yaml", 2, 1),
    ),
    Change(
        Address("webhook", ("feed",)),
        Action.UPDATE,
        (FieldChange("secret", MASK, MASK, secret=True),),
        precondition=_digest("d"),
        endpoints=(_use("PATCH", "/partner/v1/webhooks/{webhook_id}", "inferred"),),
        source=Source("hooks.yaml", 1, 1),
    ),
    Change(
        Address("app", ("acme", "ai")),
        Action.MANUAL,
        (FieldChange("webhook.events", ["alarm.created"], ["alarm.created", "device.offline"]),),
        reason="CHeKT offers it in its portal only",
        source=Source("apps.yaml", 1, 1),
        steps=("Open Settings, CHeKT Apps, ai.", "Then run: reconciler attest app:acme/ai"),
    ),
)

PLAN = Plan(
    environment="production",
    surface="partner",
    created_at=NOW,
    expires_at=NOW + timedelta(hours=1),
    config_digest=_digest("0"),
    changes=CHANGES,
    unmanaged=(Address("site", ("acme", "by-hand")),),
    warnings=("site:acme/hq: something to look at",),
    requests=RequestEstimate(12, 6, 1.2),
    project="examples/quickstart",
    targets=("site:acme/*",),
    excludes=("device:acme/hq/gate",),
)

MANY = replace(
    PLAN,
    changes=tuple(
        replace(change, address=Address(change.kind, (*change.address.path[:-1], f"{change.address.id}-{n}")))
        for change in CHANGES
        for n in range(8)
    ),
)
"""Eight of each change."""

SINCE = replace(
    PLAN, changed_since=ChangedSince("origin/main", "ab" * 20, (Address("site", ("acme", "hq")),))
)
UNLIMITED = replace(PLAN, changed_since=ChangedSince("origin/main", "ab" * 20, None, "it cannot be read"))

EMPTY = Plan("embedded", "partner", NOW, NOW + timedelta(hours=1), _digest("0"))

REPORT = Report(
    (
        Outcome(Address("site", ("acme", "hq")), Action.UPDATE, OutcomeStatus.DONE),
        Outcome(
            Address("device", ("acme", "hq", "door")),
            Action.CREATE,
            OutcomeStatus.FAILED,
            "422: mac is taken\x1b[A",
        ),
        Outcome(
            Address("contact", ("acme", "hq", "john")),
            Action.DELETE,
            OutcomeStatus.SKIPPED,
            "waits for another",
        ),
        Outcome(Address("webhook", ("feed",)), Action.REPLACE, OutcomeStatus.UNKNOWN, "no answer"),
        Outcome(Address("app", ("acme", "ai")), Action.MANUAL, OutcomeStatus.MANUAL),
    ),
    reads=4,
    writes=3,
    interrupted=True,
)
