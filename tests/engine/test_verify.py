"""After a run, what it touched is read again, and a plan of that says what is left."""

from __future__ import annotations

import pytest

from reconciler.engine import Event, StepFinished, fetch, touched, verify
from reconciler.model import Address, Resource
from reconciler.writes import Report
from tests.engine.account import PARTNER, Account, dealer, device, site, station
from tests.engine.rig import Rig, all_done

HQ = Address("site", ("acme", "hq"))


@pytest.fixture
def rig() -> Rig:
    account = Account()
    account.connect()
    return Rig(account)


FULL: list[Resource] = [
    dealer(company_name="Acme"),
    station(),
    site(at="central", security_type="video"),
    device(),
    site("depot", security_type="alarm_com"),
    device("gate", under="depot"),
]


def reads_of_verifying(rig: Rig, report: Report, desired: list[Resource]) -> list[str]:
    rig.account.reads.clear()
    assert rig.left_after(report, desired).empty
    return [kind for kind, _ in rig.account.reads]


def test_each_touched_collection_is_listed_once(rig: Rig) -> None:
    report = rig.apply(FULL)
    kinds = reads_of_verifying(rig, report, FULL)
    expected = ["dealer", "monitoring_station", "site", "device", "device"]
    assert kinds == [*expected, "site.arming_settings", "site.arming_settings"]


def test_only_what_was_touched_is_read(rig: Rig) -> None:
    rig.apply(FULL)
    desired = [*FULL[:3], device(model="X2"), *FULL[4:]]
    assert reads_of_verifying(rig, rig.apply(desired), desired) == ["device"]


@pytest.mark.parametrize(
    "after",
    [
        [*FULL[:4]],
        [FULL[0]],
        [*FULL[:3], device(device_type="bridge"), *FULL[4:]],
        [*FULL[:4], site("depot", security_type="video"), *FULL[5:]],
        [*FULL, site("yard"), device("fence", under="yard")],
    ],
    ids=["site deleted", "nearly all deleted", "replaced", "part changed", "added"],
)
def test_the_merged_snapshot_is_what_a_whole_reading_gives(rig: Rig, after: list[Resource]) -> None:
    rig.apply(FULL)
    report = rig.apply(after)
    assert report.outcomes
    again = verify(
        rig.reader, touched(report, rig.snapshot), after, rig.ledger.owned(), PARTNER, rig.snapshot
    )
    whole = fetch(rig.reader, after, rig.ledger.owned(), PARTNER, rig.scope)
    assert dict(again.objects) == dict(whole.objects)
    assert whole.collections <= again.collections


def test_a_change_that_did_not_stick_is_left_to_change(rig: Rig) -> None:
    rig.apply(FULL)
    desired = [*FULL[:3], device(model="X2"), *FULL[4:]]
    report = rig.apply(desired)
    assert all_done(report)
    rig.account.find("device", "door")[0].fields["model"] = "X1"
    left = rig.left_after(report, desired)
    assert [(str(change.address), change.fields[0].before) for change in left.changes] == [
        ("device:acme/hq/door", "X1")
    ]


def test_what_was_never_begun_under_a_new_site_is_left_to_change(rig: Rig) -> None:
    def stop_after_a_site(event: Event) -> None:
        if isinstance(event, StepFinished) and event.address == HQ:
            rig.stop.set()

    rig.parallelism, rig.on_event = 1, stop_after_a_site
    report = rig.apply(FULL)
    assert report.interrupted
    left = {str(change.address) for change in rig.left_after(report, FULL).changes}
    assert "device:acme/hq/door" in left


def test_a_site_that_vanished_again_is_missed(rig: Rig) -> None:
    report = rig.apply(FULL)
    rig.account.objects = [o for o in rig.account.objects if o.external_id not in ("hq", "door")]
    left = rig.left_after(report, FULL)
    assert {str(change.address) for change in left.changes} == {"site:acme/hq", "device:acme/hq/door"}


def test_nothing_touched_is_nothing_read(rig: Rig) -> None:
    rig.apply(FULL)
    report = rig.apply(FULL)
    assert report.outcomes == ()
    assert reads_of_verifying(rig, report, FULL) == []


def test_children_of_what_vanished_are_not_kept(rig: Rig) -> None:
    rig.apply(FULL)
    desired = [*FULL[:4], site("depot", name="Depot 2", security_type="alarm_com"), FULL[5]]
    report = rig.apply(desired)
    rig.account.objects = [o for o in rig.account.objects if o.external_id not in ("hq", "door")]
    again = verify(
        rig.reader, touched(report, rig.snapshot), desired, rig.ledger.owned(), PARTNER, rig.snapshot
    )
    assert HQ not in again.objects
    assert Address("device", ("acme", "hq", "door")) not in again.objects
