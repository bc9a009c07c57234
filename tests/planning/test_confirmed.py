"""What an account was seen to do raises the confidence in its endpoints, and only that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.errors import UnsupportedError
from reconciler.kinds.surfaces import confirmed
from reconciler.model import Action, Change, EndpointUse, FieldChange, Owned, Replaced
from reconciler.planning.confirmed import proved
from reconciler.planning.safety import Policy
from reconciler.writes import Outcome, OutcomeStatus
from reconciler.writes import Report as ApplyReport
from tests.planning.world import PARTNER, World, at, resource

HQ = at("site:acme/hq")
UPDATE = EndpointUse("PATCH", "/partner/v1/dealers/{dealer_id}/sites/{site_id}", "inferred")
CHANGE = Change(HQ, Action.UPDATE, (FieldChange("name", "a", "b"),), endpoints=(UPDATE,))
DONE = ApplyReport((Outcome(HQ, Action.UPDATE, OutcomeStatus.DONE),))
OWNED = {HQ: Owned(HQ, "1", "hq")}


def test_a_write_that_was_read_again_proves_its_endpoint() -> None:
    assert proved([CHANGE], DONE, [], OWNED) == {UPDATE}


@pytest.mark.parametrize("status", [each for each in OutcomeStatus if each is not OutcomeStatus.DONE])
def test_a_write_that_was_not_done_proves_nothing(status: OutcomeStatus) -> None:
    assert not proved([CHANGE], ApplyReport((Outcome(HQ, Action.UPDATE, status),)), [], OWNED)


def test_an_end_that_only_a_look_at_the_account_told_proves_nothing() -> None:
    gone = Outcome(HQ, Action.UPDATE, OutcomeStatus.DONE, "DELETE ... answered 404; it is gone")
    assert not proved([CHANGE], ApplyReport((gone,)), [], OWNED)


def test_a_write_that_left_something_to_do_proves_nothing() -> None:
    assert not proved([CHANGE], DONE, [CHANGE], OWNED)


def test_a_value_that_the_server_replaced_proves_nothing() -> None:
    assert not proved([CHANGE], DONE, [], {HQ: replace(OWNED[HQ], replaced={"name": Replaced("b", "a")})})


def test_a_secret_alone_is_never_read_again_and_proves_nothing() -> None:
    secret = replace(CHANGE, fields=(FieldChange("secret", None, "***", secret=True),))
    ignored = (*secret.fields, FieldChange("name", "a", "b", ignored=True))
    assert not proved([secret, replace(secret, fields=ignored)], DONE, [], OWNED)


def test_a_confirmed_write_is_accepted_and_its_neighbours_are_not() -> None:
    acme, hq = resource("dealer:acme"), resource("site:acme/hq")
    strict = World(PARTNER, Policy(accept="documented")).converged(acme, hq).exists(hq, name="Other")
    with pytest.raises(UnsupportedError, match="is inferred only"):
        strict.plan()
    strict.surfaces = confirmed(PARTNER, {f"{UPDATE.method} {UPDATE.path}"})
    assert [use.grade for use in strict.changes()["site:acme/hq"].endpoints] == ["observed"]
    del strict.desired[hq.address]
    with pytest.raises(UnsupportedError, match=r"DELETE .* is inferred only"):
        strict.plan()


def test_a_plan_names_the_reads_that_nobody_has_confirmed_until_somebody_has() -> None:
    world = World(PARTNER).converged(resource("dealer:acme"), resource("site:acme/hq"))
    [told] = world.plan().warnings
    reads = [each.split(" (")[0] for each in told.partition(": ")[2].partition(";")[0].split(", ")]
    assert "GET /partner/v1/dealers/{dealer_id}" in reads
    assert not any(each.endswith("/sites") for each in reads), "the list of sites is documented"
    world.surfaces = confirmed(PARTNER, set(reads))
    assert world.plan().warnings == ()
    world.surfaces = confirmed(PARTNER, set(reads[1:]))
    assert reads[0] in world.plan().warnings[0]


def test_every_endpoint_of_a_kind_can_be_confirmed() -> None:
    everything = {
        str(each)
        for binding in PARTNER.bindings.values()
        for each in (
            *binding.lists,
            binding.read,
            binding.create,
            binding.update,
            binding.delete,
            *(side for part in binding.parts for side in (part.read, part.update)),
        )
        if each is not None
    }
    for binding in confirmed(PARTNER, everything).bindings.values():
        parts = [side for part in binding.parts for side in (part.read, part.update)]
        rest = [binding.read, binding.create, binding.update, binding.delete]
        assert {each.grade for each in (*binding.lists, *parts, *rest) if each} == {"observed"}
