"""Writes of many threads share a commit; one that is wrong fails alone, and no count is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import LedgerError
from reconciler.escape import visible
from reconciler.ledger import Ledger
from reconciler.listening.envelope import read_envelope
from reconciler.listening.group_commit import Counts, GroupCommit, Outcome
from tests.listening.rig import app_event, clock

GOOD = Outcome("app", "", "received")
BAD = Outcome("app", "", "bad_signature")


def test_what_comes_during_a_commit_shares_the_next_one(tmp_path: Path) -> None:
    entered, go_on = threading.Event(), threading.Event()
    commits: list[int] = []
    with Ledger.open(tmp_path / "ledger.db", "dev") as ledger, GroupCommit(ledger, clock) as group:

        def slow(_: Ledger, counts: Counts) -> None:
            counts[GOOD] += 1
            entered.set()
            go_on.wait(10)

        def quick(_: Ledger, counts: Counts) -> int:
            counts[GOOD] += 1
            commits.append(counts[GOOD])
            return counts[GOOD]

        first = group.submit(slow)
        assert entered.wait(10)
        others = [group.submit(quick) for _ in range(20)]
        assert not any(each.done() for each in (first, *others))
        go_on.set()
        assert [each.result(10) for each in others] == list(range(1, 21)), "one commit, in their order"
        assert ledger.delivery_figures().outcomes == {GOOD: 21}


def test_a_write_that_is_wrong_fails_alone(tmp_path: Path) -> None:
    entered, go_on = threading.Event(), threading.Event()
    with Ledger.open(tmp_path / "ledger.db", "dev") as ledger, GroupCommit(ledger, clock) as group:

        def wait(_: Ledger, _counts: Counts) -> None:
            entered.set()
            go_on.wait(10)

        def write(_: Ledger, counts: Counts) -> None:
            counts[GOOD] += 1

        def wrong(_: Ledger, counts: Counts) -> None:
            counts[BAD] += 1
            raise ValueError("no such thing")

        group.submit(wait)
        assert entered.wait(10)
        before, failing, after = group.submit(write), group.submit(wrong), group.submit(write)
        go_on.set()
        before.result(10)
        after.result(10)
        with pytest.raises(ValueError, match="no such thing"):
            failing.result(10)
        assert ledger.delivery_figures().outcomes == {GOOD: 2}


def test_what_was_only_counted_waits_for_a_ledger_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.open(tmp_path / "ledger.db", "dev") as ledger:
        with GroupCommit(ledger, clock) as group:
            with monkeypatch.context() as disk:

                def fail(*_: object) -> None:
                    raise LedgerError("the ledger could not be written to disk")

                disk.setattr(ledger, "count_outcome", fail)
                for _ in range(3):
                    with pytest.raises(LedgerError):
                        group.count(BAD).result(10)
            group.count(GOOD).result(10)
        assert ledger.delivery_figures().outcomes == {BAD: 3, GOOD: 1}
        with pytest.raises(LedgerError, match="stopped"):
            group.count(GOOD)


def test_many_threads_count_without_losing_one(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db", "dev") as ledger:
        with GroupCommit(ledger, clock) as group, ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: group.count(GOOD).result(10), range(400)))
        assert ledger.delivery_figures().outcomes == {GOOD: 400}


IDS = st.text(min_size=1, max_size=500) | st.sampled_from(["\x1b", "\\u001b", "a" * 300, "a" * 301])


@given(IDS, IDS)
def test_events_with_two_ids_are_two_and_an_id_is_one_line(one: str, two: str) -> None:
    first, second = (read_envelope("app", app_event(each)) for each in (one, two))
    assert (first.key == second.key) == (one == two)
    assert len(first.event_id) <= 200
    assert visible(first.event_id) == first.event_id
