"""The Action as jobs use it, end to end: action.yml, bash, GitHub and CHeKT on sockets."""

from __future__ import annotations

from pathlib import Path

from reconciler.sandbox import Fault as SandboxFault
from reconciler.sandbox import Sandbox
from tests.github import fake
from tests.github.fake import FakeGitHub
from tests.github.projects import PRODUCTION, write
from tests.github.runner import Ended, Machine, commit, pull_request
from tests.ledger.repositories import git


def planned(machine: Machine, number: int, head: str, **inputs: str) -> Ended:
    """The plan job of a pull request."""
    return machine.use("pull_request", pull_request(number, head), command="plan", **{**PRODUCTION, **inputs})


def applied(machine: Machine, sha: str, attempt: int = 1) -> Ended:
    """The apply job of what was merged as ``sha``."""
    return machine.use(sha=sha, attempt=attempt, command="apply", **PRODUCTION)


def site_name(sandbox: Sandbox) -> str | None:
    row = sandbox.store.find("site", "12345", "hq")
    return None if row is None else str(row.body["name"])


def test_a_pull_request_is_planned_merged_and_applied_as_it_was_planned(
    machine: Machine, project: Path, service: FakeGitHub, sandbox: Sandbox
) -> None:
    head, merged = commit(), commit()
    service.open_pull(7, head)
    first = planned(machine, 7, commit())
    assert first.code == 0, first.log
    assert {
        name: first.outputs[name] for name in ("changes", "to-create", "to-adopt", "to-delete", "manual")
    } == {"changes": "true", "to-create": "2", "to-adopt": "1", "to-delete": "0", "manual": "0"}
    assert (first.outputs["exit-code"], first.outputs["failure-reason"]) == ("2", "")
    assert "Headquarters" in first.summary

    write(project, name="Head Office")
    second = planned(machine, 7, head)
    (body,) = service.bodies(7)
    assert "Head Office" in body
    assert "Headquarters" not in body
    assert first.outputs["comment-id"] == second.outputs["comment-id"] == str(service.comments[0].id)

    service.merge(7, merged)
    write(project, name="Somewhere Else")
    refused = applied(machine, merged)
    assert (refused.code, refused.outputs["failure-reason"]) == (1, "plan-changed"), refused.log
    assert "pull request #7" in "".join(refused.annotations("error"))
    assert site_name(sandbox) is None

    write(project, name="Head Office")
    done = applied(machine, merged, attempt=2)
    assert (done.code, done.outputs["exit-code"], done.outputs["failure-reason"]) == (0, "0", ""), done.log
    assert site_name(sandbox) == "Head Office"
    assert "Apply: 3 done." in service.bodies(7)[1]

    again = applied(machine, merged, attempt=3)
    assert (again.code, again.outputs["changes"]) == (0, "false"), again.log


def test_a_comment_shows_the_arming_weeks_that_change(
    machine: Machine, project: Path, service: FakeGitHub
) -> None:
    armed = """---
kind: schedule
id: nights
windows: [{days: [mon, tue, wed, thu, fri], arm: "18:00", disarm: "08:00", mode: away}]
"""
    site = project / "account.yaml"
    site.write_text(site.read_text("utf-8") + "arming: {schedule: nights}\n" + armed, encoding="utf-8")
    service.open_pull(7, head := commit())
    ended = planned(machine, 7, head)
    assert ended.code == 0, ended.log
    (body,) = service.bodies(7)
    assert "Arming weeks that change (1)" in body
    assert "18:00 to 24:00: no schedule before, armed away after" in body


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
    assert "1 failed" in service.bodies(7)[1]
    finished = applied(machine, merged, attempt=2)
    assert finished.code == 0, finished.log
    assert site_name(sandbox) == "Headquarters"
    assert len(service.bodies(7)) == 2


def test_a_saved_plan_is_applied_as_it_stands(machine: Machine, project: Path, sandbox: Sandbox) -> None:
    first = machine.use(command="plan", **PRODUCTION)
    artifact = machine.workspace / "plan.json"
    Path(first.outputs["plan-path"]).rename(artifact)
    text = artifact.read_text(encoding="utf-8")

    artifact.write_text(text.replace("Headquarters", "Forged"), encoding="utf-8")
    forged = machine.use(command="apply", path="sites", plan_path="plan.json")
    assert (forged.code, forged.outputs["failure-reason"]) == (1, "stale-plan"), forged.log

    artifact.write_text(text, encoding="utf-8")
    wished = machine.use(command="apply", path="sites", plan_path="plan.json", target="site:*")
    assert (wished.code, wished.outputs["failure-reason"]) == (1, "invalid-config"), wished.log
    assert site_name(sandbox) is None

    done = machine.use(command="apply", path="sites", plan_path="plan.json")
    assert done.code == 0, done.log
    assert site_name(sandbox) == "Headquarters"


