"""A run that dies leaves intents; the next one finds out what became of them before it sends anything."""

from __future__ import annotations

import pytest

from reconciler.engine import Event, Unrecorded, fetch_and_recover, recover
from reconciler.engine.events import ReadProgress
from reconciler.errors import LedgerError
from reconciler.intents import IntentDraft, IntentStatus
from reconciler.kinds.surfaces import surfaces
from reconciler.model import Action, Address, Collection, Owned, Resource
from reconciler.planning.scope import Scope
from reconciler.writes import Write
from tests.engine.account import (
    DEALER,
    NOW,
    PARTNER,
    Account,
    Killed,
    dealer,
    device,
    resource,
    site,
    webhook,
)
from tests.engine.rig import Rig, all_done, outcome, outcomes

HQ = Address("site", ("acme", "hq"))
DOOR = Address("device", ("acme", "hq", "door"))
FEED = Address("webhook", ("feed",))
JOHN = Address("contact", ("acme", "hq", "john"))


@pytest.fixture
def rig() -> Rig:
    account = Account()
    account.connect()
    return Rig(account)


def of(rig: Rig, address: Address) -> list[Write]:
    return [write for write in rig.account.sent if write.address == address]


def keys(rig: Rig, address: Address) -> set[str]:
    return {write.idempotency_key for write in of(rig, address)}


def test_a_create_that_arrived_before_the_crash_is_ours_and_not_repeated(rig: Rig) -> None:
    rig.account.faults[HQ, "create"] = ["kill"]
    with pytest.raises(Killed):
        rig.apply([dealer(), site(protect=True)])
    assert HQ not in rig.ledger.owned()
    assert rig.plan([dealer(), site(protect=True)]).empty
    assert rig.ledger.owned()[HQ] == Owned(HQ, "1", "hq", protect=True)
    assert rig.recovery.owned == rig.ledger.owned()
    assert [found.address for found in rig.recovery.found] == [HQ]
    assert len(of(rig, HQ)) == 1


def test_a_create_that_did_not_arrive_is_repeated_with_its_key(rig: Rig) -> None:
    rig.account.faults[HQ, "create"] = ["kill before"]
    with pytest.raises(Killed):
        rig.apply([dealer(), site()])
    assert all_done(rig.apply([dealer(), site()]))
    assert (len(of(rig, HQ)), len(keys(rig, HQ))) == (2, 1)
    assert rig.ledger.unsettled() == []


def test_a_create_whose_manifest_changed_meanwhile_gets_a_key_of_its_own(rig: Rig) -> None:
    rig.account.faults[HQ, "create"] = ["kill before"]
    with pytest.raises(Killed):
        rig.apply([dealer(), site()])
    assert all_done(rig.apply([dealer(), site(address1="1 Main St")]))
    assert len(keys(rig, HQ)) == 2
    assert rig.ledger.unsettled() == []


def test_an_orphan_of_a_crash_is_owned_so_that_it_can_be_deleted(rig: Rig) -> None:
    rig.account.faults[HQ, "create"] = ["kill"]
    with pytest.raises(Killed):
        rig.apply([dealer(), site(), site("depot")])
    report = rig.apply([dealer(), site("depot")])
    assert outcomes(report)["site:acme/hq"] == "done"
    assert rig.account.find("site", "hq") == []


@pytest.mark.parametrize("fault", ["kill", "kill before"])
def test_an_update_across_a_crash_ends_as_wanted(rig: Rig, fault: str) -> None:
    rig.apply([dealer(), site()])
    rig.account.faults[HQ, "update"] = [fault]
    desired = [dealer(), site(name="Headquarters")]
    with pytest.raises(Killed):
        rig.apply(desired)
    report = rig.apply(desired)
    assert outcomes(report) == ({} if fault == "kill" else {"site:acme/hq": "done"})
    updates = [write for write in of(rig, HQ) if write.operation == "update"]
    assert len({write.idempotency_key for write in updates}) == 1
    assert rig.ledger.unsettled() == []
    assert rig.plan(desired).empty


def test_an_update_of_a_secret_across_a_crash_is_sent_again_with_its_key(rig: Rig) -> None:
    rig.apply([webhook()])
    rig.account.faults[FEED, "update"] = ["kill"]
    with pytest.raises(Killed):
        rig.apply([webhook(secret="OTHER_SECRET")])
    assert outcomes(rig.apply([webhook(secret="OTHER_SECRET")])) == {"webhook:feed": "done"}
    assert len(keys(rig, FEED)) == 2
    assert rig.plan([webhook(secret="OTHER_SECRET")]).empty


