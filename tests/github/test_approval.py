from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reconciler.errors import ApprovalError, PlanChangedError
from reconciler.github.api import GitHub
from reconciler.github.approval import applied_label, approved, check
from reconciler.github.job import Job, read_job
from reconciler.github.posts import Stamp, written
from reconciler.model import Action, Address, Change, FieldChange, Plan
from reconciler.planning.digest import changes_digest
from tests.github.fake import BOT, REPOSITORY, FakeGitHub

HEAD, MERGED = "a" * 40, "b" * 40
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
SITE = Address("site", ("acme", "hq"))
PLAN = Plan(
    "production",
    "partner",
    NOW,
    NOW,
    "sha256:0",
    (Change(SITE, Action.UPDATE, (FieldChange("name", "HQ", "Head Office"),), precondition="sha256:1"),),
)


@pytest.fixture
def job() -> Job:
    return read_job(
        {
            "INPUT_COMMAND": "apply",
            "INPUT_LABEL": "production",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_SHA": MERGED,
            "GITHUB_REF_NAME": "main",
        }
    )


def agreed(service: FakeGitHub, plan: Plan = PLAN, head: str = HEAD, login: str = BOT) -> None:
    """A merged pull request with the comment of ``plan``."""
    service.open_pull(7, HEAD)
    service.merge(7, MERGED)
    service.comment(7, written("production", Stamp(head, (1, 1), changes_digest(plan)), "the plan"), login)


def test_the_plan_of_the_merged_pull_request_is_agreed_to(
    service: FakeGitHub, github: GitHub, job: Job
) -> None:
    agreed(service)
    service.comments[0].editor = BOT
    found = approved(github, job)
    assert found.number == 7
    check(found, PLAN)
    check(found, replace(PLAN, created_at=datetime(2027, 1, 1, tzinfo=UTC), config_digest="sha256:2"))


@pytest.mark.parametrize(
    "moved",
    [
        replace(PLAN, changes=()),
        replace(PLAN, environment="dev"),
        replace(PLAN, changes=(replace(PLAN.changes[0], precondition="sha256:2"),)),
        replace(PLAN, changes=(*PLAN.changes, Change(Address("site", ("acme", "x")), Action.DELETE))),
    ],
    ids=["less", "another environment", "changed by hand", "a delete more"],
)
def test_any_other_plan_is_refused(service: FakeGitHub, github: GitHub, job: Job, moved: Plan) -> None:
    agreed(service)
    with pytest.raises(PlanChangedError, match="pull request #7"):
        check(approved(github, job), moved)


def not_merged(service: FakeGitHub) -> None:
    service.merged.clear()


def closed_without_a_merge(service: FakeGitHub) -> None:
    service.pulls[7]["merged_at"] = None


def merged_into_another_branch(service: FakeGitHub) -> None:
    service.pulls[7]["base"] = {"ref": "release"}


def only_named_by_the_commit(service: FakeGitHub) -> None:
    service.pulls[7]["merge_commit_sha"] = "c" * 40


def pushed_after_the_plan(service: FakeGitHub) -> None:
    service.pulls[7]["head"]["sha"] = "d" * 40


def edited_by_a_person(service: FakeGitHub) -> None:
    service.comments[0].editor = "maintainer"


def edited_by_somebody_called_as_the_bot(service: FakeGitHub) -> None:
    service.comments[0].editor = BOT.removesuffix("[bot]")


def written_by_a_person(service: FakeGitHub) -> None:
    service.comments[0].login = "maintainer"


def of_another_label(service: FakeGitHub) -> None:
    service.comments[0].body = service.comments[0].body.replace("production", "production two")


def of_a_plan_that_failed(service: FakeGitHub) -> None:
    service.comments[0].body = written("production", Stamp(HEAD, (1, 1)), "failed")


def with_a_stamp_that_was_broken(service: FakeGitHub) -> None:
    service.comments[0].body = service.comments[0].body.replace("digest=sha256", "digest=md5")


def deleted(service: FakeGitHub) -> None:
    service.comments.clear()


@pytest.mark.parametrize(
    "spoil",
    [
        not_merged,
        closed_without_a_merge,
        merged_into_another_branch,
        only_named_by_the_commit,
        pushed_after_the_plan,
        edited_by_a_person,
        edited_by_somebody_called_as_the_bot,
        written_by_a_person,
        of_another_label,
        of_a_plan_that_failed,
        with_a_stamp_that_was_broken,
        deleted,
    ],
)
def test_what_nobody_agreed_to_is_refused(
    service: FakeGitHub, github: GitHub, job: Job, spoil: Callable[[FakeGitHub], None]
) -> None:
    agreed(service)
    spoil(service)
    with pytest.raises(ApprovalError) as caught:
        approved(github, job)
    assert caught.value.code == "not_approved"
    assert "plan-path" in caught.value.hint


def test_what_an_apply_of_this_commit_left_may_be_finished_and_that_of_another_not(
    service: FakeGitHub, github: GitHub, job: Job
) -> None:
    whole = replace(PLAN, changes=(*PLAN.changes, Change(Address("site", ("acme", "x")), Action.CREATE)))
    agreed(service, whole)
    left = applied_label("production")
    service.comment(7, written(left, Stamp("e" * 40, (2, 1), changes_digest(PLAN)), "left"))
    with pytest.raises(PlanChangedError):
        check(approved(github, job), PLAN)
    service.comments[1].body = written(left, Stamp(MERGED, (2, 1), changes_digest(PLAN)), "left")
    check(approved(github, job), PLAN)
    service.comments[1].editor = "maintainer"
    with pytest.raises(ApprovalError, match="edited by maintainer"):
        approved(github, job)
