"""A run that dies leaves intents; the next one finds out what became of them before it sends anything."""

from __future__ import annotations

import pytest

from reconciler.engine import recover
from reconciler.errors import LedgerError
from reconciler.model import Address, Owned, Write
from reconciler.planning.scope import Scope
from tests.engine.account import NOW, PARTNER, Account, Killed, dealer, device, resource, site, webhook
from tests.engine.rig import Rig, all_done, outcomes

HQ = Address("site", ("acme", "hq"))
DOOR = Address("device", ("acme", "hq", "door"))
FEED = Address("webhook", ("feed",))


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
    assert rig.ledger.unsettled() != []
    rig.scope = Scope()
    rig.plan(desired)
    assert rig.recovery.open == ()
    assert DOOR in rig.ledger.owned()


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
    def full(*_: object) -> None:
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
    again = recover(rig.ledger, rig.snapshot, [dealer(), site()], rig.ledger.owned(), PARTNER, now=NOW)
    assert again.found == ()
    assert again.owned == rig.ledger.owned()
