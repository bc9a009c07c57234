"""What a run that was taken over has left to do of what was agreed to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.errors import StalePlanError
from reconciler.model import Action, Address, Change, Plan
from reconciler.planning.saved import as_planned_now, check_unmoved, left_of

NOW = datetime(2026, 11, 20, tzinfo=UTC)
HQ, DEPOT = Address("site", ("acme", "hq")), Address("site", ("acme", "depot"))


def plan(*changes: Change) -> Plan:
    return Plan("far", "partner", NOW, NOW, "digest", changes)


@pytest.mark.parametrize(
    ("agreed", "now", "left"),
    [
        pytest.param(Action.CREATE, None, [], id="it is done"),
        pytest.param(Action.CREATE, Action.CREATE, [Action.CREATE], id="it was not done"),
        pytest.param(Action.CREATE, Action.UPDATE, [Action.UPDATE], id="a part of it is left"),
        pytest.param(Action.REPLACE, Action.CREATE, [Action.CREATE], id="the old one is gone"),
        pytest.param(Action.REPLACE, Action.DELETE, [Action.DELETE], id="the new one is there"),
    ],
)
def test_what_the_run_itself_has_begun_is_left_as_the_account_shows_it(
    agreed: Action, now: Action | None, left: list[Action]
) -> None:
    saved, fresh = plan(Change(HQ, agreed)), plan(*([Change(HQ, now)] if now else []))
    found = left_of(saved, fresh, {HQ})
    check_unmoved(found, fresh)
    assert [change.action for change in as_planned_now(found, fresh).changes] == left


@pytest.mark.parametrize("worse", [Action.DELETE, Action.REPLACE])
def test_nothing_is_removed_that_nobody_agreed_to_remove(worse: Action) -> None:
    saved, fresh = plan(Change(HQ, Action.UPDATE)), plan(Change(HQ, worse))
    with pytest.raises(StalePlanError):
        check_unmoved(left_of(saved, fresh, {HQ}), fresh)


def test_what_the_run_has_not_begun_must_be_as_it_was_agreed_to() -> None:
    saved = plan(Change(HQ, Action.CREATE), Change(DEPOT, Action.CREATE))
    fresh = plan(Change(DEPOT, Action.UPDATE))
    with pytest.raises(StalePlanError, match="site:acme/depot"):
        check_unmoved(left_of(saved, fresh, {HQ}), fresh)
    with pytest.raises(StalePlanError, match="site:acme/hq"):
        check_unmoved(left_of(saved, fresh, ()), fresh)
