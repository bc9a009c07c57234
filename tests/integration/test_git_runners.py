"""Runners with nothing but a clone: they race, they are killed, and nothing is owned twice or forgotten."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.sandbox import Fault
from tests.integration.conftest import Cli, Served
from tests.integration.test_processes import many_sites, slow_writes, start, until
from tests.ledger.repositories import Origin, git, make_origin

KEY = "0123456789abcdef" * 4
SETTINGS = "ledger: git+branch://reconciler-ledger?lease={lease}\nenvironments:\n  production: {{}}\n"
APPLY = ("--env", "production", "--yes")

pytestmark = pytest.mark.timeout(300)  # git processes by the dozen, and leases that run out in real time


@pytest.fixture
def runners(tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Origin]:
    """An origin whose main holds sites; an expired claim is taken over after ``lease`` and a fifth."""
    monkeypatch.setenv("RECONCILER_LEDGER_KEY", KEY)
    monkeypatch.setenv("USER", "runner")

    def make(sites: int, lease: str = "10m", more: str = "") -> Origin:
        folder = tmp_path / "git"
        folder.mkdir()
        settings = SETTINGS.format(lease=lease)
        return make_origin(folder, account_yaml=many_sites(sites) + more, reconciler_yaml=settings)

    return make


def sites_of(served: Served) -> list[str]:
    """The external ids of the sites in the account, sorted: parallel creates arrive in any order."""
    objects = served.sandbox.state()["objects"]["site"]  # type: ignore[index,call-overload]
    return sorted(row["external_id"] for row in objects)


def owned_by(origin: Origin) -> list[str]:
    """The ids of the sites on the branch."""
    rows = [json.loads(line) for line in origin.file("production/owned.jsonl").splitlines()]
    return sorted(row["address"].rpartition("/")[2] for row in rows if row["address"].startswith("site:"))


def converged(origin: Origin, served: Served, cli: Cli, runner: str, count: int) -> None:
    """Every declared site is there once and owned once, and nothing is left to do on a new runner."""
    names = [f"s{n:03}" for n in range(count)]
    assert Counter(sites_of(served)) == Counter(names)
    assert owned_by(origin) == names
    intents = [json.loads(line) for line in origin.file("production/intents.jsonl").splitlines()]
    assert {intent.get("status", "open") for intent in intents} <= {"done"}
    assert cli("plan", origin.clone(runner), "--env", "production", "--detailed-exitcode").code == 0


def expire(origin: Origin) -> None:
    """The claim of a killed run, as it is when its lease has gone by."""
    claim = json.loads(origin.file("production/lock.json"))
    claim["expires"] = claim["since"] = "2026-01-01T00:00:00.000000+00:00"
    editor = origin.clone("editor")
    git(editor, "checkout", "-q", "reconciler-ledger")
    (editor / "production" / "lock.json").write_text(json.dumps(claim), encoding="utf-8")
    git(editor, "commit", "-q", "-a", "-m", "time goes by")
    git(editor, "push", "-q", "origin", "reconciler-ledger")


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=60)


def test_of_two_runners_one_wins_and_the_other_plans_anew(
    runners: Callable[..., Origin], served: Served, cli: Cli
) -> None:
    origin = runners(80)
    slow_writes(served)
    second = origin.clone("two", "--depth=1")
    first = start(served, "apply", origin.clone("one", "--depth=1"), *APPLY, "--parallelism", 1)
    until(first, "[1/")
    refused = cli("apply", second, *APPLY)
    assert refused.code == 1
    assert f"process {first.pid} on" in refused.err
    out, err = first.communicate(timeout=60)
    assert first.returncode == 0, out + err
    again = cli("apply", second, *APPLY)
    assert again.code == 0, again.err
    assert len([call for call in served.calls() if call.startswith("POST")]) == 80
    converged(origin, served, cli, "third", 80)


@pytest.mark.parametrize("point", ["[1/", "[9/", "[20/"], ids=["first", "middle", "last"])
def test_a_runner_killed_before_it_could_push_is_healed_by_the_next(
    runners: Callable[..., Origin], served: Served, cli: Cli, point: str
) -> None:
    origin = runners(20)
    slow_writes(served)
    killed = start(served, "apply", origin.clone("one"), *APPLY, "--parallelism", 2)
    until(killed, point)
    kill(killed)
    assert sites_of(served)
    assert "is locked by `apply`" in cli("apply", origin.clone("two"), *APPLY).err
    expire(origin)
    healed = cli("apply", origin.clone("three"), *APPLY)
    assert healed.code == 0, healed.err
    assert "Took over the lock of `apply`" in healed.err
    converged(origin, served, cli, "four", 20)


def test_what_a_killed_runner_made_is_owned_even_when_no_manifest_names_it_any_more(
    runners: Callable[..., Origin], served: Served, cli: Cli
) -> None:
    origin = runners(6)
    slow_writes(served)
    killed = start(served, "apply", origin.clone("one"), *APPLY, "--parallelism", 1)
    until(killed, "[4/")
    kill(killed)
    reverted = origin.clone("two")
    (reverted / "account.yaml").write_text(many_sites(1), encoding="utf-8")
    expire(origin)
    healed = cli("apply", reverted, *APPLY, "--allow-deletes", len(sites_of(served)) - 1)
    assert healed.code == 0, healed.err
    assert sites_of(served) == ["s000"]
    assert owned_by(origin) == ["s000"]


def test_deletes_of_a_killed_runner_are_found_gone(
    runners: Callable[..., Origin], served: Served, cli: Cli
) -> None:
    origin = runners(8)
    assert cli("apply", origin.clone("one"), *APPLY).code == 0
    served.sandbox.add_fault(Fault("slow", method="DELETE", path="/partner/.*", count=0, seconds=0.05))
    fewer = origin.clone("two")
    (fewer / "account.yaml").write_text(many_sites(2), encoding="utf-8")
    killed = start(served, "apply", fewer, *APPLY, "--allow-deletes", 6, "--parallelism", 1)
    until(killed, "[3/")
    kill(killed)
    left = len(sites_of(served))
    assert 2 < left < 8
    expire(origin)
    healed = cli("apply", fewer, *APPLY, "--allow-deletes", left - 2)
    assert healed.code == 0, healed.err
    assert sites_of(served) == owned_by(origin) == ["s000", "s001"]


def test_a_runner_that_was_paused_past_its_claim_writes_no_more(
    runners: Callable[..., Origin], served: Served, cli: Cli
) -> None:
    origin = runners(30, "15s")
    slow_writes(served)
    paused = start(served, "apply", origin.clone("one"), *APPLY, "--parallelism", 1)
    until(paused, "[2/")
    paused.send_signal(signal.SIGSTOP)
    other = origin.clone("two")
    taken = cli("apply", other, *APPLY, "--lock-timeout", "60s")
    assert taken.code == 0, taken.err
    assert "Took over the lock" in taken.err
    made = Counter(sites_of(served))
    paused.send_signal(signal.SIGCONT)
    _, said = paused.communicate(timeout=60)
    assert paused.returncode == 1
    assert "has lost its claim" in said or "was not renewed" in said
    assert Counter(sites_of(served)) == made
    converged(origin, served, cli, "three", 30)


def test_ten_jobs_at_once_leave_one_account_and_one_ledger(
    runners: Callable[..., Origin], served: Served, cli: Cli
) -> None:
    origin = runners(12)
    clones = [origin.clone(f"job{n}", "--depth=1") for n in range(10)]
    jobs = [start(served, "apply", clone, *APPLY) for clone in clones]
    said = [job.communicate(timeout=110) for job in jobs]
    codes = Counter(job.returncode for job in jobs)
    assert codes[0] >= 1, said
    for job, (_, err) in zip(jobs, said, strict=True):
        assert job.returncode == 0 or "is locked by" in err, err
    assert len([call for call in served.calls() if call.startswith("POST")]) == 12
    converged(origin, served, cli, "after", 12)


def test_no_secret_is_on_the_branch_and_a_new_key_sends_it_once(
    runners: Callable[..., Origin], served: Served, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = (
        "---\nkind: webhook\nid: feed\nurl: https://hooks.acme.example/feed\nevents: [site.armed]\n"
        "secret: {env: FEED_SECRET}\n"
    )
    origin = runners(1, "10m", webhook)
    monkeypatch.setenv("FEED_SECRET", "swordfish-1234")
    clone = origin.clone("one")
    monkeypatch.delenv("RECONCILER_LEDGER_KEY")
    keyless = cli("apply", clone, *APPLY)
    assert keyless.code == 1
    assert "openssl rand -hex 32" in keyless.err
    monkeypatch.setenv("RECONCILER_LEDGER_KEY", KEY)
    assert cli("apply", clone, *APPLY).code == 0
    assert cli("plan", origin.clone("two"), "--env", "production", "--detailed-exitcode").code == 0
    monkeypatch.setenv("RECONCILER_LEDGER_KEY", KEY[::-1])
    rotated = cli("plan", clone, "--env", "production", "--format", "json")
    assert rotated.changes() == {"webhook:feed": "update"}
    assert any("sent again once" in warning for warning in rotated.json["warnings"])
    assert cli("apply", clone, *APPLY).code == 0
    assert cli("plan", clone, "--env", "production", "--detailed-exitcode").code == 0
    everything = origin.everything()
    for secret in ("swordfish-1234", KEY, KEY[::-1]):
        assert secret not in everything


def test_a_branch_that_was_deleted_means_adopts_and_never_a_delete(
    runners: Callable[..., Origin], served: Served, cli: Cli
) -> None:
    origin = runners(5)
    clone = origin.clone("one")
    assert cli("apply", clone, *APPLY).code == 0
    git(origin.path, "branch", "-D", "reconciler-ledger")
    (clone / "account.yaml").write_text(many_sites(3), encoding="utf-8")
    assert cli("plan", clone, "--env", "production", "--format", "json").changes() == {
        f"site:acme/s{n:03}": "adopt" for n in range(3)
    } | {"dealer:acme": "adopt"}
    assert cli("apply", clone, *APPLY).code == 0
    assert len(sites_of(served)) == 5


def test_a_push_that_is_refused_changes_nothing_in_the_account(
    runners: Callable[..., Origin], served: Served, cli: Cli
) -> None:
    origin = runners(3)
    hook = origin.path / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho protected branch\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    clone = origin.clone("one")
    assert cli("plan", clone, "--env", "production").code == 0
    refused = cli("apply", clone, *APPLY)
    assert refused.code == 1
    assert "contents: write" in refused.err
    assert not [call for call in served.calls() if not call.startswith("GET")]


def test_a_plan_goes_without_the_branch_and_says_so(
    runners: Callable[..., Origin], served: Served, cli: Cli
) -> None:
    clone = runners(3).clone("one")
    git(clone, "remote", "set-url", "origin", "/nowhere/sites.git")
    planned = cli("plan", clone, "--env", "production", "--format", "json")
    assert planned.code == 0
    assert any("as if nothing were owned" in warning for warning in planned.json["warnings"])
    assert cli("ledger", "show", clone, "--env", "production").code == 1


def test_the_ledger_on_the_branch_is_shown(runners: Callable[..., Origin], served: Served, cli: Cli) -> None:
    origin = runners(2)
    assert cli("apply", origin.clone("one"), *APPLY).code == 0
    shown = cli("ledger", "show", origin.clone("two"), "--env", "production").out
    for part in ("production: 3 owned", "s001", "apply  done"):
        assert part in shown


def test_the_embedded_environment_keeps_its_ledger_beside_its_simulator(
    runners: Callable[..., Origin], served: Served, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHEKT_BASE_URL")
    origin = runners(2)
    clone = origin.clone("one")
    assert cli("apply", clone, "--env", "embedded", "--yes").code == 0
    assert (clone / ".reconciler" / "ledger.db").exists()
    assert "reconciler-ledger" not in git(origin.path, "branch", "--list")
