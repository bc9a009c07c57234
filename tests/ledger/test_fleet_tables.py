"""What a fleet shares in its ledger: projects, lanes handed out, workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.errors import LedgerError
from reconciler.intents import IntentDraft
from reconciler.ledger import Ledger
from reconciler.ledger.fleet import AssignmentStatus, WorkerRecord
from reconciler.model import Address

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.open(":memory:", "production") as ledger:
        yield ledger


@pytest.fixture
def run(ledger: Ledger) -> int:
    """A run of two lanes."""
    run = ledger.begin_run("apply", "trace", "config", NOW)
    ledger.hand_out(run, "b1", 8, {"bravo": ("plan of bravo", 2), "acme": ("plan of acme", 3)})
    return run


def test_a_project_is_kept_under_its_digest_until_nobody_uses_it(ledger: Ledger, run: int) -> None:
    ledger.publish("b1", b"\0packed", NOW)
    ledger.publish("b2", b"other", NOW)
    ledger.publish("b2", b"other", NOW)
    assert ledger.published("b1") == b"\0packed"
    assert ledger.unpublish(NOW) == 0
    assert ledger.unpublish(NOW + timedelta(days=1)) == 1
    assert ledger.published("b1") == b"\0packed"
    with pytest.raises(LedgerError, match="the project b2 is not in the ledger any more"):
        ledger.published("b2")
    ledger.close_handout(run)
    assert ledger.unpublish(NOW + timedelta(days=1)) == 1


def test_a_lane_is_taken_by_one_worker_and_ends_with_its_result(ledger: Ledger, run: int) -> None:
    assert [(each.lane, each.status) for each in ledger.assignments(run)] == [
        ("acme", AssignmentStatus.WAITING),
        ("bravo", AssignmentStatus.WAITING),
    ]
    taken = ledger.take(run, "acme", "w1", 7)
    assert taken is not None
    assert (ledger.task(taken), taken.worker, taken.status) == (
        "plan of acme",
        "w1",
        AssignmentStatus.RUNNING,
    )
    assert ledger.results(run) == {}
    ledger.advance(taken, 1, 3)
    assert ledger.assignments(run)[0].done == 1
    assert ledger.finish(taken, "all well")
    assert ledger.take(run, "acme", "w2", 8) is None, "it has ended"
    assert ledger.results(run) == {"acme": "all well"}


def test_who_was_replaced_writes_nothing_more(ledger: Ledger, run: int) -> None:
    first = ledger.take(run, "acme", "w1", 7)
    second = ledger.take(run, "acme", "w2", 8)
    assert first is not None
    assert second is not None
    assert ledger.take(run, "acme", "w1", 8) is None, "a lease is used once"
    ledger.advance(first, 2, 3)
    ledger.give_back(first)
    assert not ledger.finish(first, "mine")
    found = ledger.assignments(run)[0]
    assert (found.status, found.worker, found.done) == ("running", "w2", 0)
    assert ledger.results(run) == {}


def test_a_lane_given_back_goes_to_the_next_worker(ledger: Ledger, run: int) -> None:
    first = ledger.take(run, "acme", "w1", 7)
    assert first is not None
    ledger.give_back(first)
    assert ledger.assignments(run)[0].worker is None
    assert ledger.take(run, "acme", "w2", 8) is not None


@pytest.mark.parametrize("ending", ["stop_handing_out", "close_handout"])
def test_a_run_that_stops_begins_no_lane(ledger: Ledger, run: int, ending: str) -> None:
    getattr(ledger, ending)(run)
    assert ledger.take(run, "acme", "w1", 7) is None


def test_a_run_tells_that_it_lives_until_it_is_closed(ledger: Ledger, run: int) -> None:
    ledger.keep_handing_out(run)
    ledger.keep_handing_out(run)
    handout = ledger.handout(run)
    assert handout is not None
    assert (handout.beat, handout.stopping, handout.bundle, handout.parallelism) == (2, False, "b1", 8)
    assert ledger.open_handouts() == [handout]
    ledger.close_handout(run)
    assert ledger.open_handouts() == []
    assert ledger.handout(run + 1) is None


def test_workers_report_themselves_in_one_row(ledger: Ledger) -> None:
    record = WorkerRecord("w1", "host", 17, "1.0", 4, 0, False, 1, NOW, NOW)
    later = replace(record, beat=2, working=3, draining=True, seen_at=NOW + timedelta(seconds=1))
    ledger.report_worker(record)
    ledger.report_worker(later)
    ledger.report_worker(replace(record, name="w0"))
    assert ledger.workers() == [replace(record, name="w0"), later]
    ledger.forget_worker("w1")
    assert [each.name for each in ledger.workers()] == ["w0"]


def test_what_a_run_has_begun_is_known(ledger: Ledger, run: int) -> None:
    other = ledger.begin_run("apply", "trace", "config", NOW)
    [one] = ledger.intend_all(run, [IntentDraft(Address("site", ("acme", "hq")), "create", None, "d")], NOW)
    ledger.intend_all(other, [IntentDraft(Address("site", ("acme", "depot")), "create", None, "d")], NOW)
    assert ledger.begun(run) == {one.address}
