"""The Action as jobs use it, end to end: action.yml, bash, GitHub and CHeKT on sockets."""

from __future__ import annotations

import time
from pathlib import Path

from reconciler.sandbox import Fault as SandboxFault
from reconciler.sandbox import Sandbox
from tests.github import fake
from tests.github.fake import BOT, FakeGitHub
from tests.github.projects import PRODUCTION, write
from tests.github.runner import Ended, Machine, commit, pull_request


def planned(machine: Machine, number: int, head: str, **inputs: str) -> Ended:
    """The plan job of a pull request."""
    return machine.use("pull_request", pull_request(number, head), command="plan", **{**PRODUCTION, **inputs})


def applied(machine: Machine, sha: str, attempt: int = 1) -> Ended:
    """The apply job of what was merged as ``sha``."""
    return machine.use(sha=sha, attempt=attempt, command="apply", **PRODUCTION)


def site_name(sandbox: Sandbox) -> str | None:
    row = sandbox.store.find("site", "12345", "hq")
    return None if row is None else str(row.body["name"])


def rename(sandbox: Sandbox, name: str) -> None:
    """Somebody renames the site by hand."""
    row = sandbox.store.find("site", "12345", "hq")
    assert row is not None
    sandbox.store.update(row, {**row.body, "name": name}, time.time())


def test_a_pull_request_is_planned_merged_and_applied(
    machine: Machine, project: Path, service: FakeGitHub, sandbox: Sandbox
) -> None:
    head, merged = commit(), commit()
    service.open_pull(7, head)
    first = planned(machine, 7, commit())
    assert first.code == 0, first.log
    assert {
        name: first.outputs[name] for name in ("changes", "to-create", "to-adopt", "to-delete", "manual")
    } == {
        "changes": "true",
        "to-create": "2",
        "to-adopt": "1",
        "to-delete": "0",
        "manual": "0",
    }
    assert (first.outputs["exit-code"], first.outputs["failure-reason"]) == ("2", "")
    assert "Headquarters" in first.summary

    write(project, name="Head Office")
    second = planned(machine, 7, head)
    (body,) = service.bodies(7)
    assert "Head Office" in body
    assert "Headquarters" not in body
    assert first.outputs["comment-id"] == second.outputs["comment-id"] == str(service.comments[0].id)

    service.merge(7, merged)
    done = applied(machine, merged)
    assert (done.code, done.outputs["exit-code"]) == (0, "0"), done.log
    assert site_name(sandbox) == "Head Office"
    assert "2 done" in service.bodies(7)[1] or "3 done" in service.bodies(7)[1]

    again = applied(machine, merged)
    assert (again.code, again.outputs["changes"]) == (0, "false"), again.log


def test_a_plan_that_moved_after_the_merge_is_refused(
    machine: Machine, project: Path, service: FakeGitHub, sandbox: Sandbox
) -> None:
    merged = commit()
    service.open_pull(7, commit())
    planned(machine, 7, service.pulls[7]["head"]["sha"])
    service.merge(7, merged)
    write(project, name="Somewhere Else")
    refused = applied(machine, merged)
    assert (refused.code, refused.outputs["failure-reason"]) == (1, "plan-changed"), refused.log
    assert site_name(sandbox) is None
    (error,) = refused.annotations("error")
    assert "pull request #7" in error


def test_an_apply_that_broke_off_is_finished_by_running_the_job_again(
    machine: Machine, project: Path, service: FakeGitHub, sandbox: Sandbox
) -> None:
    head, merged = commit(), commit()
    service.open_pull(7, head)
    planned(machine, 7, head)
    service.merge(7, merged)
    sandbox.add_fault(SandboxFault("status", method="POST", path=".*/sites", status=422))
    broken = applied(machine, merged)
    assert (broken.code, broken.outputs["failure-reason"]) == (1, "partial-apply"), broken.log
    assert "failed" in service.bodies(7)[1]
    finished = applied(machine, merged, attempt=2)
    assert finished.code == 0, finished.log
    assert site_name(sandbox) == "Headquarters"
    assert len(service.bodies(7)) == 2


def test_what_was_not_agreed_to_is_not_applied(
    machine: Machine, project: Path, service: FakeGitHub, sandbox: Sandbox
) -> None:
    head, merged = commit(), commit()
    service.open_pull(7, head)

    def refusal() -> str:
        ended = applied(machine, merged)
        assert (ended.code, ended.outputs["failure-reason"]) == (1, "not-approved"), ended.log
        return "".join(ended.annotations("error"))

    assert "was not merged into main from a pull request" in refusal()
    service.merge(7, merged)
    assert "has no plan called" in refusal()

    planned(machine, 7, commit())
    assert "and " + head[:12] + " was merged" in refusal()

    planned(machine, 7, head)
    ours = service.comments[0]
    ours.editor = "maintainer"
    assert "was edited by maintainer" in refusal()

    ours.editor, ours.login = None, "maintainer"
    assert "has no plan called" in refusal()
    assert site_name(sandbox) is None

    ours.login, ours.editor = BOT, BOT
    assert applied(machine, merged).code == 0
    assert site_name(sandbox) == "Headquarters"


