"""A saved plan holds, or says which part of it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.errors import PlanError, Problem, StalePlanError, UnsafePlanError
from reconciler.model import Action, Change, ChangedSince, FieldChange, Plan, Source
from reconciler.planning.saved import as_planned_now, check_timely, check_unmoved, stale
from tests.planning.world import NOW, at

LIFE = timedelta(hours=24)
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
        check_timely(plan_of(HQ), DIGEST, NOW + timedelta(hours=1) - timedelta(microseconds=1), LIFE)

    def test_at_that_instant_it_has_expired_and_says_when(self) -> None:
        with pytest.raises(StalePlanError) as caught:
            check_timely(plan_of(HQ), DIGEST, NOW + timedelta(hours=1), LIFE)
        assert caught.value.message == "the plan expired at 2026-11-20 10:00:00 UTC"
        assert caught.value.hint == "Make a new plan."

    def test_a_file_cannot_give_itself_more_time_than_the_manifests_do(self) -> None:
        forever = replace(plan_of(HQ), expires_at=NOW + timedelta(days=3650))
        check_timely(forever, DIGEST, NOW + LIFE - timedelta(microseconds=1), LIFE)
        with pytest.raises(StalePlanError, match="expired at 2026-11-21 09:00:00"):
            check_timely(forever, DIGEST, NOW + LIFE, LIFE)

    def test_a_plan_of_the_future_does_not_hold_but_clocks_may_differ_a_little(self) -> None:
        check_timely(plan_of(HQ), DIGEST, NOW - timedelta(minutes=5), LIFE)
        with pytest.raises(StalePlanError) as caught:
            check_timely(plan_of(HQ), DIGEST, NOW - timedelta(minutes=6), LIFE)
        assert caught.value.message == (
            "the plan says it was made at 2026-11-20 09:00:00 UTC, which is still to come"
        )
        assert caught.value.hint == "Set the clock of this machine, or make a new plan."
        with pytest.raises(StalePlanError, match="still to come"):
            check_timely(replace(plan_of(HQ), created_at=datetime.max.replace(tzinfo=UTC)), DIGEST, NOW, LIFE)

    def test_a_plan_of_other_manifests_does_not_hold(self) -> None:
        with pytest.raises(StalePlanError) as caught:
            check_timely(plan_of(HQ), "sha256:5678", NOW, LIFE)
        assert caught.value.message == "the manifests are not those the plan was made from"
        assert caught.value.hint == READ_AGAIN


class TestMoves:
    def test_a_plan_of_the_other_surface_does_not_hold(self) -> None:
        with pytest.raises(StalePlanError) as caught:
            check_unmoved(plan_of(HQ), replace(plan_of(HQ), surface="dealer"))
        assert caught.value.message == "the plan was made for the partner surface"
        assert caught.value.hint == READ_AGAIN

    def test_what_is_shown_and_done_is_the_new_plan_not_the_file(self) -> None:
        limits = {
            "targets": ("site:acme/*",),
            "excludes": ("site:acme/mill",),
            "changed_since": ChangedSince("main", "c0ffee", (HQ.address, SHOP.address)),
        }
        forged = replace(plan_of(SHOP, HQ), environment="other", warnings=("all is well",), **limits)
        forged = replace(
            forged, changes=tuple(replace(c, reason="harmless", endpoints=()) for c in forged.changes)
        )
        mill = replace(HQ, address=at("site:acme/mill"))
        fresh = replace(plan_of(HQ, mill, SHOP), warnings=("look",), created_at=NOW + timedelta(minutes=5))
        assert as_planned_now(forged, fresh) == replace(fresh, changes=(SHOP, HQ), **limits)

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
