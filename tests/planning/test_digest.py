"""Digests: equal for equal values, different for different ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.planning.digest import canonical, digest, idempotency_key, precondition
from tests.planning.world import at, live_of, resource

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