def test_a_saved_plan_is_applied_as_it_stands(
    machine: Machine, project: Path, service: FakeGitHub, sandbox: Sandbox, tmp_path: Path
) -> None:
    first = machine.use(command="plan", **PRODUCTION)
    artifact = machine.workspace / "plan.json"
    Path(first.outputs["plan-path"]).rename(artifact)
    done = machine.use(command="apply", path="sites", plan_path="plan.json")
    assert done.code == 0, done.log
    assert site_name(sandbox) == "Headquarters"
    stale = machine.use(command="apply", path="sites", plan_path="plan.json")
    assert (stale.code, stale.outputs["failure-reason"]) == (1, "stale-plan"), stale.log

    artifact.write_text(
        artifact.read_text(encoding="utf-8").replace("Headquarters", "Forged"), encoding="utf-8"
    )
    forged = machine.use(command="apply", path="sites", plan_path="plan.json")
    assert (forged.code, forged.outputs["failure-reason"]) == (1, "stale-plan"), forged.log


def test_a_plan_with_a_wish_beside_plan_path_is_refused(machine: Machine, project: Path) -> None:
    first = machine.use(command="plan", **PRODUCTION)
    wished = machine.use(command="apply", path="sites", plan_path=first.outputs["plan-path"], target="site:*")
    assert (wished.code, wished.outputs["failure-reason"]) == (1, "invalid-config")


def test_a_fork_gets_a_summary_where_it_may_not_comment(
    machine: Machine, project: Path, service: FakeGitHub
) -> None:
    payload = pull_request(9, commit(), fork=True)
    ended = machine.use("pull_request", payload, command="plan", token=fake.READ_ONLY, **PRODUCTION)
    assert (ended.code, ended.outputs["changes"], ended.outputs["comment-id"]) == (0, "true", "")
    assert "Headquarters" in ended.summary
    assert service.comments == []
    (notice,) = ended.annotations("notice")
    assert "see the summary" in notice
    assert ended.annotations("warning") == []


def test_the_plan_of_a_fork_is_shown_by_a_second_workflow_and_approves_nothing(
    machine: Machine, project: Path, service: FakeGitHub, sandbox: Sandbox
) -> None:
    head, merged = commit(), commit()
    service.open_pull(9, head, branch="patch", owner="stranger")
    unprivileged = machine.use(
        "pull_request", pull_request(9, head, fork=True), command="plan", comment="never", **PRODUCTION
    )
    payload = {
        "workflow_run": {
            "head_sha": head,
            "head_branch": "patch",
            "head_repository": {"owner": {"login": "stranger"}},
        }
    }
    shown = machine.use(
        "workflow_run",
        payload,
        command="plan",
        path="sites",
        plan_path=unprivileged.outputs["plan-path"],
        label="fork",
    )
    assert shown.code == 0, shown.log
    assert "Headquarters" in service.bodies(9)[0]
    service.merge(9, merged)
    refused = machine.use(sha=merged, command="apply", label="fork", **PRODUCTION)
    assert refused.outputs["failure-reason"] == "not-approved", refused.log
    assert site_name(sandbox) is None


def test_a_plan_of_thousands_fits_the_comment(machine: Machine, project: Path, service: FakeGitHub) -> None:
    sites = "".join(
        f"---\nkind: site\nid: store-{n}\ndealer: acme\nname: Store {n} 上海虹桥\ntimezone: Asia/Seoul\n"
        f"monitoring_station: central\naccount_number: 'S{n}'\nsecurity_type: video\n"
        for n in range(700)
    )
    write(project, name="Headquarters", more=sites)
    ended = planned(machine, 7, commit())
    assert (ended.code, ended.outputs["to-create"]) == (0, "702"), ended.log[-2000:]
    assert len(ended.summary) > 100_000
    (body,) = service.bodies(7)
    assert 30_000 < len(body) <= 65_000
    assert f"/actions/runs/{machine.runs}" in body


def test_drift_is_one_issue_until_it_is_gone(
    machine: Machine, project: Path, service: FakeGitHub, sandbox: Sandbox
) -> None:
    def drift() -> Ended:
        return machine.use("schedule", command="drift", **PRODUCTION)

    plan = machine.use(command="plan", **PRODUCTION).outputs["plan-path"]
    assert machine.use(command="apply", path="sites", plan_path=plan).code == 0
    assert (drift().outputs["exit-code"], service.issues) == ("0", [])

    rename(sandbox, "Changed by hand")
    assert [drift().outputs["exit-code"], drift().code] == ["2", 0]
    (issue,) = service.issues
    assert (issue.state, "Changed by hand" in issue.body) == ("open", True)

    rename(sandbox, "Headquarters")
    drift()
    assert (issue.state, len(service.issues)) == ("closed", 1)
