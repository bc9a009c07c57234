"""A write whose answer was lost is looked up before anything is sent again, and never happens twice."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest

from reconciler.kinds.surfaces import surfaces
from reconciler.model import Address, LiveObject, Resource
from reconciler.writes import Write
from tests.engine.account import NOW, Account, Killed, Stored, dealer, device, resource, site, webhook
from tests.engine.rig import Rig, all_done, outcome, outcomes

HQ = Address("site", ("acme", "hq"))
DOOR = Address("device", ("acme", "hq", "door"))
ARRIVED = ["lost", "raise"]
NEVER_ARRIVED = ["lost before", "raise before"]


@pytest.fixture
def rig() -> Rig:
    account = Account()
    account.connect()
    return Rig(account)


def of(rig: Rig, address: Address) -> list[Write]:
    return [write for write in rig.account.sent if write.address == address]


@pytest.mark.parametrize("fault", [*ARRIVED, "no id"])
def test_a_create_that_arrived_is_found_and_not_sent_again(rig: Rig, fault: str) -> None:
    rig.account.faults[HQ, "create"] = [fault]
    report = rig.apply([dealer(), site(), device()])
    assert all_done(report)
    assert len(of(rig, HQ)) == 1
    assert rig.ledger.owned()[HQ].remote_id == "1"
    assert rig.ledger.unsettled() == []


@pytest.mark.parametrize("fault", NEVER_ARRIVED)
def test_a_create_that_never_arrived_is_sent_again_with_the_same_key(rig: Rig, fault: str) -> None:
    rig.account.faults[HQ, "create"] = [fault]
    assert all_done(rig.apply([dealer(), site(), device()]))
    first, second = of(rig, HQ)
    assert first.idempotency_key == second.idempotency_key
    assert len(rig.account.find("site", "hq")) == 1


def test_a_create_that_never_arrives_fails_and_the_next_run_keeps_its_key(rig: Rig) -> None:
    rig.account.faults[HQ, "create"] = ["lost before"] * 3
    report = rig.apply([dealer(), site(), device()])
    assert outcomes(report) == {
        "dealer:acme": "done",
        "site:acme/hq": "failed",
        "device:acme/hq/door": "skipped",
    }
    assert "time-out" in outcome(report, "site:acme/hq").message
    assert len(rig.ledger.unsettled()) == 1
    assert all_done(rig.apply([dealer(), site(), device()]))
    assert len({write.idempotency_key for write in of(rig, HQ)}) == 1
    assert rig.ledger.unsettled() == []


def test_a_create_that_arrives_late_is_ours_in_the_next_run(rig: Rig) -> None:
    rig.account.faults[HQ, "create"] = ["lost before"] * 2
    rig.apply([dealer(), site()])
    late = of(rig, HQ)[0]
    rig.account._one(late)
    report = rig.apply([dealer(), site()])
    assert report.outcomes == ()
    assert rig.ledger.owned()[HQ].remote_id == "1"
    assert len(of(rig, HQ)) == 3


def hide(account: Account, name: str, looks: int) -> None:
    """Lists lag behind: they do not show ``name`` until they are asked once more than ``looks``."""
    listed, left = type(account).list, [looks]

    def lagging(kind: str, parents: tuple[str, ...]) -> list[LiveObject]:
        found = list(listed(account, kind, parents))
        if left[0] and any(live.external_id == name for live in found):
            left[0] -= 1
            return [live for live in found if live.external_id != name]
        return found

    account.list = lagging  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("looks", [1, 2])
def test_one_look_that_shows_nothing_does_not_send_a_create_again(rig: Rig, looks: int) -> None:
    rig.account.faults[HQ, "create"] = ["lost"]
    rig.account.remembers_keys = rig.account.refuses_duplicates = False
    hide(rig.account, "hq", looks)
    assert all_done(rig.apply([dealer(), site()]))
    assert len(of(rig, HQ)) == 1


def test_a_repeat_refused_because_the_first_arrived_counts_as_done(rig: Rig) -> None:
    rig.account.faults[HQ, "create"] = ["lost"]
    rig.account.remembers_keys = False
    hide(rig.account, "hq", 3)
    assert all_done(rig.apply([dealer(), site()]))
    assert len(of(rig, HQ)) == 2
    assert len(rig.account.find("site", "hq")) == 1


def test_a_repeat_refused_while_nothing_shows_is_left_to_the_next_run(rig: Rig) -> None:
    rig.account.faults[HQ, "create"] = ["lost"]
    rig.account.remembers_keys = False
    hide(rig.account, "hq", 6)
    report = rig.apply([dealer(), site()])
    assert outcomes(report)["site:acme/hq"] == "failed"
    assert [intent.address for intent in rig.ledger.unsettled()] == [HQ]
    assert rig.apply([dealer(), site()]).outcomes == ()
    assert rig.ledger.owned()[HQ].remote_id == "1"
    assert rig.ledger.unsettled() == []


@pytest.mark.parametrize("fault", ["lost", "kill"])
def test_what_an_earlier_run_left_open_is_looked_for_before_it_is_sent(rig: Rig, fault: str) -> None:
    """Neither keys nor refusals protect here, and the list lags into the next run."""
    rig.account.faults[HQ, "create"] = [fault]
    rig.account.remembers_keys = rig.account.refuses_duplicates = False
    rig.account.on_write = lambda _: rig.stop.set()  # no time to look
    hide(rig.account, "hq", 3)
    with suppress(Killed):
        rig.apply([dealer(), site()])
    rig.stop.clear()
    assert outcomes(rig.apply([dealer(), site()]))["site:acme/hq"] == "done"
    assert len(of(rig, HQ)) == 1
    assert len(rig.account.find("site", "hq")) == 1


def test_what_was_made_a_moment_ago_and_is_missing_is_looked_for_before_it_is_made_again(rig: Rig) -> None:
    rig.account.remembers_keys = rig.account.refuses_duplicates = False
    rig.apply([dealer(), site()])
    hide(rig.account, "hq", 2)
    assert all_done(rig.apply([dealer(), site()]))
    assert len(rig.account.find("site", "hq")) == 1
    assert rig.ledger.owned()[HQ].remote_id == "1"


def test_a_list_that_was_read_too_early_is_not_trusted_however_long_the_reading_took(rig: Rig) -> None:
    rig.account.remembers_keys = rig.account.refuses_duplicates = False
    rig.apply([dealer(), site()])
    hide(rig.account, "hq", 1)
    rig.now = NOW + timedelta(minutes=5)
    assert all_done(rig.apply([dealer(), site()]))
    assert len(rig.account.find("site", "hq")) == 1


def test_what_an_earlier_run_made_otherwise_is_not_taken_for_the_server_s_own_value(rig: Rig) -> None:
    rig.account.faults[HQ, "create"] = ["kill"]
    with suppress(Killed):
        rig.apply([dealer(), site()])
    hide(rig.account, "hq", 2)
    rig.apply([dealer(), site(name="Headquarters")])
    assert outcomes(rig.apply([dealer(), site(name="Headquarters")])) == {"site:acme/hq": "done"}
    assert rig.account.find("site", "hq")[0].fields["name"] == "Headquarters"


def test_a_refused_delete_of_what_is_gone_is_done(rig: Rig) -> None:
    rig.apply([dealer(), site(), device()])
    rig.account.on_write = lambda writes: rig.account.objects.remove(rig.account.find("device", "door")[0])
    report = rig.apply([dealer(), site()])
    assert outcomes(report) == {"device:acme/hq/door": "done"}
    assert "shows it no longer" in outcome(report, "device:acme/hq/door").message
    assert DOOR not in rig.ledger.owned()


def test_a_refused_delete_of_what_is_there_is_sent_once_and_failed(rig: Rig) -> None:
    rig.apply([dealer(), site(), device()])
    rig.account.faults[DOOR, "delete"] = ["fail"]
    report = rig.apply([dealer(), site()])
    assert outcome(report, "device:acme/hq/door").message == "422 the server refused it"
    assert [write.operation for write in of(rig, DOOR)] == ["create", "delete"]
    assert DOOR in rig.ledger.owned()


@pytest.mark.parametrize("fault", ARRIVED)
def test_an_update_that_arrived_is_done(rig: Rig, fault: str) -> None:
    rig.apply([dealer(), site()])
    rig.account.faults[HQ, "update"] = [fault]
    report = rig.apply([dealer(), site(name="Headquarters")])
    assert all_done(report)
    assert [write.operation for write in of(rig, HQ)] == ["create", "update"]


@pytest.mark.parametrize("fault", NEVER_ARRIVED)
def test_an_update_that_never_arrived_is_sent_again_with_the_same_key(rig: Rig, fault: str) -> None:
    rig.apply([dealer(), site()])
    rig.account.faults[HQ, "update"] = [fault]
    assert all_done(rig.apply([dealer(), site(name="Headquarters")]))
    _, first, second = of(rig, HQ)
    assert first.idempotency_key == second.idempotency_key


@pytest.mark.parametrize("fault", [*ARRIVED, *NEVER_ARRIVED])
def test_a_lost_update_of_a_part_is_looked_up_in_the_part(rig: Rig, fault: str) -> None:
    rig.apply([dealer(), site(security_type="video")])
    rig.account.faults[HQ, "update"] = [fault]
    desired = [dealer(), site(security_type="alarm_com")]
    assert all_done(rig.apply(desired))
    assert rig.account.find("site", "hq")[0].fields["security_type"] == "alarm_com"
    assert rig.plan(desired).empty


def test_an_update_that_cannot_be_seen_is_unknown_and_repeated_by_the_next_run_with_its_key(rig: Rig) -> None:
    rig.apply([webhook()])
    feed = Address("webhook", ("feed",))
    rig.account.faults[feed, "update"] = ["lost"]
    report = rig.apply([webhook(secret="OTHER_SECRET")])
    assert outcomes(report) == {"webhook:feed": "unknown"}
    assert "unknown, since" in outcome(report, "webhook:feed").message
    assert len(of(rig, feed)) == 2
    assert all_done(rig.apply([webhook(secret="OTHER_SECRET")]))
    assert len({write.idempotency_key for write in of(rig, feed)}) == 2


def test_an_update_somebody_else_met_halfway_is_unknown(rig: Rig) -> None:
    rig.apply([dealer(), site()])
    rig.account.faults[HQ, "update"] = ["lost"]
    rig.account.replaces = {("site", "name"): lambda _: "Somebody's name"}
    report = rig.apply([dealer(), site(name="Headquarters")])
    assert outcomes(report) == {"site:acme/hq": "unknown"}


def test_an_update_of_something_that_vanished_failed(rig: Rig) -> None:
    rig.apply([dealer(), site()])
    planned = rig.plan([dealer(), site(name="Headquarters")])
    rig.account.faults[HQ, "update"] = ["lost before"]
    rig.account.on_write = lambda _: rig.account.objects.remove(rig.account.find("site", "hq")[0])
    report = rig.carry_out(planned, [dealer(), site(name="Headquarters")])
    assert outcomes(report) == {"site:acme/hq": "failed"}
    assert "gone" in outcome(report, "site:acme/hq").message


@pytest.mark.parametrize("fault", [*ARRIVED, *NEVER_ARRIVED])
def test_a_lost_delete_is_looked_up(rig: Rig, fault: str) -> None:
    rig.apply([dealer(), site(), device()])
    rig.account.faults[DOOR, "delete"] = [fault]
    assert all_done(rig.apply([dealer(), site()]))
    assert len({write.idempotency_key for write in of(rig, DOOR) if write.operation == "delete"}) == 1
    assert DOOR not in rig.ledger.owned()
    assert rig.account.find("device", "door") == []


@pytest.mark.parametrize("fault", [*ARRIVED, *NEVER_ARRIVED])
def test_each_device_of_a_lost_batch_is_judged_by_itself(rig: Rig, fault: str) -> None:
    rig.account.faults[DOOR, "create"] = [fault]
    names = ["door", "gate", "yard"]
    doors = [device(name, zone=f"00{n}") for n, name in enumerate(names, 1)]
    assert all_done(rig.apply([dealer(), site(), *doors]))
    assert [len(rig.account.find("device", name)) for name in names] == [1, 1, 1]


def test_when_the_account_cannot_be_read_the_outcome_is_unknown_until_it_can(rig: Rig) -> None:
    desired: list[Resource] = [dealer(), site(), device()]
    planned = rig.plan(desired)
    rig.account.faults[HQ, "create"] = ["lost"]
    rig.account.unreadable.add(("site", ("12345",)))
    report = rig.carry_out(planned, desired)
    assert outcomes(report)["site:acme/hq"] == "unknown"
    assert outcomes(report)["device:acme/hq/door"] == "skipped"
    rig.account.unreadable.clear()
    report = rig.apply(desired)
    assert outcomes(report) == {"device:acme/hq/door": "done"}
    assert len(of(rig, HQ)) == 1


def test_several_objects_with_the_external_id_are_never_guessed_about(rig: Rig) -> None:
    rig.account.faults[HQ, "create"] = ["lost"]
    rig.account.refuses_duplicates = False
    rig.account.on_write = lambda _: rig.account.objects.append(Stored("site", "99", ("12345",), "hq", {}))
    report = rig.apply([dealer(), site()])
    assert outcome(report, "site:acme/hq").status.value == "unknown"
    assert "1 and 99" in outcome(report, "site:acme/hq").message


def test_a_stop_between_two_sendings_sends_nothing_and_keeps_the_intent(rig: Rig) -> None:
    rig.account.faults[HQ, "create"] = ["lost before"]
    rig.account.on_write = lambda _: rig.stop.set()
    report = rig.apply([dealer(), site()])
    assert outcomes(report)["site:acme/hq"] == "skipped"
    assert report.interrupted
    assert len(of(rig, HQ)) == 1
    rig.stop.clear()
    rig.account.on_write = None
    assert all_done(rig.apply([dealer(), site()]))
    assert len({write.idempotency_key for write in of(rig, HQ)}) == 1


def test_a_writer_that_answers_for_too_few_is_not_believed(rig: Rig) -> None:
    class Short:
        def write(self, writes: list[Write]) -> list[object]:
            rig.account.write(writes)
            return []

    rig.writer = Short()  # type: ignore[assignment]
    assert all_done(rig.apply([dealer(), site(), device()]))
    assert len(of(rig, HQ)) == 1


def test_a_lost_contact_of_the_dealer_surface_is_found_by_its_external_id(rig: Rig) -> None:
    rig.surfaces = surfaces("dealer", sandbox=False)
    rig.account.put("site", ("12345",), "hq", name="Hq")
    kim = Address("contact", ("acme", "hq", "kim"))
    rig.account.faults[kim, "create"] = ["lost"]
    desired = [dealer(), site(), resource("contact:acme/hq/kim", first_name="Kim", last_name="Lee")]
    assert outcomes(rig.apply(desired))["contact:acme/hq/kim"] == "done"
    assert len(of(rig, kim)) == 1
