"""``plan --changed-since``: a pull request reads what it changes and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import DEALER, Cli, Result, Served

SITES = "/partner/v1/dealers/12345/sites"


def site(name: str, *more: str) -> str:
    head = f"kind: site\nid: {name}\nname: Site {name}\n"
    return head + "".join(f"{line}\n" for line in ("dealer: acme", *more))


CAMERA = "devices: [{id: door, device_type: camera, zone_number: '001', name: Door}]"
RULES = "version: 1\ndefaults: {site: {timezone: UTC}}\nvariables: {street: Main}\n"

FILES = {
    "reconciler.yaml": RULES,
    "account.yaml": DEALER,
    "a.yaml": site("a", CAMERA),
    "b.yaml": site("b", CAMERA),
    "c.yaml.j2": site("c", "address1: '{{ street }}'"),
    "rows.csv": "id,street\nd,Pine\n",
    "rows.yaml.j2": "{% for row in table('rows.csv') %}\n---\n"
    + site("{{ row.id }}", "address1: '{{ row.street }}'")
    + "{% endfor %}\n",
}


class Repository:
    """A git repository with a project in it."""

    def __init__(self, directory: Path, project: Path) -> None:
        self.directory = directory
        self.project = project
        project.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.write(**FILES)
        (project / ".gitignore").write_text(".reconciler/\n")
        self.commit()

    def git(self, *arguments: object) -> str:
        config = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(self.directory), *config, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")

    def remove(self, name: str) -> None:
        (self.project / name).unlink()


@pytest.fixture(autouse=True)
def _no_foreign_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository", tmp_path / "repository")


@pytest.fixture
def applied(repository: Repository, cli: Cli, served: Served) -> Repository:
    """The project, applied, on a branch of its own."""
    assert cli("apply", repository.project, "--yes").code == 0
    repository.git("switch", "--quiet", "--create", "topic")
    served.forget()
    return repository


def plan(cli: Cli, repository: Repository, ref: str = "main") -> Result:
    return cli("plan", repository.project, "--changed-since", ref, "--format", "json")


def looked_at(result: Result) -> list[str]:
    assert result.code == 0, result.out
    return list(result.json["changed_since"]["addresses"])


def test_one_changed_site_of_200_costs_the_requests_of_one_site(
    tmp_path: Path, cli: Cli, served: Served
) -> None:
    repository = Repository(tmp_path, tmp_path / "fleet")
    repository.write(**{f"site-{n}.yaml": site(f"s{n}", CAMERA) for n in range(196)})
    repository.commit()
    assert cli("apply", repository.project, "--yes").code == 0
    served.forget()
    whole = cli("plan", repository.project, "--format", "json").json["requests"]["read"]
    assert whole == len(served.calls()) == 1 + 1 + 198

    repository.write(**{"site-7.yaml": site("s7", CAMERA, "address1: Elm Street")})
    served.forget()
    result = plan(cli, repository)
    assert looked_at(result) == ["site:acme/s7"]
    assert result.changes() == {"site:acme/s7": "update"}
    assert sorted(set(served.calls())) == [
        "GET /partner/v1/dealers/12345",
        f"GET {SITES}",
        f"GET {SITES}/{served.site_id('s7')}/devices",
    ]
    assert result.json["requests"]["read"] == len(served.calls()) == 1 + 1 + 1


def test_nothing_changed_asks_for_nothing(applied: Repository, cli: Cli, served: Served) -> None:
    applied.write(**{"a.yaml": "# a comment\n" + FILES["a.yaml"]})
    applied.remove("b.yaml")
    applied.write(**{"sites/moved.yaml": FILES["b.yaml"]})
    assert looked_at(plan(cli, applied)) == []
    assert served.calls() == []
    shown = cli("plan", applied.project, "--changed-since", "main").out
    commit = applied.git("rev-parse", "main")[:12]
    assert f"No changes. The manifests say what they said at main ({commit})." in shown
    assert f"Limited: only what differs from main ({commit}): 0 resources." in shown


def _default(repository: Repository) -> None:
    repository.write(**{"reconciler.yaml": RULES.replace("UTC", "Asia/Seoul")})


def _variable(repository: Repository) -> None:
    repository.write(**{"reconciler.yaml": RULES.replace("Main", "Elm")})


def _device(repository: Repository) -> None:
    repository.write(**{"a.yaml": FILES["a.yaml"].replace("name: Door", "name: Gate")})
    repository.commit()


def _removed(repository: Repository) -> None:
    repository.remove("b.yaml")


def _table(repository: Repository) -> None:
    repository.write(**{"rows.csv": "id,street\nd,Elm\n"})


def _untracked(repository: Repository) -> None:
    repository.write(**{"new.yaml": site("new")})


@pytest.mark.parametrize(
    ("edit", "addresses", "actions"),
    [
        (
            _default,
            [f"site:acme/{name}" for name in "abcd"],
            {f"site:acme/{name}": "update" for name in "abcd"},
        ),
        (_variable, ["site:acme/c"], {"site:acme/c": "update"}),
        (_device, ["device:acme/a/door"], {"device:acme/a/door": "update"}),
        (
            _removed,
            ["device:acme/b/door", "site:acme/b"],
            {"device:acme/b/door": "delete", "site:acme/b": "delete"},
        ),
        (_table, ["site:acme/d"], {"site:acme/d": "update"}),
        (_untracked, ["site:acme/new"], {"site:acme/new": "create"}),
    ],
)
def test_what_counts_is_what_the_manifests_say(
    edit: Callable[[Repository], None],
    addresses: list[str],
    actions: dict[str, str],
    applied: Repository,
    cli: Cli,
) -> None:
    edit(applied)
    result = plan(cli, applied)
    assert looked_at(result) == addresses
    assert result.changes() == actions


def test_drift_of_what_did_not_change_is_not_looked_for(
    applied: Repository, cli: Cli, served: Served
) -> None:
    _device(applied)
    store = served.sandbox.store
    gone = store.find("site", "12345", "b")
    assert gone is not None
    store.delete(gone, 0.0)
    assert plan(cli, applied).changes() == {"device:acme/a/door": "update"}
    assert "site:acme/b" in cli("plan", applied.project, "--format", "json").changes()


def test_what_others_did_on_the_branch_since_does_not_count(applied: Repository, cli: Cli) -> None:
    _device(applied)
    applied.git("switch", "--quiet", "main")
    applied.write(**{"b.yaml": FILES["b.yaml"].replace("Site b", "Other")})
    applied.commit()
    applied.git("switch", "--quiet", "topic")
    result = plan(cli, applied)
    assert looked_at(result) == ["device:acme/a/door"]
    assert result.json["changed_since"]["commit"] == applied.git("merge-base", "main", "topic")


def test_a_target_limits_it_further(applied: Repository, cli: Cli) -> None:
    _default(applied)
    result = cli(
        "plan", applied.project, "--changed-since", "main", "--target", "site:acme/a", "--format", "json"
    )
    assert result.changes() == {"site:acme/a": "update"}


def test_a_revision_that_cannot_be_read_means_a_plan_of_everything(
    applied: Repository, cli: Cli, served: Served
) -> None:
    applied.write(**{"a.yaml": "kind: [\n"})
    applied.commit()
    applied.write(**{"a.yaml": FILES["a.yaml"]})
    served.forget()
    result = plan(cli, applied, "HEAD")
    assert result.json["changed_since"]["addresses"] is None
    assert any("a.yaml:2:1" in each and "is of everything" in each for each in result.json["warnings"])
    assert result.json["requests"]["read"] == len(served.calls()) == 4


@pytest.mark.parametrize(
    "rules", ["safety: {max_delete_count: 3}\n", "ledger: .reconciler/other.db\n", "endpoints: {}\n"]
)
def test_new_rules_mean_a_plan_of_everything_where_they_decide(
    rules: str, applied: Repository, cli: Cli
) -> None:
    applied.write(**{"reconciler.yaml": RULES + rules})
    addresses = plan(cli, applied).json["changed_since"]["addresses"]
    assert addresses == ([] if rules.startswith("endpoints") else None)


def test_what_stands_on_something_never_applied_means_a_plan_of_everything(
    repository: Repository, cli: Cli, served: Served
) -> None:
    repository.write(**{"a.yaml": FILES["a.yaml"].replace("name: Door", "name: Gate")})
    result = plan(cli, repository)
    assert len(result.changes()) == 7
    assert any("cannot be planned alone" in each for each in result.json["warnings"])


def test_the_project_may_lie_anywhere_in_the_repository(
    tmp_path: Path, cli: Cli, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository(tmp_path, tmp_path / "customers" / "acme")
    _device(repository)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    result = plan(cli, repository, "HEAD~1")
    assert "cannot be planned alone" in result.json["changed_since"]["why"]
    monkeypatch.chdir(repository.project)
    shown = cli("plan", ".", "--changed-since", "HEAD").out
    assert "0 resources" in shown


def test_a_project_that_the_revision_does_not_have_is_planned_whole(
    tmp_path: Path, cli: Cli, served: Served
) -> None:
    repository = Repository(tmp_path, tmp_path / "old")
    shutil.copytree(repository.project, tmp_path / "new")
    result = cli("plan", tmp_path / "new", "--changed-since", "HEAD", "--format", "json")
    assert "main has no directory" in result.json["changed_since"]["why"].replace("HEAD", "main")
    assert len(result.changes()) == 7


def test_secrets_of_the_revision_are_not_resolved(
    applied: Repository, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = (
        "kind: webhook\nid: feed\nurl: https://hooks.example.com/x\nevents: [site.armed]\nsecret: {env: %s}\n"
    )
    applied.write(**{"hook.yaml": hook % "OLD_SECRET"})
    applied.commit()
    applied.write(**{"hook.yaml": hook % "NEW_SECRET"})
    monkeypatch.setenv("NEW_SECRET", "correct horse battery staple")
    result = plan(cli, applied, "HEAD")
    assert looked_at(result) == ["webhook:feed"]
    assert "correct horse" not in result.out


def test_a_saved_plan_of_what_changed_changes_nothing_else(
    applied: Repository, cli: Cli, served: Served, tmp_path: Path
) -> None:
    _removed(applied)
    out = tmp_path / "plan.json"
    assert cli("plan", applied.project, "--changed-since", "main", "--out", out).code == 0
    assert cli("apply", out, "--yes").code == 0
    assert plan(cli, applied).changes() == {}
    assert cli("plan", applied.project, "--format", "json").changes() == {}


def test_a_saved_plan_of_what_changed_lifts_no_protection_elsewhere(
    applied: Repository, cli: Cli, tmp_path: Path
) -> None:
    kept = "lifecycle: {protect: true}\n"
    applied.write(**{"b.yaml": FILES["b.yaml"] + kept})
    applied.commit()
    assert cli("apply", applied.project, "--yes").code == 0
    applied.write(**{"b.yaml": FILES["b.yaml"]})
    applied.commit()  # never applied
    applied.write(**{"a.yaml": FILES["a.yaml"].replace("Site a", "Other")})
    out = tmp_path / "plan.json"
    assert cli("plan", applied.project, "--changed-since", "HEAD", "--out", out).code == 0
    assert cli("apply", out, "--yes").code == 0
    _removed(applied)
    refused = cli("plan", applied.project)
    assert refused.code == 1
    assert "protect" in refused.err


@pytest.mark.parametrize("ref", ["origin/main", "--all", "0123456789", "HEAD:a.yaml"])
def test_an_unknown_revision_is_an_error_with_a_way_out(ref: str, repository: Repository, cli: Cli) -> None:
    result = cli("plan", repository.project, f"--changed-since={ref}")
    assert result.code == 1
    assert f"--changed-since {ref}: this repository has no such commit" in result.err
    assert "such as origin/main" in result.err


def test_a_shallow_clone_says_how_to_fetch_more(repository: Repository, cli: Cli, tmp_path: Path) -> None:
    _device(repository)
    clone = tmp_path / "clone"
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.directory}", clone)
    first = repository.git("rev-parse", "HEAD~1")
    result = cli("plan", clone, "--changed-since", first)
    assert result.code == 1
    assert "fetch-depth: 0" in result.err
    assert "git fetch --unshallow" in result.err


def test_branches_without_a_common_commit_cannot_be_compared(repository: Repository, cli: Cli) -> None:
    repository.git("switch", "--quiet", "--orphan", "other")
    repository.write(**FILES)
    repository.commit()
    result = cli("plan", repository.project, "--changed-since", "main")
    assert result.code == 1
    assert "no commit in common" in result.err


def test_outside_a_repository_it_is_an_error(
    project: Callable[..., Path], cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    result = cli("plan", project(account_yaml=DEALER), "--changed-since", "main")
    assert result.code == 1
    assert "in no git repository" in result.err


def test_a_link_that_led_out_of_the_project_is_not_followed(tmp_path: Path, cli: Cli, served: Served) -> None:
    repository = Repository(tmp_path / "repository", tmp_path / "repository" / "project")
    (tmp_path / "out.yaml").write_text(site("out"), encoding="utf-8")
    (repository.project / "out.yaml").symlink_to("../../out.yaml")
    repository.commit()
    result = plan(cli, repository, "HEAD")
    assert "leads out of the project" in result.json["changed_since"]["why"]


def test_another_schedule_of_a_site_is_drawn(applied: Repository, cli: Cli) -> None:
    windows = "windows: [{days: [mon], arm: '%s', disarm: '23:00'}]\n"
    for name, arm in (("early", "18:00"), ("late", "20:00")):
        applied.write(**{f"{name}.yaml": f"kind: schedule\nid: {name}\n{windows % arm}"})
    applied.write(**{"b.yaml": FILES["b.yaml"] + "arming: {schedule: early}\n"})
    applied.commit()
    assert cli("apply", applied.project, "--yes").code == 0
    applied.write(**{"b.yaml": FILES["b.yaml"] + "arming: {schedule: late}\n"})
    shown = cli("plan", applied.project, "--changed-since", "HEAD", "--format", "markdown").out
    assert "schedule early -> late, clock of UTC: site:acme/b" in shown
    assert "18:00 to 20:00: armed away before, disarmed after (Mon " in shown