def test_an_update_of_what_is_not_declared_any_more_is_closed(rig: Rig) -> None:
    rig.apply([dealer(), site(), site("depot")])
    rig.account.faults[HQ, "update"] = ["kill before"]
    with pytest.raises(Killed):
        rig.apply([dealer(), site(name="Headquarters"), site("depot")])
    assert all_done(rig.apply([dealer(), site("depot")]))
    assert rig.ledger.unsettled() == []


@pytest.mark.parametrize("fault", ["kill", "kill before"])
def test_a_delete_across_a_crash_ends_as_wanted(rig: Rig, fault: str) -> None:
    rig.apply([dealer(), site(), device()])
    rig.account.faults[DOOR, "delete"] = [fault]
    with pytest.raises(Killed):
        rig.apply([dealer(), site()])
    rig.apply([dealer(), site()])
    assert rig.account.find("device", "door") == []
    assert DOOR not in rig.ledger.owned()
    assert rig.ledger.unsettled() == []
    assert rig.plan([dealer(), site()]).empty


def test_a_delete_is_over_when_its_parent_is_gone_too(rig: Rig) -> None:
    rig.apply([dealer(), site(), device(), site("depot")])
    rig.account.faults[DOOR, "delete"] = ["kill before"]
    with pytest.raises(Killed):
        rig.apply([dealer(), site(), site("depot")])
    rig.account.objects = [o for o in rig.account.objects if o.external_id not in ("hq", "door")]
    rig.plan([dealer(), site(), site("depot")])
    assert rig.ledger.unsettled() == []
    assert DOOR not in rig.ledger.owned()


def test_what_this_run_does_not_read_stays_open(rig: Rig) -> None:
    rig.account.faults[DOOR, "create"] = ["kill"]
    desired = [dealer(), site(), device(), site("depot")]
    with pytest.raises(Killed):
        rig.apply(desired)
    rig.scope = Scope(targets=("webhook:*",))
    rig.plan([*desired, webhook()])
    assert [intent.address for intent in rig.recovery.open] == [DOOR]
    assert rig.recovery.doubts == {}
    assert rig.ledger.unsettled() != []
    rig.scope = Scope()
    rig.plan(desired)
    assert rig.recovery.open == ()
    assert DOOR in rig.ledger.owned()


def test_what_lies_below_an_orphan_is_found_by_the_look_after_the_orphans(rig: Rig) -> None:
    """Nothing below it is read before it is ours; until then it is unknown, never taken for not made."""
    rig.account.put("site", ("12345",), "X-1", name="Hq", timezone="Asia/Seoul")
    rig.account.put("device", ("12345", "1"), "door")
    drafts = [
        IntentDraft(HQ, "create", None, "d", None, "X-1"),
        IntentDraft(DOOR, "create", None, "d", None, "door"),
    ]
    rig.ledger.intend_all(rig.ledger.begin_run("apply", "trace", "config", NOW), drafts, NOW)
    desired = [dealer(), site("depot")]
    _, first = fetch_and_recover(
        rig.account, rig.ledger, desired, rig.ledger.owned(), PARTNER, Scope(), now=NOW, sleep=rig.sleep
    )
    assert [each.address for each in first.found] == [HQ]
    assert list(first.doubts) == [DOOR]
    rig.plan(desired)
    assert {str(row.address): row.remote_id for row in rig.ledger.owned().values()} == {
        "device:acme/hq/door": "1",
        "site:acme/hq": "1",
    }


def test_the_account_is_read_as_the_run_says(rig: Rig) -> None:
    """What is ours by its prefix is read below too, in the width of the run, and its progress is told."""
    rig.account.put("site", ("12345",), "own-1")
    rig.account.put("site", ("12345",), "other")
    widths: list[int] = []
    events: list[Event] = []

    def one() -> int:
        widths.append(1)
        return 1

    snapshot, _ = fetch_and_recover(
        rig.account,
        rig.ledger,
        [dealer(), site("depot")],
        {},
        PARTNER,
        Scope(),
        now=NOW,
        sleep=rig.sleep,
        width=one,
        owned_prefix="own-",
        on_event=events.append,
    )
    assert Collection("device", Address("site", ("acme", "own-1"))) in snapshot.collections
    assert Collection("device", Address("site", ("acme", "other"))) not in snapshot.collections
    assert widths
    assert events[-1] == ReadProgress(snapshot.requests, snapshot.requests)


def test_what_a_crash_made_belongs_to_the_resource_that_was_renamed_meanwhile(rig: Rig) -> None:
    rig.account.faults[HQ, "create"] = ["kill"]
    with pytest.raises(Killed):
        rig.apply([dealer(), site()])
    renamed = resource("site:acme/main", external_id="hq", name="Hq", timezone="Asia/Seoul")
    assert rig.plan([dealer(), renamed]).empty
    assert [str(address) for address in rig.ledger.owned()] == ["dealer:acme", "site:acme/main"]


