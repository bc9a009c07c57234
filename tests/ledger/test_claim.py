"""The claim on an environment: who holds it, who may take it over, and what is pushed while it is held."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta

import pytest

from reconciler.errors import LedgerError, LockedError
from reconciler.ledger.branch import Tip
from reconciler.ledger.branch_lock import BranchLock
from reconciler.model import Address, Owned
from tests.ledger.repositories import (
    NOW,
    SITE,
    Origin,
    edited,
    own,
    owned,
    store,
)


def test_a_live_claim_is_refused_by_name_and_a_released_one_is_free(origin: Origin) -> None:
    one, two = store(origin.clone("one")), store(origin.clone("two"))
    with one.lock("production", command="apply sites", now=NOW):
        assert '"command": "apply sites"' in origin.file("production/lock.json")
        with pytest.raises(LockedError) as caught, two.lock("production", command="apply", now=NOW):
            pytest.fail("two runs held one environment")
        assert "apply sites" in caught.value.message
        assert str(os.getpid()) in caught.value.message
        assert "apply sites" in str(two.holder("production"))
        with two.lock("enforce:production", command="enforce", now=NOW):
            pass
    assert two.holder("production") is None
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
    paused = store(origin.clone("paused"))
    with paused.open() as ledger:
        held = paused.lock("production", command="apply", now=NOW)
        held.__enter__()
        ledger.record(Owned(SITE, "1", "hq"))
        _pause(origin, held)
        other = store(origin.clone("other"))
        with other.lock("production", command="destroy", now=NOW) as taken:
            assert taken.took_over is not None
            assert taken.took_over.command == "apply"
            with pytest.raises(LedgerError, match="not renewed"):
                ledger.record(Owned(SITE, "2", "hq"))
            with other.open() as theirs:
                theirs.record(Owned(SITE, "3", "hq"))
            with pytest.raises(LedgerError, match="lost its claim") as caught:
                held.__exit__(None, None, None)
            assert "not all recorded" in caught.value.message
    assert '"remote_id":"3"' in origin.file("production/owned.jsonl")


def _pause(origin: Origin, held: BranchLock) -> None:
    """An hour goes by, for the claim and for its holder, which did not renew it."""
    held._lease._from = tuple(then - 3600 for then in held._lease._from)  # type: ignore[assignment]
    content = json.loads(origin.file("production/lock.json"))
    expires = datetime.fromisoformat(content["expires"]) - timedelta(hours=1)
    edited(origin, "production/lock.json", json.dumps({**content, "expires": expires.isoformat()}))


def test_a_held_claim_is_renewed_and_what_is_done_is_pushed_meanwhile(origin: Origin) -> None:
    kept = store(origin.clone("one"), lease=timedelta(seconds=2))
    with kept.open() as ledger, kept.lock("production", command="apply", now=NOW):
        ledger.record(Owned(SITE, "1", "hq"))
        while '"remote_id":"1"' not in origin.file("production/owned.jsonl"):
            pass
        assert origin.file("production/lock.json")
    assert "production: apply goes on" in origin.log()


def _claim(expires: str) -> str:
    """The file of a claim that another run made."""
    about = {"token": "t", "command": "apply", "owner": "kim", "host": "ci", "pid": 1, "run": ""}
    return json.dumps({**about, "since": "2026-11-20T08:00:00+00:00", "expires": expires})


@pytest.mark.parametrize("text", ["{}", _claim("2026-11-20T08:10:00"), _claim("soon")])
def test_a_claim_edited_badly_is_named(origin: Origin, text: str) -> None:
    own(origin.clone("one"), "hq")
    edited(origin, "production/lock.json", text)
    with (
        pytest.raises(LedgerError, match=r"production/lock\.json on branch"),
        store(origin.clone("three")).lock("production", command="apply", now=NOW),
    ):
        pytest.fail("taken")


def test_a_refusal_says_on_which_day_a_claim_can_be_taken_over(origin: Origin) -> None:
    own(origin.clone("one"), "hq")
    edited(origin, "production/lock.json", _claim("2999-01-02T03:04:05+00:00"))
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
    edited(origin, "production/lock.json", _claim("2020-01-02T03:04:05+00:00"))
    kept = store(origin.clone("two"))
    push = kept.branch._push

    def too_late(commit: str) -> None:
        monkeypatch.undo()
        edited(origin, "production/lock.json", None)
        push(commit)

    monkeypatch.setattr(kept.branch, "_push", too_late)
    with kept.lock("production", command="apply", now=NOW) as mine:
        assert mine.took_over is None


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
