"""What the account proves of a write whose answer was lost."""

from __future__ import annotations

import pytest

from reconciler.engine.evidence import Proof, judge_create, judge_delete, judge_update
from reconciler.kinds import REGISTRY
from reconciler.model import Address, JsonValue, LiveObject, Operation, Write

HQ = Address("site", ("acme", "hq"))
PARTNER = REGISTRY["site"].partner
NOTHING: frozenset[str] = frozenset()
assert PARTNER is not None


def live(remote_id: str, external_id: str | None = "hq", **fields: JsonValue) -> LiveObject:
    return LiveObject("site", remote_id, external_id, fields)


def write(operation: Operation, before: dict[str, JsonValue] | None = None, **payload: JsonValue) -> Write:
    remote_id = None if operation == "create" else "7"
    return Write(operation, HQ, ("1",), remote_id, "hq", payload, "key", before=before or {})


@pytest.mark.parametrize(
    ("present", "before", "proof"),
    [
        ([live("7")], NOTHING, Proof.HAPPENED),
        ([live("6", "other"), live("7")], frozenset({"6"}), Proof.HAPPENED),
        ([], NOTHING, Proof.DID_NOT),
        ([live("6", "other"), live("5", None)], NOTHING, Proof.DID_NOT),
        # A list that still shows what was deleted before: the old object is not the new one.
        ([live("6")], frozenset({"6"}), Proof.DID_NOT),
        ([live("6"), live("7")], frozenset({"6"}), Proof.HAPPENED),
        ([live("7"), live("8")], NOTHING, Proof.UNPROVEN),
        ([live("7")], None, Proof.UNPROVEN),
        ([], None, Proof.UNPROVEN),
    ],
)
def test_a_create(present: list[LiveObject], before: frozenset[str] | None, proof: Proof) -> None:
    assert PARTNER is not None
    assert judge_create(write("create"), PARTNER, present, before).proof is proof


def test_a_create_where_no_external_ids_are_returned_cannot_be_proven() -> None:
    device = REGISTRY["device"].dealer
    assert device is not None
    assert judge_create(write("create"), device, [live("7")], NOTHING).proof is Proof.UNPROVEN


@pytest.mark.parametrize(
    ("before", "sent", "now", "proof"),
    [
        ({"name": "A"}, {"name": "B"}, {"name": "B"}, Proof.HAPPENED),
        ({"name": "A"}, {"name": "B"}, {"name": "A"}, Proof.DID_NOT),
        ({"name": "A"}, {"name": "B"}, {"name": "C"}, Proof.UNPROVEN),
        ({"name": "A"}, {"name": None}, {"name": None}, Proof.HAPPENED),
        ({"name": "A"}, {"name": None}, {"name": ""}, Proof.HAPPENED),
        # Half of it: somebody else was there, or the server took only a part.
        (
            {"name": "A", "address1": "1"},
            {"name": "B", "address1": "2"},
            {"name": "B", "address1": "1"},
            Proof.UNPROVEN,
        ),
        # What did not have to move proves nothing either way.
        (
            {"name": "A", "address1": "1"},
            {"name": "B", "address1": "1"},
            {"name": "A", "address1": "1"},
            Proof.DID_NOT,
        ),
        ({"name": "A"}, {"name": "A"}, {"name": "A"}, Proof.UNPROVEN),
        ({}, {"name": "B"}, {}, Proof.UNPROVEN),
        ({"security_type": "video"}, {"security_type": "alarm_com"}, {"security_type": 4}, Proof.HAPPENED),
    ],
)
def test_an_update(
    before: dict[str, JsonValue], sent: dict[str, JsonValue], now: dict[str, JsonValue], proof: Proof
) -> None:
    assert judge_update(write("update", before, **sent), live("7", **now)).proof is proof


def test_an_update_of_something_gone_was_refused() -> None:
    assert judge_update(write("update", name="B"), None).proof is Proof.REFUSED


def test_an_update_that_only_reorders_a_set_happened() -> None:
    hook = Address("webhook", ("feed",))
    sent = Write("update", hook, (), "1", "u", {"events": ["b", "a"]}, "k", before={"events": ["c"]})
    now = LiveObject("webhook", "1", "u", {"events": ["a", "b"]})
    assert judge_update(sent, now).proof is Proof.HAPPENED


@pytest.mark.parametrize(
    ("present", "proof"),
    [
        ([], Proof.HAPPENED),
        ([live("8")], Proof.HAPPENED),
        ([live("7", None)], Proof.DID_NOT),
    ],
)
def test_a_delete(present: list[LiveObject], proof: Proof) -> None:
    assert judge_delete(write("delete"), present).proof is proof
