"""A ledger on a git branch: what it keeps, what it leaves alone, and what it refuses."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.errors import ConfigError, LedgerError, LockedError
from reconciler.ledger import BranchStore, CommandRecord
from reconciler.ledger.branch import Tip
from reconciler.model import Address, Owned
from tests.ledger.repositories import BRANCH, Origin, git, make_origin

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SITE = Address("site", ("acme", "hq"))
KEY = "k" * 40


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return make_origin(tmp_path)


def store(
    directory: Path,
    environment: str = "production",
    *,
    lease: timedelta = timedelta(minutes=10),
    env: Mapping[str, str] | None = None,
) -> BranchStore:
    return BranchStore(
        directory,
        environment,
        BRANCH,
        remote=None,
        lease=lease,
        env={"RECONCILER_LEDGER_KEY": KEY, **(env or {})},
    )


def own(directory: Path, *names: str, environment: str = "production") -> None:
    """A run that owns sites ``names`` besides what is owned."""
    kept = store(directory, environment)
    with kept.open() as ledger, kept.lock(environment, command="apply", now=NOW):
        run = ledger.begin_run("apply", "trace-1", "digest", NOW)
        for name in names:
            ledger.record(Owned(Address("site", ("acme", name)), f"1{name}", name))
        ledger.end_run(run, "done", NOW)


def owned(directory: Path, environment: str = "production") -> list[str]:
    with store(directory, environment).open() as ledger:
        return [address.id for address in ledger.owned()]


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


def test_a_live_claim_is_refused_by_name_and_a_released_one_is_free(origin: Origin) -> None:
    one, two = store(origin.clone("one")), store(origin.clone("two"))
    with one.lock("production", command="apply sites", now=NOW):
        assert '"command": "apply sites"' in origin.file("production/lock.json")
        with pytest.raises(LockedError) as caught, two.lock("production", command="apply", now=NOW):
            pytest.fail("two runs held one environment")
        assert "apply sites" in caught.value.message
        assert str(os.getpid()) in caught.value.message
        with two.lock("enforce:production", command="enforce", now=NOW):
            pass
    with two.lock("production", command="apply", now=NOW) as mine:
        assert mine.took_over is None


def test_the_lock_is_taken_with_the_ledger_as_it_is_then(origin: Origin) -> None:
    late = store(origin.clone("late"))
    with late.open() as ledger:
        assert ledger.owned() == {}
        own(origin.clone("one"), "hq")
        with late.lock("production", command="apply", now=NOW):
            assert [address.id for address in ledger.owned()] == ["hq"]


def test_an_expired_claim_is_taken_over_and_its_holder_writes_no_more(origin: Origin) -> None:
    lease = timedelta(seconds=1)
    paused = store(origin.clone("paused"), lease=lease)
    with paused.open() as ledger:
        held = paused.lock("production", command="apply", now=NOW)
        held._keep = lambda: None  # type: ignore[method-assign]  # as a process that is stopped
        held._renewals._target = held._keep  # type: ignore[attr-defined]
        held.__enter__()
        ledger.record(Owned(SITE, "1", "hq"))
        other = store(origin.clone("other"), lease=lease)
        taken = _until_taken(other)
        with pytest.raises(LedgerError, match="not renewed"):
            ledger.record(Owned(SITE, "2", "hq"))
        with other.open() as theirs:
            theirs.record(Owned(SITE, "3", "hq"))
        with pytest.raises(LedgerError, match="lost its claim") as caught:
            held.__exit__(None, None, None)
        assert "not all recorded" in caught.value.message
        taken()
    assert '"remote_id":"3"' in origin.file("production/owned.jsonl")


def _until_taken(other: BranchStore) -> Callable[[], None]:
    """Try until the claim is over; what gives it back."""
    while True:
        mine = other.lock("production", command="destroy", now=NOW)
        try:
            mine.__enter__()
        except LockedError:
            continue
        assert mine.took_over is not None
        assert mine.took_over.command == "apply"
        return lambda: mine.__exit__(None, None, None)


def test_a_held_claim_is_renewed_and_what_is_done_is_pushed_meanwhile(origin: Origin) -> None:
    kept = store(origin.clone("one"), lease=timedelta(seconds=2))
    with kept.open() as ledger, kept.lock("production", command="apply", now=NOW):
        ledger.record(Owned(SITE, "1", "hq"))
        while '"remote_id":"1"' not in origin.file("production/owned.jsonl"):
            pass
        assert origin.file("production/lock.json")
    assert "production: apply goes on" in origin.log()


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


def _edited(origin: Origin, path: str, text: str | None) -> None:
    """A person edits a file of the branch, or removes it with None, and pushes that."""
    clone = origin.clone(f"editor-{len(list(origin.path.parent.iterdir()))}")
    git(clone, "checkout", "-q", BRANCH)
    if text is None:
        (clone / path).unlink()
    else:
        (clone / path).write_text(text, encoding="utf-8")
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "edited")
    git(clone, "push", "-q", "origin", BRANCH)


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
    _edited(origin, "production/owned.jsonl", text)
    with pytest.raises(
        LedgerError, match=rf"production/owned\.jsonl on branch {BRANCH} of origin:{line} "
    ) as caught:
        owned(origin.clone("two"))
    assert says in caught.value.message
    assert "nothing was changed" in caught.value.hint


def _claim(expires: str) -> str:
    """The file of a claim that another run made."""
    about = {"token": "t", "command": "apply", "owner": "kim", "host": "ci", "pid": 1, "run": ""}
    return json.dumps({**about, "since": "2026-11-20T08:00:00+00:00", "expires": expires})


@pytest.mark.parametrize("text", ["{}", _claim("2026-11-20T08:10:00"), _claim("soon")])
def test_a_claim_edited_badly_is_named(origin: Origin, text: str) -> None:
    own(origin.clone("one"), "hq")
    _edited(origin, "production/lock.json", text)
    with (
        pytest.raises(LedgerError, match=r"production/lock\.json on branch"),
        store(origin.clone("three")).lock("production", command="apply", now=NOW),
    ):
        pytest.fail("taken")


def test_a_refusal_says_on_which_day_a_claim_can_be_taken_over(origin: Origin) -> None:
    own(origin.clone("one"), "hq")
    _edited(origin, "production/lock.json", _claim("2999-01-02T03:04:05+00:00"))
    with (
        pytest.raises(LockedError) as caught,
        store(origin.clone("two")).lock("production", command="apply", now=NOW),
    ):
        pytest.fail("taken")
    assert "from 2999-01-02 03:06:05 UTC on" in caught.value.hint


def test_a_claim_given_back_before_it_could_be_taken_over_is_not_told_of(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    own(origin.clone("one"), "hq")
    _edited(origin, "production/lock.json", _claim("2020-01-02T03:04:05+00:00"))
    kept = store(origin.clone("two"))
    push = kept.branch._push

    def too_late(commit: str) -> None:
        monkeypatch.undo()
        _edited(origin, "production/lock.json", None)
        push(commit)

    monkeypatch.setattr(kept.branch, "_push", too_late)
    with kept.lock("production", command="apply", now=NOW) as mine:
        assert mine.took_over is None


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


def test_overrides_are_set_beside_a_running_enforcer_and_two_at_once_both_stay(origin: Origin) -> None:
    until = NOW + timedelta(hours=1)
    enforcer = store(origin.clone("enforcer"))
    with enforcer.lock("enforce:production", command="enforce", now=NOW), enforcer.open() as memory:
        memory.watch("site:acme/hq", None, "{}")
        one, two = store(origin.clone("one")), store(origin.clone("two"))
        with one.open() as here, two.open() as there:
            for ledger, name in ((here, "hq"), (there, "annex")):
                site = Address("site", ("acme", name))
                ledger.set_override(site, None, "armed_away", until=until, reason="r", made_by="kim", now=NOW)
    with store(origin.clone("three")).open() as ledger:
        assert {override.target.id for override in ledger.overrides(NOW)} == {"hq", "annex"}
        assert ledger.watched() == {("site:acme/hq", None): "{}"}


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


def test_a_renewal_while_the_ledger_is_opened_again_loses_nothing(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = origin.clone("one")
    own(clone, "hq")
    kept = store(clone)
    with kept.lock("enforce:production", command="enforce", now=NOW) as lock:
        with kept.open():
            pass
        fetch = kept.branch.fetch

        def renewed_first() -> Tip:
            monkeypatch.undo()
            lock.renew()
            return fetch()

        renew = lock.renew
        monkeypatch.setattr(lock, "renew", lambda: monkeypatch.setattr(kept.branch, "fetch", renewed_first))
        with kept.open() as ledger:
            assert lock.renew == renew, "the renewal came while it was opened"
            assert [address.id for address in ledger.owned()] == ["hq"]
    assert owned(origin.clone("two")) == ["hq"]


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
