"""A plan taken apart: who carries out what, and that no part waits for another."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from reconciler.errors import ReconcilerError
from reconciler.fleet.applying import not_begun, parted, result_of, result_text, task_of, together
from reconciler.kinds import REGISTRY
from reconciler.model import Action, Address, Change, FieldChange, Plan
from reconciler.render.json import from_json
from reconciler.workflows import Applied
from reconciler.writes import Outcome, OutcomeStatus, Report

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def of_dealer(kind: str) -> bool:
    """Whether objects of ``kind`` stand under a dealer."""
    parent = REGISTRY[kind].parent
    return parent is not None and (parent == "dealer" or of_dealer(parent))


def change(text: str, action: Action = Action.CREATE, **more: tuple[FieldChange, ...]) -> Change:
    return Change(Address.parse(text), action, **more)


NAME = FieldChange("name", "a", "b")
PLAN = Plan(
    "far",
    "partner",
    NOW,
    NOW,
    "digest",
    (
        change("schedule:nights"),
        change("dealer:acme", Action.ADOPT),
        change("monitoring_station:bravo/central"),
        change("site:acme/hq"),
        change("site:acme/old", Action.ADOPT),
        change("site:acme/other", Action.ADOPT, fields=(NAME,)),
        change("site:lone"),
        change("device:lone/door"),
        change("device:bravo/hq/door", Action.DELETE),
        change("app:acme/verifier", Action.MANUAL),
        change("webhook:feed"),
    ),
    warnings=("careful",),
)


def test_what_a_dealer_owns_is_a_lane_and_the_rest_the_commands() -> None:
    parts = parted(PLAN)
    assert [str(each.address) for each in parts.account.changes] == [
        "schedule:nights",
        "dealer:acme",
        "site:acme/old",
        "app:acme/verifier",
        "webhook:feed",
    ]
    assert {lane: [str(each.address) for each in plan.changes] for lane, plan in parts.lanes.items()} == {
        "": ["site:lone", "device:lone/door"],
        "acme": ["site:acme/hq", "site:acme/other"],
        "bravo": ["monitoring_station:bravo/central", "device:bravo/hq/door"],
    }


def test_the_part_of_a_lane_is_a_saved_plan_of_its_changes_alone() -> None:
    for plan in parted(PLAN).lanes.values():
        assert plan.targets == tuple(str(each.address) for each in plan.changes)
        assert plan.warnings == ()
        assert from_json(task_of(plan)) == plan


def test_no_write_of_a_lane_waits_for_one_of_the_account_or_of_another_lane() -> None:
    """Of what is sent, everything names what stands under the same dealer; dealers are never written."""
    assert REGISTRY["dealer"].adopted
    for kind in REGISTRY.values():
        if of_dealer(kind.name):
            sent = [ref for ref in kind.references if ref.path.split(".")[0] not in kind.local]
            assert all(of_dealer(ref.kind) for ref in sent), kind.name
        else:
            assert not any(of_dealer(ref.kind) for ref in kind.references), kind.name


def test_parts_come_together_in_the_order_of_the_plan() -> None:
    parts = parted(PLAN)
    done = [
        Applied(
            Report(
                tuple(Outcome(each.address, each.action, OutcomeStatus.DONE) for each in plan.changes), 2, 3
            ),
            plan.changes[:1],
        )
        for plan in (parts.account, parts.lanes["acme"], parts.lanes["bravo"])
    ]
    whole = together(PLAN, [*done, not_begun(parts.lanes[""], "stopped")])
    assert [each.address for each in whole.report.outcomes] == [each.address for each in PLAN.changes]
    assert (whole.report.reads, whole.report.writes, whole.report.interrupted) == (6, 9, True)
    assert len(whole.remaining) == 3
    assert whole.report.count(OutcomeStatus.SKIPPED) == 2


def test_what_a_worker_writes_down_is_what_the_command_reads() -> None:
    report = Report(
        (Outcome(Address.parse("site:acme/hq"), Action.CREATE, OutcomeStatus.UNKNOWN, "who knows"),),
        4,
        5,
        interrupted=True,
    )
    bare = Applied(report, (change("site:acme/hq", Action.UPDATE),))
    assert result_of(result_text(bare)) == bare
    told = result_of(result_text(replace(bare, unverified=ReconcilerError("away", hint="wait"))))
    assert told.unverified is not None
    assert (told.unverified.message, told.unverified.hint) == ("away", "wait")
