"""What others write, in manifests, workspaces and inputs, commands nothing."""

from __future__ import annotations

from pathlib import Path

from tests.github.fake import FakeGitHub
from tests.github.projects import write
from tests.github.runner import Machine, commit, pull_request

COMMAND = "::error title=forged::obeyed"


def test_errors_are_told_in_their_files_the_first_ten_as_annotations(machine: Machine, project: Path) -> None:
    write(project, name="x", more="".join(f"wrong{n}: 1\n" for n in range(30)))
    ended = machine.use(command="validate", path="sites")
    assert (ended.code, ended.outputs["failure-reason"]) == (1, "invalid-manifest"), ended.log
    errors = ended.annotations("error")
    assert errors[0].startswith(
        "::error file=sites/account.yaml,line=20,col=1,title=reconciler%3A invalid_manifest::"
    )
    assert len(errors) == 10
    assert "wrong29" in ended.summary
    assert "wrong29" in ended.log


def test_text_of_manifests_is_no_command_of_the_runner(
    machine: Machine, project: Path, service: FakeGitHub
) -> None:
    write(project, name=f'"HQ\\n{COMMAND}\\n```\\n<!-- reconciler:embedded sites -->"')
    ended = machine.use("pull_request", pull_request(7, commit()), command="plan", path="sites")
    assert ended.code in (0, 1), ended.log
    assert [line for line in ended.obeyed() if "forged" in line.split("::", 2)[1]] == []
    write(project, name="x", more=f'"a\\n{COMMAND}": 1\n')
    broken = machine.use(command="validate", path="sites")
    assert broken.code == 1
    assert all("forged" not in line.split("::", 2)[1] for line in broken.obeyed())


def test_a_program_in_the_workspace_is_not_run(machine: Machine, project: Path) -> None:
    for name in ("reconciler", "httpx", "json"):
        package = machine.workspace / name
        package.mkdir()
        (package / "__init__.py").write_text("raise SystemExit('run from the workspace')\n", encoding="utf-8")
    ended = machine.use(command="validate", path="sites", env={"PYTHONPATH": str(machine.workspace)})
    assert ended.code == 0, ended.log


def test_inputs_are_values_and_never_shell_or_options(machine: Machine, project: Path) -> None:
    ended = machine.use(command="validate", path="$(touch pwned); --help")
    assert ended.code == 1
    assert not (machine.workspace / "pwned").exists()
    assert machine.use(command="$(touch pwned)").outputs["failure-reason"] == "invalid-config"
    assert (
        machine.use(command="plan", path="sites", label="a --> b").outputs["failure-reason"]
        == "invalid-config"
    )


def test_secrets_are_masked_and_the_token_stays_out_of_the_product(machine: Machine, project: Path) -> None:
    (project / "reconciler.yaml").write_text("version: 1\n", encoding="utf-8")
    hook = "kind: webhook\nid: feed\nurl: https://hooks.example.com/x\nevents: [site.armed]\n"
    (project / "hook.yaml").write_text(f"{hook}secret: {{env: INPUT_TOKEN}}\n", encoding="utf-8")
    ended = machine.use(command="plan", path="sites", token="ghs_secret-token")
    assert ended.outputs["failure-reason"] == "secret", ended.log
    assert "::add-mask::ghs_secret-token" in ended.log
    assert ended.log.count("ghs_secret-token") == 1


def test_what_is_due_is_enforced(machine: Machine, project: Path) -> None:
    ended = machine.use("schedule", command="enforce", path="sites")
    assert (ended.code, ended.outputs["exit-code"]) == (0, "0"), ended.log
    assert "No targets" in ended.summary


def test_a_version_that_is_none_is_refused_before_anything_is_installed(machine: Machine) -> None:
    ended = machine.use(command="validate", version="1.0; touch pwned")
    assert ended.code == 1
    assert "no version" in ended.log
