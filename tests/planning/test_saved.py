"""A saved plan holds, or says which part of it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.errors import PlanError, Problem, StalePlanError, UnsafePlanError
from reconciler.model import Action, Change, FieldChange, Plan, Source
from reconciler.planning.saved import check_timely, check_unmoved, stale
from tests.planning.world import NOW, at

DIGEST = "sha256:1234"
READ_AGAIN = "Make a new plan and read it."
HQ = Change(
    at("site:acme/hq"),
    Action.UPDATE,
    fields=(FieldChange("name", "HQ", "Head Office"),),
    precondition="sha256:aa",
    source=Source("sites.yaml", 7, 3),
)
SHOP = replace(HQ, address=at("site:acme/shop"), source=Source("sites.yaml", 12, 3))


def plan_of(*changes: Change) -> Plan:
    return Plan("staging", "partner", NOW, NOW + timedelta(hours=1), DIGEST, changes)


class TestTime:
    def test_a_plan_holds_until_it_expires(self) -> None:
        check_timely(plan_of(HQ), DIGEST, NOW + timedelta(hours=1) - timedelta(microseconds=1))

    def test_at_that_instant_it_has_expired_and_says_when(self) -> None:
        with pytest.raises(StalePlanError) as caught:
            check_timely(plan_of(HQ), DIGEST, NOW + timedelta(hours=1))
        assert caught.value.message == "the plan expired at 2026-11-20 10:00:00 UTC"
        assert caught.value.hint == "Make a new plan."

    def test_a_plan_of_other_manifests_does_not_hold(self) -> None:
        with pytest.raises(StalePlanError) as caught:
            check_timely(plan_of(HQ), "sha256:5678", NOW)
        assert caught.value.message == "the manifests are not those the plan was made from"
        assert caught.value.hint == READ_AGAIN


class TestMoves:
    @pytest.mark.parametrize("fresh", [(HQ, SHOP), (SHOP, HQ), (SHOP, replace(HQ, reason="another word"))])
    def test_the_same_changes_hold_whatever_else_the_new_plan_says(self, fresh: tuple[Change, ...]) -> None:
        check_unmoved(plan_of(HQ), plan_of(*fresh))

    @pytest.mark.parametrize(
        "now",
        [
            replace(HQ, action=Action.REPLACE),
            replace(HQ, precondition="sha256:bb"),
            replace(HQ, precondition=None),
            replace(HQ, fields=(FieldChange("name", "Other", "Head Office"),)),
            replace(HQ, fields=(FieldChange("name", "HQ", "Head Quarters"),)),
            replace(HQ, fields=()),
        ],
    )
    def test_a_change_that_would_be_made_otherwise_has_moved(self, now: Change) -> None:
        with pytest.raises(StalePlanError, match="site:acme/hq"):
            check_unmoved(plan_of(HQ), plan_of(now))

    def test_all_that_moved_are_named_with_their_places_and_nothing_else(self) -> None:
        mill = replace(HQ, address=at("site:acme/mill"))
        with pytest.raises(StalePlanError) as caught:
            check_unmoved(plan_of(HQ, mill, SHOP), plan_of(mill))
        assert caught.value.message == (
            "the account has moved since the plan was made: site:acme/hq, site:acme/shop"
        )
        assert caught.value.hint == READ_AGAIN
        assert caught.value.problems == (
            Problem("site:acme/hq is no longer as the plan found it", HQ.source),
            Problem("site:acme/shop is no longer as the plan found it", SHOP.source),
        )


def test_a_new_plan_that_is_refused_makes_the_saved_one_stale() -> None:
    problems = [Problem("site:acme/hq would be deleted, which is protected")]
    refused = stale(UnsafePlanError.of(problems))
    assert isinstance(refused, StalePlanError)
    assert isinstance(refused, PlanError)
    assert refused.message == (
        "the account has moved since the plan was made: site:acme/hq would be deleted, which is protected"
    )
    assert (refused.hint, refused.problems) == (READ_AGAIN, tuple(problems))
