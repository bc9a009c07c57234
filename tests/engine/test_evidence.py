"""What the account proves of a write whose answer was lost, and which values mean the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.engine.evidence import (
    Proof,
    Verdict,
    form,
    judge_create,
    judge_delete,
    judge_update,
    replaced_values,
    same,
)
from reconciler.kinds import REGISTRY
from reconciler.model import Address, JsonValue, LiveObject, Operation
from reconciler.writes import Write

HQ = Address("site", ("acme", "hq"))
PARTNER = REGISTRY["site"].partner
NOTHING: frozenset[str] = frozenset()
NOT_SHOWN = Verdict(Proof.DID_NOT, "the account does not show it")
NOT_KNOWN = Verdict(Proof.UNPROVEN, "it is not known what the account held before")
HAPPENED = Verdict(Proof.HAPPENED, "the account shows the values sent")
AS_BEFORE = Verdict(Proof.DID_NOT, "the account shows the values from before")
NOT_SEEN = Verdict(Proof.UNPROVEN, "none of the fields sent can be seen to have changed")
HALFWAY = Verdict(Proof.UNPROVEN, "the account shows neither the old values nor those sent")
assert PARTNER is not None


def live(remote_id: str, external_id: str | None = "hq", **fields: JsonValue) -> LiveObject:
    return LiveObject("site", remote_id, external_id, fields)


def write(operation: Operation, before: dict[str, JsonValue] | None = None, **payload: JsonValue) -> Write:
    remote_id = None if operation == "create" else "7"
    return Write(operation, HQ, ("1",), remote_id, "hq", payload, "key", before=before or {})


def shown(remote_id: str) -> Verdict:
    return Verdict(Proof.HAPPENED, "the account shows it", live(remote_id))


@pytest.mark.parametrize(
    ("present", "before", "verdict"),
    [
        ([live("7")], NOTHING, shown("7")),
        ([live("6", "other"), live("7")], frozenset({"6"}), shown("7")),
        ([], NOTHING, NOT_SHOWN),
        ([live("6", "other"), live("5", None)], NOTHING, NOT_SHOWN),
        # A list that still shows what was deleted before: the old object is not the new one.
        ([live("6")], frozenset({"6"}), NOT_SHOWN),
        ([live("6"), live("7")], frozenset({"6"}), shown("7")),
        (
            [live("8"), live("7")],
            NOTHING,
            Verdict(Proof.UNPROVEN, "several objects have its external id: 7 and 8"),
        ),
        ([live("7")], None, NOT_KNOWN),
        ([], None, NOT_KNOWN),
    ],
)
def test_a_create(present: list[LiveObject], before: frozenset[str] | None, verdict: Verdict) -> None:
    assert PARTNER is not None
    assert judge_create(write("create"), PARTNER, present, before) == verdict


def test_a_create_where_no_external_ids_are_returned_cannot_be_proven() -> None:
    device = REGISTRY["device"].dealer
    assert device is not None
    assert judge_create(write("create"), device, [live("7")], NOTHING) == Verdict(
        Proof.UNPROVEN, "the account returns no external id to look it up by"
    )


@pytest.mark.parametrize(
    ("before", "sent", "now", "verdict"),
    [
        ({"name": "A"}, {"name": "B"}, {"name": "B"}, HAPPENED),
        ({"name": "A"}, {"name": "B"}, {"name": "A"}, AS_BEFORE),
        ({"name": "A"}, {"name": "B"}, {"name": "C"}, HALFWAY),
        ({"name": "A"}, {"name": None}, {"name": None}, HAPPENED),
        ({"name": "A"}, {"name": None}, {"name": ""}, HAPPENED),
        # Half of it: somebody else was there, or the server took only a part.
        (
            {"name": "A", "address1": "1"},
            {"name": "B", "address1": "2"},
            {"name": "B", "address1": "1"},
            HALFWAY,
        ),
        # What did not have to move proves nothing either way.
        (
            {"name": "A", "address1": "1"},
            {"name": "B", "address1": "1"},
            {"name": "A", "address1": "1"},
            AS_BEFORE,
        ),
        ({"name": "A"}, {"name": "A"}, {"name": "A"}, NOT_SEEN),
        ({}, {"name": "B"}, {}, NOT_SEEN),
        ({}, {"name": "B"}, {"name": "B"}, HAPPENED),
        ({}, {"name": "B"}, {"name": None}, AS_BEFORE),
        # One that stayed and one that changed back count each for itself.
        (
            {"name": "A", "address1": "1", "address2": "x"},
            {"name": "B", "address1": "2", "address2": "y"},
            {"name": "A", "address1": "1"},
            AS_BEFORE,
        ),
        (
            {"name": "A", "address1": "1"},
            {"name": "B", "address1": "1"},
            {"name": "B", "address1": "3"},
            HALFWAY,
        ),
        ({"security_type": "video"}, {"security_type": "alarm_com"}, {"security_type": 4}, HAPPENED),
    ],
)
def test_an_update(
    before: dict[str, JsonValue], sent: dict[str, JsonValue], now: dict[str, JsonValue], verdict: Verdict
) -> None:
    present = live("7", **now)
    found = present if verdict.proof is Proof.HAPPENED else None
    assert judge_update(write("update", before, **sent), present) == replace(verdict, live=found)


def test_an_update_of_something_gone_was_refused() -> None:
    assert judge_update(write("update", name="B"), None) == Verdict(Proof.REFUSED, "the object is gone")


def test_an_update_is_not_judged_by_its_secrets() -> None:
    hook = Address("webhook", ("feed",))
    before: dict[str, JsonValue] = {"secret": "old", "events": ["c"]}
    sent = Write("update", hook, (), "1", "u", {"events": ["b", "a"], "secret": "new"}, "k", before=before)
    now = LiveObject("webhook", "1", "u", {"events": ["a", "b"], "secret": "old"})
    assert judge_update(sent, now) == replace(HAPPENED, live=now)
    alone = replace(sent, payload={"secret": "new"})
    assert judge_update(alone, now) == NOT_SEEN


@pytest.mark.parametrize(
    ("present", "verdict"),
    [
        ([], Verdict(Proof.HAPPENED, "the account shows it no longer")),
        ([live("8")], Verdict(Proof.HAPPENED, "the account shows it no longer")),
        ([live("8"), live("7", None)], Verdict(Proof.DID_NOT, "the account still shows it")),
    ],
)
def test_a_delete(present: list[LiveObject], verdict: Verdict) -> None:
    assert judge_delete(write("delete"), present) == verdict


@pytest.mark.parametrize(
    ("kind", "name", "one", "other", "alike"),
    [
        ("site", "name", "A", "A", True),
        ("site", "name", "A", "a", False),
        ("site", "name", None, "", True),
        ("site", "security_type", "alarm_com", 4, True),
        ("webhook", "events", ["a", "b"], ["b", "a"], True),
        ("webhook", "events", ["a", "b"], ["a"], False),
        ("app", "webhook", {"events": ["a", "b"], "url": "u"}, {"url": "u", "events": ["b", "a"]}, True),
        ("app", "webhook", {"events": ["a"], "url": "u"}, {"events": ["b"], "url": "u"}, False),
        ("webhook", "events", [{"b": 1}, {"a": 2}], [{"a": 2}, {"b": 1}], True),
        ("schedule", "windows", [{"days": ["mon", "tue"]}], [{"days": ["tue", "mon"]}], False),
    ],
)
def test_values_that_mean_the_same(
    kind: str, name: str, one: JsonValue, other: JsonValue, *, alike: bool
) -> None:
    assert same(REGISTRY[kind], name, one, other) is alike
    assert (form(REGISTRY[kind], name, one) == form(REGISTRY[kind], name, other)) is alike


def test_what_came_back_different_is_named_and_secrets_never_are() -> None:
    sent: dict[str, JsonValue] = {"url": "u", "events": ["b", "a"], "secret": "x"}
    returned: dict[str, JsonValue] = {"events": ["a", "b"], "secret": "y", "url": "v", "more": "1"}
    hook = REGISTRY["webhook"]
    assert replaced_values(hook, sent, returned) == ("url",)
    assert replaced_values(hook, sent, returned | {"events": ["a"]}) == ("url", "events")
    assert replaced_values(hook, sent, {"events": ["a"]}) == ("events",)
