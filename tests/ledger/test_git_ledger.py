"""A ledger on a git branch: what it keeps, what it leaves alone, and what it refuses."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.errors import ConfigError, LedgerError
from reconciler.ledger import BranchStore, CommandRecord
from reconciler.model import Address, Owned
from tests.ledger.repositories import (
    BRANCH,
    KEY,
    NOW,
    SITE,
    Origin,
    edited,
    git,
    own,
    owned,
    store,
)


def test_what_one_runner_owns_the_next_one_knows(origin: Origin) -> None:
    own(origin.clone("one"), "hq", "annex")
    assert owned(origin.clone("two")) == ["annex", "hq"]
    assert origin.file("production/owned.jsonl").splitlines() == [
        '{"address":"site:acme/annex","external_id":"annex","remote_id":"1annex"}',
        '{"address":"site:acme/hq","external_id":"hq","remote_id":"1hq"}',
    ]
    assert origin.file("production/lock.json") == ""
    assert "Ledger of reconciler" in origin.file("README.md")
    assert origin.log() == ["production: apply", "production: apply begins"]


@pytest.mark.parametrize("options", [(), ("--depth=1",), ("--depth=1", "--single-branch")])
def test_a_clone_is_left_as_it_was(origin: Origin, options: tuple[str, ...]) -> None:
    own(origin.clone("before"), "hq")
    clone = origin.clone("runner", *options)
    git(clone, "checkout", "-q", "--detach")
    (clone / "readme").write_text("edited\n", encoding="utf-8")
    (clone / "new").write_text("new\n", encoding="utf-8")
    git(clone, "add", "new")

    def state() -> list[str]:
        return [
            git(clone, "status", "--porcelain=v2", "--branch"),
            git(clone, "for-each-ref", "refs/heads", "refs/tags", "refs/stash"),
            git(clone, "rev-parse", "HEAD", "--is-shallow-repository"),
            git(clone, "config", "--list", "--local"),
            str((clone / ".git" / "index").read_bytes()),
        ]

    before = state()
    own(clone, "annex")
    assert owned(clone) == ["annex", "hq"]
    assert state() == before


def test_hooks_signing_and_the_variables_of_a_hook_do_not_matter(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clone = origin.clone("one")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-push", "reference-transaction", "post-index-change", "pre-auto-gc"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n", encoding="utf-8")
        (hooks / name).chmod(0o755)
    for name, value in {
        "core.hooksPath": str(hooks),
        "commit.gpgSign": "true",
        "push.gpgSign": "if-asked",
        "push.followTags": "true",
        "gpg.program": "false",
        "user.useConfigOnly": "true",
    }.items():
        git(clone, "config", name, value)
    for name, value in {
        "GIT_DIR": "/nowhere",
        "GIT_INDEX_FILE": "/nowhere/index",
        "GIT_WORK_TREE": "/nowhere",
        "GIT_AUTHOR_DATE": "nonsense",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TRACE": "1",
    }.items():
        monkeypatch.setenv(name, value)
    own(clone, "hq")
    monkeypatch.undo()
    assert not (tmp_path / "ran").exists()
    assert git(origin.path, "log", "-1", "--format=%an %cn", BRANCH) == "reconciler reconciler"
    assert owned(origin.clone("two")) == ["hq"]


def test_no_change_makes_no_commit(origin: Origin) -> None:
    clone = origin.clone("one")
    own(clone, "hq")
    before = origin.tip()
    with store(clone).open() as ledger:
        ledger.record(Owned(Address("site", ("acme", "hq")), "1hq", "hq"))
    assert origin.tip() == before


def test_reading_makes_no_branch(origin: Origin) -> None:
    clone = origin.clone("one")
    assert owned(clone) == []
    assert BRANCH not in git(origin.path, "branch", "--list")


def test_a_commit_says_what_was_done_and_where_its_log_is(origin: Origin) -> None:
    kept = store(
        origin.clone("one"),
        env={
            "GITHUB_SERVER_URL": "https://git.example.com",
            "GITHUB_REPOSITORY": "acme/sites",
            "GITHUB_RUN_ID": "7",
        },
    )
    with kept.open() as ledger, kept.lock("production", command="apply", now=NOW):
        ledger.begin_run("apply", "trace-1", "digest", NOW)
        ledger.record(Owned(SITE, "1", "hq"))
    message = git(origin.path, "log", "-1", "--format=%B", BRANCH)
    for part in (
        "production: apply",
        "owned: 1 (+1 -0)",
        "Environment: production",
        "Trace: trace-1",
        "Run: https://git.example.com/acme/sites/actions/runs/7",
    ):
        assert part in message


def test_environments_and_projects_share_a_branch(origin: Origin) -> None:
    clone = origin.clone("one")
    (clone / "east").mkdir()
    own(clone, "hq")
    own(clone, "lab", environment="dev")
    own(clone / "east", "gym")
    other = origin.clone("two")
    (other / "east").mkdir()
    assert (owned(other), owned(other, "dev"), owned(other / "east")) == (["hq"], ["lab"], ["gym"])


def test_environments_applied_at_the_same_moment_do_not_conflict(origin: Origin) -> None:
    one, two = store(origin.clone("one"), "production"), store(origin.clone("two"), "dev")
    with (
        one.open() as here,
        two.open() as there,
        one.lock("production", command="apply", now=NOW),
        two.lock("dev", command="apply", now=NOW),
    ):
        here.record(Owned(SITE, "1", "hq"))
        there.record(Owned(SITE, "2", "hq"))
    assert owned(origin.clone("three")) == ["hq"]
    assert owned(origin.clone("four"), "dev") == ["hq"]


def test_a_squashed_branch_is_the_same_ledger(origin: Origin) -> None:
    clone = origin.clone("one")
    own(clone, "hq")
    kept = store(clone)
    with kept.open() as ledger, kept.lock("production", command="apply", now=NOW):
        squashed = git(origin.path, "commit-tree", f"{BRANCH}^{{tree}}", "-m", "squashed")
        git(origin.path, "update-ref", f"refs/heads/{BRANCH}", squashed)
        ledger.record(Owned(Address("site", ("acme", "annex")), "2", "annex"))
    assert owned(origin.clone("two")) == ["annex", "hq"]
    assert len(origin.log()) == 2


def test_a_deleted_branch_is_a_lost_ledger_and_is_made_anew(origin: Origin) -> None:
    clone = origin.clone("one")
    own(clone, "hq")
    git(origin.path, "branch", "-D", BRANCH)
    assert owned(clone) == []
    own(clone, "annex")
    assert owned(origin.clone("two")) == ["annex"]


GOOD = '{"address":"site:acme/hq","remote_id":"1"}\n'


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (GOOD + "{", 2, "property name"),
        (GOOD + "[]\n", 2, "no JSON object"),
        (GOOD + GOOD, 2, "UNIQUE"),
        ("<<<<<<< HEAD\n" + GOOD, 1, "merge conflict"),
        ('\n{"address":"hq"}\n', 2, "not an address"),
        ('{"address":"site:hq","colour":"red"}\n', 1, "'colour' that is not known"),
        ('{"remote_id":"1"}\n', 1, "address"),
        ('{"address":"site:hq","protect":"yes"}\n', 1, "protect"),
    ],
    ids=["torn", "no-object", "twice", "conflict", "address", "unknown", "missing", "type"],
)
def test_a_file_edited_badly_is_named_by_line(origin: Origin, text: str, line: int, says: str) -> None:
    own(origin.clone("one"), "hq")
    edited(origin, "production/owned.jsonl", text)
    with pytest.raises(
        LedgerError, match=rf"production/owned\.jsonl on branch {BRANCH} of origin:{line} "
    ) as caught:
        owned(origin.clone("two"))
    assert says in caught.value.message
    assert "nothing was changed" in caught.value.hint


def test_a_branch_of_another_use_is_refused(origin: Origin) -> None:
    kept = BranchStore(origin.clone("one"), "dev", "main", remote=None, lease=timedelta(minutes=1), env={})
    with pytest.raises(LedgerError, match="is not a ledger"):
        kept.open()
    with pytest.raises(LedgerError, match="is not a ledger"), kept.lock("dev", command="apply", now=NOW):
        pytest.fail("taken")


def test_a_push_that_is_refused_is_known_before_anything_is_changed(origin: Origin) -> None:
    hook = origin.path / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho protected branch\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    with (
        pytest.raises(LedgerError, match="cannot be written") as caught,
        store(origin.clone("one")).lock("production", command="apply", now=NOW),
    ):
        pytest.fail("taken")
    assert "contents: write" in caught.value.hint


def test_a_remote_that_cannot_be_reached_is_told_to_a_plan_and_refused_to_an_apply(origin: Origin) -> None:
    clone = origin.clone("one")
    git(clone, "remote", "set-url", "origin", "https://kim:swordfish@localhost:9/sites.git")
    kept, told = store(clone), list[str]()
    with kept.open(told.append) as ledger:
        assert ledger.owned() == {}
        with (
            pytest.raises(LedgerError, match="cannot be read"),
            kept.lock("production", command="x", now=NOW),
        ):
            pytest.fail("taken")
    assert "as if nothing were owned" in told[0]
    assert "swordfish" not in told[0]
    with pytest.raises(LedgerError, match="cannot be read") as caught:
        kept.open()
    assert "contents: read" in caught.value.hint


def test_a_directory_without_a_repository_or_remote_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no repository"):
        store(tmp_path)
    git(tmp_path, "init", "-q")
    with pytest.raises(LedgerError, match="no remote origin"):
        store(tmp_path)


def test_a_secret_needs_a_key_and_only_a_digest_under_it_is_kept(origin: Origin) -> None:
    clone = origin.clone("one")
    with store(clone, env={"RECONCILER_LEDGER_KEY": ""}).open() as ledger:
        assert ledger.seen_digest("18:00")
        with pytest.raises(ConfigError, match="RECONCILER_LEDGER_KEY is not set") as caught:
            ledger.secret_digest("swordfish")
        assert "openssl rand -hex 32" in caught.value.hint
    with (
        store(clone, env={"RECONCILER_LEDGER_KEY": "short"}).open() as ledger,
        pytest.raises(ConfigError, match="shorter than 32"),
    ):
        ledger.secret_digest("swordfish")
    kept = store(clone)
    with kept.open() as ledger, kept.lock("production", command="apply", now=NOW):
        digest = ledger.secret_digest("swordfish")
        ledger.record(Owned(SITE, "1", "hq", secrets={"secret": digest}))
    with store(origin.clone("two")).open() as ledger:
        assert ledger.secret_digest("swordfish") == digest
    everything = origin.everything()
    assert digest in everything
    assert "swordfish" not in everything
    assert KEY not in everything


def test_another_key_is_told(origin: Origin) -> None:
    kept = store(origin.clone("one"))
    with kept.open() as ledger, kept.lock("production", command="apply", now=NOW):
        ledger.record(Owned(SITE, "1", "hq", secrets={"secret": ledger.secret_digest("swordfish")}))
    told: list[str] = []
    with store(origin.clone("two"), env={"RECONCILER_LEDGER_KEY": "n" * 40}).open(told.append) as ledger:
        assert ledger.owned()[SITE].secrets["secret"] != ledger.secret_digest("swordfish")
    assert re.search(r"secrets of 1 resources .* sent again once", told[0])
    told.clear()
    with store(origin.clone("three")).open(told.append):
        assert told == []


def test_a_plan_keeps_nothing(origin: Origin) -> None:
    own(origin.clone("one"), "hq")
    before = origin.tip()
    with store(origin.clone("two")).open(lambda _: None) as ledger:
        ledger.bind("https://api.example.com")
    assert origin.tip() == before


def test_the_enforcers_memory_is_whole_on_the_next_runner(origin: Origin) -> None:
    command = CommandRecord(
        SITE,
        2,
        "nights",
        "abc",
        "2026a",
        "window",
        "disarmed",
        "armed_away",
        "confirmed",
        "armed_away",
        NOW,
        NOW,
        0.25,
    )
    one = store(origin.clone("one"))
    with one.lock("enforce:production", command="enforce", now=NOW), one.open() as ledger:
        ledger.watch("site:acme/hq", 2, '{"seen":"armed_away"}')
        ledger.record_command(command)
        first = ledger.open_alert("cannot_arm", "site:acme/hq", 2, "zone 3 is open", NOW)
        ledger.tell_alert(first, {"webhook": "firing"}, settled=False)
        over = ledger.open_alert("cannot_arm", "site:acme/annex", None, "zone 1 is open", NOW)
        ledger.resolve_alert(over, NOW)
        ledger.tell_alert(over, {}, settled=True)
    with store(origin.clone("two")).open() as ledger:
        assert ledger.watched() == {("site:acme/hq", 2): '{"seen":"armed_away"}'}
        assert ledger.commands() == [command]
        [alert] = ledger.open_alerts()
        assert (alert.id, alert.told) == (first, {"webhook": "firing"})


def test_a_repository_that_cannot_be_written_is_refused_with_the_way_out(origin: Origin) -> None:
    clone = origin.clone("one")
    for number in range(256):
        folder = clone / ".git" / "objects" / f"{number:02x}"
        if not folder.exists():
            folder.write_text("", encoding="utf-8")
    with pytest.raises(LedgerError, match=r"`git .*` failed: ") as caught:
        own(clone, "hq")
    assert ".git" in caught.value.hint


def test_an_environment_may_begin_with_a_dash(origin: Origin) -> None:
    own(origin.clone("one"), "hq", environment="-r")
    assert owned(origin.clone("two"), "-r") == ["hq"]