def test_a_fork_s_plan_is_in_its_summary_and_shown_by_a_second_workflow(
    machine: Machine, project: Path, service: FakeGitHub
) -> None:
    head = commit()
    service.open_pull(9, head, branch="patch", owner="stranger")
    event = pull_request(9, head, fork=True)
    ended = machine.use("pull_request", event, command="plan", token=fake.READ_ONLY, **PRODUCTION)
    assert (ended.code, ended.outputs["changes"], ended.outputs["comment-id"]) == (0, "true", "")
    assert "Headquarters" in ended.summary
    assert service.comments == []
    (notice,) = ended.annotations("notice")
    assert "see the summary" in notice
    (warning,) = ended.annotations("warning")
    assert "CHEKT_BASE_URL leads production to" in warning

    origin = {"head_sha": head, "head_branch": "patch", "head_repository": {"owner": {"login": "stranger"}}}
    shown = machine.use(
        "workflow_run",
        {"workflow_run": origin},
        command="plan",
        path="sites",
        plan_path=ended.outputs["plan-path"],
        label="fork",
    )
    assert shown.code == 0, shown.log
    (body,) = service.bodies(9)
    assert "Headquarters" in body
    assert f"<!-- head={head} run={machine.runs}.1 digest= -->" in body
    assert "merging agrees to nothing by it" in body


def test_a_plan_of_hundreds_of_sites_fits_the_comment(
    machine: Machine, project: Path, service: FakeGitHub
) -> None:
    sites = "".join(
        f"---\nkind: site\nid: store-{n}\ndealer: acme\nname: Store {n} 上海虹桥\ntimezone: Asia/Seoul\n"
        f"monitoring_station: central\naccount_number: 'S{n}'\nsecurity_type: video\n"
        for n in range(500)
    )
    write(project, name="Headquarters", more=sites)
    ended = planned(machine, 7, commit())
    assert (ended.code, ended.outputs["to-create"]) == (0, "502"), ended.log[-2000:]
    assert len(ended.summary) > 100_000
    (body,) = service.bodies(7)
    assert 10_000 < len(body) <= 65_000
    assert f"/actions/runs/{machine.runs}" in body


def test_drift_is_one_issue_until_it_is_gone(machine: Machine, project: Path, service: FakeGitHub) -> None:
    found = machine.use("schedule", command="drift", **PRODUCTION)
    assert (found.code, found.outputs["exit-code"]) == (0, "2"), found.log
    (issue,) = service.issues
    assert (issue.state, issue.title) == ("open", "Drift: production sites")
    assert "Headquarters" in issue.body

    assert machine.use(command="apply", path="sites", plan_path=found.outputs["plan-path"]).code == 0
    gone = machine.use("schedule", command="drift", **PRODUCTION)
    assert gone.outputs["exit-code"] == "0", gone.log
    assert (issue.state, len(service.issues)) == ("closed", 1)


def test_runners_that_keep_nothing_share_the_ledger_of_the_repository(
    machine: Machine, service: FakeGitHub, tmp_path: Path
) -> None:
    origin, author = tmp_path / "origin.git", tmp_path / "author"
    git(tmp_path, "init", "--bare", "--initial-branch=main", str(origin))
    git(tmp_path, "clone", "--quiet", str(origin), str(author))
    write(author / "sites", name="Headquarters", settings="ledger: git+branch://reconciler-ledger\n")
    push(author)

    def hosted(number: int) -> Machine:
        """A machine of its own, with a fresh and shallow clone."""
        fresh = Machine(tmp_path / f"hosted-{number}", machine.environment, runs=100 * number)
        fresh.home.mkdir()
        git(fresh.home, "clone", "--quiet", "--depth=1", f"file://{origin}", "workspace")
        return fresh

    head, merged = commit(), commit()
    service.open_pull(7, head)
    planned(hosted(1), 7, head)
    service.merge(7, merged)
    done = applied(hosted(2), merged)
    assert done.code == 0, done.log

    write(author / "sites", name="Head Office", settings="ledger: git+branch://reconciler-ledger\n")
    push(author)
    changed = planned(hosted(3), 8, commit())
    counts = {name: changed.outputs[name] for name in ("to-create", "to-update", "to-adopt")}
    assert counts == {"to-create": "0", "to-update": "1", "to-adopt": "0"}, changed.log


def push(author: Path) -> None:
    """Everything that was written, on the main branch."""
    git(author, "add", "--all")
    git(author, "commit", "--quiet", "--message=Sites")
    git(author, "push", "--quiet", "origin", "HEAD:main")