def test_a_write_whose_end_could_not_be_journalled_is_found_by_the_next_run(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise LedgerError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(rig.ledger, "settle", full)
        with pytest.raises(LedgerError, match="disk is full"):
            rig.apply([dealer(), site(), device()])
    assert [write.address for write in rig.account.sent] == [HQ]
    report = rig.apply([dealer(), site(), device()])
    assert outcomes(report) == {"device:acme/hq/door": "done"}
    assert HQ in rig.ledger.owned()


def test_twins_of_an_orphan_are_never_taken_for_ours(rig: Rig) -> None:
    rig.account.faults[HQ, "create"] = ["kill"]
    with pytest.raises(Killed):
        rig.apply([dealer(), site(), site("depot")])
    rig.account.put("site", ("12345",), "hq")
    rig.plan([dealer(), site("depot")])
    assert HQ not in rig.ledger.owned()
    assert len(rig.recovery.open) == 1


def test_recovering_twice_finds_nothing_the_second_time(rig: Rig) -> None:
    rig.account.faults[HQ, "create"] = ["kill"]
    with pytest.raises(Killed):
        rig.apply([dealer(), site()])
    rig.plan([dealer(), site()])
    again = recover(
        rig.ledger, rig.snapshot, [dealer(), site()], rig.ledger.owned(), PARTNER, Scope(), now=NOW
    )
    assert again.found == ()
    assert again.owned == rig.ledger.owned()


def twins(rig: Rig) -> list[Resource]:
    """A run broke off while it made HQ, and two objects have its external id by now."""
    rig.account.faults[HQ, "create"] = ["kill"]
    with pytest.raises(Killed):
        rig.apply([dealer(), site(), device()])
    rig.account.put("site", ("12345",), "hq")
    return [dealer(), site(), device(), site("depot")]


def test_what_is_unknown_blocks_itself_and_what_needs_it_and_nothing_else(rig: Rig) -> None:
    desired = twins(rig)
    report = rig.apply(desired)
    assert outcomes(report) == {
        "site:acme/hq": "unknown",
        "device:acme/hq/door": "skipped",
        "site:acme/depot": "done",
    }
    message = outcome(report, "site:acme/hq").message
    assert "it may be the object 1 and 2" in message
    assert "ledger resolve site:acme/hq" in message
    assert len(of(rig, HQ)) == 1
    [intent] = rig.ledger.unsettled()
    assert intent.status is IntentStatus.UNKNOWN
    assert intent.seen.startswith("it may be the object 1 and 2")


def test_what_was_unknown_is_settled_by_a_later_look(rig: Rig) -> None:
    desired = twins(rig)
    rig.apply(desired)
    rig.account.objects.remove(rig.account.find("site", "hq")[1])
    assert outcomes(rig.apply(desired)) == {"device:acme/hq/door": "done"}
    assert rig.ledger.owned()[HQ].remote_id == "1"
    assert rig.ledger.unsettled() == []


def test_the_objects_that_may_be_what_a_lost_write_made_are_blocked_too(rig: Rig) -> None:
    twins(rig)
    rig.plan([dealer(), site("depot")])
    ids = {each.remote_id for each in rig.account.find("site", "hq")}
    assert set(map(str, rig.recovery.blocked)) == {"site:acme/hq", *(f"site:acme/#{each}" for each in ids)}
    assert set(rig.recovery.doubts) == {HQ}


def john() -> Resource:
    return resource("contact:acme/hq/john", first_name="John", last_name="Doe")


@pytest.fixture
def contacts() -> Rig:
    """A run broke off after it made JOHN; the surface shows no external id of a contact, but its name."""
    account = Account()
    account.connect()
    account.put("site", ("12345",), "hq")
    rig = Rig(account, surfaces=DEALER)
    rig.account.faults[JOHN, "create"] = ["kill"]
    with pytest.raises(Killed):
        rig.apply([dealer(), site(), john()])
    [made] = rig.account.find("contact", "john")
    made.external_id = None
    return rig


def test_what_has_no_external_id_is_looked_up_by_what_identifies_it(contacts: Rig) -> None:
    assert contacts.plan([dealer(), site(), john()]).count(Action.CREATE) == 0
    assert contacts.ledger.owned()[JOHN].remote_id == "1"
    assert contacts.ledger.unsettled() == []


def test_two_that_are_alike_leave_it_unknown(contacts: Rig) -> None:
    contacts.account.put("contact", ("12345", "1"), None, first_name="John", last_name="Doe")
    contacts.account.put("contact", ("12345", "1"), None, first_name="Jane", last_name="Doe")
    assert outcomes(contacts.apply([dealer(), site(), john()]))["contact:acme/hq/john"] == "unknown"
    assert "1 and 2;" in contacts.recovery.doubts[JOHN]
    assert len(of(contacts, JOHN)) == 1


def test_one_that_is_not_there_is_made_with_its_key(contacts: Rig) -> None:
    contacts.account.objects = [o for o in contacts.account.objects if o.kind != "contact"]
    contacts.account.remembers_keys = False
    contacts.apply([dealer(), site(), john()])
    assert (len(of(contacts, JOHN)), len(keys(contacts, JOHN))) == (2, 1)


def test_a_stranger_is_never_taken_for_what_a_manifest_named_no_longer(contacts: Rig) -> None:
    """The name by which it could be found is gone with its manifest; owned, it would be deleted."""
    contacts.plan([dealer(), site()])
    assert set(contacts.recovery.doubts) == {JOHN}
    assert JOHN not in contacts.ledger.owned()


def test_an_update_that_somebody_met_halfway_blocks_only_its_object(rig: Rig) -> None:
    rig.apply([dealer(), site(), site("depot")])
    rig.account.faults[HQ, "update"] = ["kill before"]
    broken_off = [dealer(), site(name="Headquarters"), site("depot")]
    with pytest.raises(Killed):
        rig.apply(broken_off)
    rig.account.find("site", "hq")[0].fields["name"] = "Somebody's"
    report = rig.apply([dealer(), site(name="Headquarters"), site("depot", name="Store")])
    assert outcomes(report) == {"site:acme/hq": "unknown", "site:acme/depot": "done"}
    message = outcome(report, "site:acme/hq").message
    assert "neither the values from before nor those sent of name" in message
    assert len([write for write in of(rig, HQ) if write.operation == "update"]) == 1


@pytest.mark.parametrize(
    ("shown", "settled"), [("Headquarters", True), ("Hq", False)], ids=["as sent", "as before"]
)
def test_an_update_is_judged_by_what_was_sent_even_if_the_manifest_changed_meanwhile(
    rig: Rig, shown: str, *, settled: bool
) -> None:
    rig.apply([dealer(), site()])
    rig.account.faults[HQ, "update"] = ["kill"]
    with pytest.raises(Killed):
        rig.apply([dealer(), site(name="Headquarters")])
    rig.account.find("site", "hq")[0].fields["name"] = shown
    rig.plan([dealer(), site(name="Main building")])
    assert rig.recovery.doubts == {}
    assert (rig.ledger.unsettled() == []) is settled
    assert all_done(rig.apply([dealer(), site(name="Main building")]))
    assert len(keys(rig, HQ)) == 3


def test_an_update_of_which_a_part_shows_is_unknown(rig: Rig) -> None:
    rig.apply([dealer(), site(address1="1 Main St")])
    rig.account.faults[HQ, "update"] = ["kill"]
    desired = [dealer(), site(name="Headquarters", address1="2 Main St")]
    with pytest.raises(Killed):
        rig.apply(desired)
    rig.account.find("site", "hq")[0].fields["address1"] = "3 Main St"
    assert outcomes(rig.apply(desired)) == {"site:acme/hq": "unknown"}
    assert "of address1, name" in rig.recovery.doubts[HQ]


def test_an_update_says_nothing_of_the_object_that_took_the_place_of_its_own(rig: Rig) -> None:
    rig.apply([dealer(), site()])
    rig.account.faults[HQ, "update"] = ["kill before"]
    with pytest.raises(Killed):
        rig.apply([dealer(), site(name="Headquarters")])
    rig.account.objects.remove(rig.account.find("site", "hq")[0])
    rig.account.put("site", ("12345",), "hq", name="Somebody's", timezone="Asia/Seoul")
    rig.plan([dealer(), site(name="Headquarters")])
    assert rig.recovery.doubts == {}
    assert rig.ledger.unsettled() == []


def test_what_this_surface_does_not_show_is_unknown(rig: Rig) -> None:
    rig.account.faults[FEED, "create"] = ["kill"]
    with pytest.raises(Killed):
        rig.apply([webhook()])
    rig.surfaces = surfaces("dealer", sandbox=False)
    rig.plan([dealer()])
    assert "cannot be looked up in this environment" in rig.recovery.doubts[FEED]


def test_a_look_without_the_lock_counts_for_its_plan_only(rig: Rig) -> None:
    desired = twins(rig)
    rig.account.objects.remove(rig.account.find("site", "hq")[1])
    before = rig.ledger.unsettled()
    _, recovery = fetch_and_recover(
        rig.account,
        Unrecorded(rig.ledger),
        desired,
        rig.ledger.owned(),
        PARTNER,
        Scope(),
        now=NOW,
        sleep=rig.sleep,
    )
    assert recovery.owned[HQ].remote_id == "1"
    assert rig.ledger.unsettled() == before
    assert HQ not in rig.ledger.owned()
