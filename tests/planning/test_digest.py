"""Digests: equal for equal values, different for different ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.model import (
    Action,
    Change,
    EndpointUse,
    FieldChange,
    JsonValue,
    Plan,
    RequestEstimate,
    Source,
)
from reconciler.planning.digest import canonical, changes_digest, digest, idempotency_key, precondition
from tests.planning.world import NOW, at, live_of, resource

SITE = at("site:acme/hq")


def test_key_order_and_spacing_do_not_matter() -> None:
    assert (
        canonical({"b": [1, {"z": None, "a": "é"}], "a": True})
        == '{"a":true,"b":[1,{"a":"\\u00e9","z":null}]}'
    )
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def test_what_is_not_json_has_no_digest() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        digest(float("nan"))


@pytest.mark.parametrize(
    "moved", [{"remote_id": "2"}, {"external_id": None}, {"fields": {"name": "Other"}}, {"kind": "device"}]
)
def test_a_precondition_breaks_when_anything_of_the_object_moves(moved: dict) -> None:
    live = live_of(resource("site:acme/hq"))
    assert precondition(live) == precondition(replace(live, fields=dict(reversed(live.fields.items()))))
    assert precondition(live) != precondition(replace(live, **moved))


def test_a_repeat_of_one_intent_reuses_its_key_and_the_next_intent_does_not() -> None:
    key = idempotency_key(SITE, "update", {"name": "A"}, 1)
    assert key == idempotency_key(SITE, "update", {"name": "A"}, 1)
    others = [
        idempotency_key(SITE, "update", {"name": "A"}, 2),
        idempotency_key(SITE, "update", {"name": "B"}, 1),
        idempotency_key(SITE, "create", {"name": "A"}, 1),
        idempotency_key(at("site:acme/branch"), "update", {"name": "A"}, 1),
    ]
    assert len({key, *others}) == 5
    assert len(key) == 64


RENAME = Change(
    SITE,
    Action.UPDATE,
    (FieldChange("name", "Old", "New"), FieldChange("address1", None, "Main street")),
    precondition=digest("as it was read"),
    endpoints=(EndpointUse("PATCH", "/sites/{site_id}", "inferred"),),
    source=Source("sites.yaml", 12, 3),
)
ADD = Change(at("site:acme/branch"), Action.CREATE, (FieldChange("name", None, "Branch"),))
PLAN = Plan("production", "partner", NOW, NOW + timedelta(hours=1), digest("manifests"), (RENAME, ADD))


@pytest.mark.parametrize(
    "later",
    [
        replace(PLAN, created_at=NOW + timedelta(hours=9), expires_at=NOW + timedelta(hours=10)),
        replace(PLAN, requests=RequestEstimate(900, 2, 61.5)),
        replace(PLAN, config_digest=digest("laid out anew"), project="elsewhere", warnings=("look",)),
        replace(PLAN, unmanaged=(at("site:acme/by-hand"),), targets=("site:**",), excludes=("app:*",)),
        replace(PLAN, changes=(ADD, RENAME)),
        replace(PLAN, changes=(replace(RENAME, source=Source("moved.yaml", 1, 1)), ADD)),
        replace(PLAN, changes=(replace(RENAME, fields=RENAME.fields[::-1]), ADD)),
        replace(PLAN, changes=(replace(RENAME, endpoints=(), reason="because"), ADD)),
    ],
)
def test_the_same_changes_keep_their_digest_whenever_and_from_wherever_they_are_planned(later: Plan) -> None:
    assert changes_digest(later) == changes_digest(PLAN)


def test_another_change_has_another_digest() -> None:
    others = [
        replace(PLAN, environment="dev"),
        replace(PLAN, surface="dealer"),
        replace(PLAN, changes=(RENAME,)),
        replace(PLAN, changes=(RENAME, replace(ADD, address=at("site:acme/shop")))),
        replace(PLAN, changes=(RENAME, replace(ADD, action=Action.ADOPT))),
        replace(PLAN, changes=(replace(RENAME, precondition=digest("moved since")), ADD)),
        replace(PLAN, changes=(replace(RENAME, precondition=None), ADD)),
        *(
            replace(PLAN, changes=(replace(RENAME, fields=(field, RENAME.fields[1])), ADD))
            for field in (
                FieldChange("name", "Old", "Other"),
                FieldChange("name", "Other", "New"),
                FieldChange("company_name", "Old", "New"),
                FieldChange("name", "Old", "New", ignored=True),
                FieldChange("name", "Old", None),
            )
        ),
    ]
    assert len({changes_digest(plan) for plan in (PLAN, *others)}) == 1 + len(others)


@pytest.mark.parametrize(
    ("side", "same"), [(lambda n: f"secret number {n}", True), (lambda n: None if n else "set", False)]
)
def test_a_secret_counts_as_changed_but_its_value_does_not_enter(
    side: Callable[[int], JsonValue], *, same: bool
) -> None:
    one, other = (
        changes_digest(
            replace(PLAN, changes=(replace(RENAME, fields=(FieldChange("s", None, side(n), secret=True),)),))
        )
        for n in (0, 1)
    )
    assert (one == other) is same
