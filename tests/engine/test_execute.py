"""An apply makes the plan so: in order, as far as it can, owning what it made."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from reconciler.engine import StepFinished, StepStarted, ValueReplaced
from reconciler.errors import LedgerError, SecretError
from reconciler.intents import Intent, IntentDraft
from reconciler.kinds.surfaces import surfaces
from reconciler.model import Address, Owned, Replaced, Resource, SecretRef
from reconciler.planning.scope import Scope
from reconciler.writes import Write
from tests.engine import rig as rigs
from tests.engine.account import Account, dealer, device, resource, site, station, webhook
from tests.engine.rig import Rig, all_done, outcome, outcomes

FULL = [dealer(), station(), site(at="central", security_type="video"), device(), webhook()]


@pytest.fixture
def rig() -> Rig:
    account = Account()
    account.connect()
    return Rig(account)


def sent(rig: Rig) -> list[str]:
    return [
        f"{write.operation} {write.address}" + (f" {write.part}" if write.part else "")
        for write in rig.account.sent
    ]


def test_a_project_is_made_whole_in_dependency_order_and_then_nothing_is_left(rig: Rig) -> None:
    report = rig.apply(FULL)
    assert all_done(report)
    order = sent(rig)
    for earlier, later in (
        ("create monitoring_station:acme/central", "create site:acme/hq"),
        ("create site:acme/hq", "update site:acme/hq arming_settings"),
        ("create site:acme/hq", "create device:acme/hq/door"),
    ):
        assert order.index(earlier) < order.index(later)
    assert rig.left_after(report, FULL).empty
    assert rig.plan(FULL).empty


def test_ids_made_in_the_run_reach_what_refers_to_them(rig: Rig) -> None:
    rig.account.put("monitoring_station", ("12345",), "other")
    rig.apply(FULL)
    [central] = rig.account.find("monitoring_station", "central")
    [hq] = rig.account.find("site", "hq")
    [door] = rig.account.find("device", "door")
    assert hq.fields["monitoring_station"] == central.remote_id != "1"
    assert door.parents == ("12345", hq.remote_id)


def test_what_was_made_is_owned_with_its_ids_and_protection(rig: Rig) -> None:
    rig.apply([dealer(), site(protect=True), webhook()])
    owned = rig.ledger.owned()
    assert owned[Address("dealer", ("acme",))].remote_id == "12345"
    assert owned[Address("site", ("acme", "hq"))] == Owned(
        Address("site", ("acme", "hq")), "1", "hq", protect=True
    )
    feed = owned[Address("webhook", ("feed",))]
    assert feed.external_id == "https://hooks.example.com/feed"
    assert feed.secrets == {"secret": rig.ledger.secret_digest("swordfish")}


def test_deletes_go_children_first_and_end_ownership(rig: Rig) -> None:
    rig.apply([*FULL, device("gate", zone="002")])
    rig.account.sent.clear()
    report = rig.apply([dealer(), webhook()])
    assert all_done(report)
    order = [line for line in sent(rig) if "station" not in line]
    assert order == [
        f"delete {each}" for each in ("device:acme/hq/door", "device:acme/hq/gate", "site:acme/hq")
    ]
    assert [str(address) for address in rig.ledger.owned()] == ["dealer:acme", "webhook:feed"]


def test_a_replace_deletes_and_creates_and_owns_the_new_object(rig: Rig) -> None:
    rig.apply(FULL)
    [old] = rig.account.find("device", "door")
    report = rig.apply([*FULL[:3], device(device_type="bridge"), FULL[4]])
    assert outcomes(report) == {"device:acme/hq/door": "done"}
    [new] = rig.account.find("device", "door")
    assert new.remote_id != old.remote_id
    assert rig.ledger.owned()[Address("device", ("acme", "hq", "door"))].remote_id == new.remote_id


def test_bulk_steps_of_one_parent_go_in_batches_of_at_most_fifty(rig: Rig) -> None:
    doors = [
        device(f"d{n:03}", zone=f"{n:03}", under=under) for under in ("hq", "depot") for n in range(1, 61)
    ]
    report = rig.apply([dealer(), site(), site("depot"), *doors])
    assert all_done(report)
    batches = [call for call in rig.account.calls if call[0].address.kind == "device"]
    assert sorted(map(len, batches)) == [10, 10, 50, 50]
    assert all(len({write.parent_ids for write in call}) == 1 for call in batches)
    assert len({write.idempotency_key for write in rig.account.sent}) == len(rig.account.sent)


def test_an_update_sends_the_changed_fields_only(rig: Rig) -> None:
    rig.apply([dealer(), site(address1="1 Main St", security_type="video")])
    rig.account.sent.clear()
    rig.apply([dealer(), site(address1=None, security_type="alarm_com")])
    assert [(write.part, dict(write.payload)) for write in rig.account.sent] == [
        (None, {"address1": None}),
        ("arming_settings", {"security_type": "alarm_com"}),
    ]
    assert rig.account.sent[0].before["name"] == "Hq"


def test_an_adopt_writes_only_what_differs(rig: Rig) -> None:
    rig.account.put("site", ("12345",), "hq", name="Hq", timezone="Asia/Seoul")
    rig.account.put("site", ("12345",), "depot", name="Old", timezone="Asia/Seoul")
    report = rig.apply([dealer(), site(), site("depot")])
    assert all_done(report)
    assert sent(rig) == ["update site:acme/depot"]
    owned = rig.ledger.owned()
    assert {owned[Address("site", ("acme", name))].remote_id for name in ("hq", "depot")} == {"1", "2"}


def test_a_renamed_resource_is_taken_over_and_nothing_is_deleted(rig: Rig) -> None:
    rig.apply([dealer(), site(), device()])
    rig.account.sent.clear()
    renamed = [
        dealer(),
        resource("site:acme/main", external_id="hq", name="Hq", timezone="Asia/Seoul"),
        device(under="main"),
    ]
    report = rig.apply(renamed)
    assert {each.action.value for each in report.outcomes} == {"adopt"}
    assert rig.account.sent == []
    assert sorted(str(address) for address in rig.ledger.owned()) == [
        "dealer:acme",
        "device:acme/main/door",
        "site:acme/main",
    ]
    assert rig.plan(renamed).empty


def test_a_failure_skips_only_what_depends_on_it_and_a_second_run_finishes(rig: Rig) -> None:
    desired = [
        dealer(),
        station(),
        site(at="central"),
        device(),
        site("depot"),
        device("gate", under="depot"),
    ]
    rig.account.faults[Address("monitoring_station", ("acme", "central")), "create"] = ["fail"]
    report = rig.apply(desired)
    assert outcomes(report) == {
        "dealer:acme": "done",
        "monitoring_station:acme/central": "failed",
        "site:acme/hq": "skipped",
        "device:acme/hq/door": "skipped",
        "site:acme/depot": "done",
        "device:acme/depot/gate": "done",
    }
    assert "422" in outcome(report, "monitoring_station:acme/central").message
    assert "monitoring_station:acme/central" in outcome(report, "device:acme/hq/door").message
    assert not report.interrupted
    assert all_done(rig.apply(desired))
    assert rig.plan(desired).empty


def test_one_bad_device_of_a_batch_does_not_stop_the_others(rig: Rig) -> None:
    rig.account.faults[Address("device", ("acme", "hq", "gate")), "create"] = ["fail"]
    report = rig.apply([dealer(), site(), device(), device("gate", zone="002")])
    assert outcome(report, "device:acme/hq/door").status.value == "done"
    assert outcome(report, "device:acme/hq/gate").status.value == "failed"


def test_a_parent_keeps_standing_when_a_child_cannot_be_deleted(rig: Rig) -> None:
    rig.apply(FULL)
    rig.account.faults[Address("device", ("acme", "hq", "door")), "delete"] = ["fail"]
    report = rig.apply([dealer(), webhook()])
    assert outcomes(report)["device:acme/hq/door"] == "failed"
    assert outcomes(report)["site:acme/hq"] == "skipped"
    assert rig.account.find("site", "hq")
    assert Address("site", ("acme", "hq")) in rig.ledger.owned()


def test_a_site_whose_settings_fail_is_made_but_not_done(rig: Rig) -> None:
    rig.account.faults[Address("site", ("acme", "hq")), "update"] = ["fail"]
    desired = [dealer(), site(security_type="video"), device()]
    report = rig.apply(desired)
    assert outcome(report, "site:acme/hq").status.value == "failed"
    assert outcome(report, "site:acme/hq").message.startswith("in part done")
    assert rig.ledger.owned()[Address("site", ("acme", "hq"))].remote_id == "1"
    assert all_done(rig.apply(desired))


def test_values_the_server_replaces_are_remembered_and_are_no_drift(rig: Rig) -> None:
    rig.account.replaces = {("dealer", "company_name"): lambda _: "Acme Security Inc."}
    desired = [dealer(company_name="Acme Security")]
    rig.apply(desired)
    row = rig.ledger.owned()[Address("dealer", ("acme",))]
    assert row.replaced == {"company_name": Replaced("Acme Security", "Acme Security Inc.")}
    assert [event for event in rig.events if isinstance(event, ValueReplaced)]
    assert rig.plan(desired).empty
    rig.account.replaces = {}
    assert all_done(rig.apply([dealer(company_name="Acme Group")]))
    assert rig.ledger.owned()[Address("dealer", ("acme",))].replaced == {}


def test_no_secret_is_ever_remembered_as_replaced_or_kept(rig: Rig) -> None:
    rig.account.replaces = {("webhook", "secret"): lambda _: "other"}
    rig.apply([webhook()])
    everything = (
        repr(rig.ledger.owned()) + repr(rig.ledger._database.rows("SELECT * FROM intents")) + repr(rig.events)
    )
    stored = "".join(str(tuple(row)) for row in rig.ledger._database.rows("SELECT * FROM intents"))
    assert "swordfish" not in everything + stored
    assert rig.account.find("webhook", "https://hooks.example.com/feed")[0].fields["secret"] == "other"


def test_the_journal_digests_a_secret_with_the_ledgers_own_key(rig: Rig) -> None:
    other = Rig(Account())
    other.account.connect()
    for each in (rig, other):
        each.apply([dealer(), site(), webhook()])
    digests = [
        dict(map(tuple, each.ledger._database.rows("SELECT address, payload_digest FROM intents")))
        for each in (rig, other)
    ]
    assert digests[0]["site:acme/hq"] == digests[1]["site:acme/hq"]
    assert digests[0]["webhook:feed"] != digests[1]["webhook:feed"]


def test_a_changed_secret_is_sent_and_its_digest_kept(rig: Rig) -> None:
    rig.apply([webhook()])
    report = rig.apply([webhook(secret="OTHER_SECRET")])
    assert outcomes(report) == {"webhook:feed": "done"}
    assert rig.account.objects[-1].fields["secret"] == "marlin-1"
    assert rig.plan([webhook(secret="OTHER_SECRET")]).empty


def test_a_secret_that_cannot_be_resolved_fails_its_own_change_only(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    desired = [dealer(), site(), webhook(), webhook("second", secret="OTHER_SECRET")]
    planned = rig.plan(desired)

    def refuse(reference: SecretRef) -> str:
        if reference.name == "OTHER_SECRET":
            raise SecretError("OTHER_SECRET is not set")
        return "swordfish"

    monkeypatch.setattr(rigs, "secret", refuse)
    report = rig.carry_out(planned, desired)
    assert outcome(report, "webhook:second").message == "OTHER_SECRET is not set"
    assert outcomes(report)["webhook:feed"] == "done"


def test_the_ledgers_protection_follows_the_manifest_even_when_nothing_else_changes(rig: Rig) -> None:
    hq = Address("site", ("acme", "hq"))
    rig.apply([dealer(), site()])
    assert not rig.ledger.owned()[hq].protect
    rig.apply([dealer(), site(protect=True)])
    assert rig.ledger.owned()[hq].protect
    rig.scope = Scope(excludes=("site:acme/hq",))
    rig.apply([dealer(), site()])
    assert rig.ledger.owned()[hq].protect
    rig.scope = Scope()
    rig.apply([dealer(), site()])
    assert not rig.ledger.owned()[hq].protect


def test_a_row_of_something_that_is_gone_is_dropped(rig: Rig) -> None:
    rig.apply([dealer(), site(), device()])
    rig.account.objects = [stored for stored in rig.account.objects if stored.kind != "device"]
    rig.apply([dealer(), site()])
    assert Address("device", ("acme", "hq", "door")) not in rig.ledger.owned()


def test_a_stop_lets_what_is_in_flight_finish_and_begins_nothing_after(rig: Rig) -> None:
    desired = [dealer(), *(site(f"s{n}") for n in range(20))]
    rig.parallelism = 2
    rig.account.on_write = lambda _: rig.stop.set()
    report = rig.apply(desired)
    assert report.interrupted
    done = [address for address, status in outcomes(report).items() if status == "done" and "site" in address]
    assert 1 <= len(done) == len(rig.account.sent) <= 2
    assert set(outcomes(report).values()) == {"done", "skipped"}
    assert rig.ledger.unsettled() == []
    rig.stop.clear()
    rig.account.on_write = None
    assert all_done(rig.apply(desired))
    assert len([stored for stored in rig.account.objects if stored.kind == "site"]) == 20


def test_no_more_writes_are_in_flight_than_allowed(rig: Rig) -> None:
    rig.parallelism = 3
    together = threading.Barrier(3, timeout=20)

    def meet(writes: Sequence[Write]) -> None:
        together.wait()

    rig.account.on_write = meet
    report = rig.apply([dealer(), *(site(f"s{n}") for n in range(12))])
    assert all_done(report)
    assert rig.account.most_in_flight == 3


def test_every_write_is_journalled_before_it_is_sent(rig: Rig) -> None:
    unjournalled: list[Write] = []

    def look(writes: Sequence[Write]) -> None:
        keys = {intent.idempotency_key for intent in rig.ledger.unsettled()}
        unjournalled.extend(write for write in writes if write.idempotency_key not in keys)

    rig.account.on_write = look
    rig.apply(FULL)
    assert rig.account.sent
    assert unjournalled == []
    assert rig.ledger.unsettled() == []


def test_nothing_is_sent_once_the_journal_fails(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    desired = [dealer(), site(), device(), station()]
    planned = rig.plan(desired)

    def full(run: int, drafts: Sequence[IntentDraft], now: object) -> list[Intent]:
        raise LedgerError("the disk is full")

    monkeypatch.setattr(rig.ledger, "intend_all", full)
    with pytest.raises(LedgerError, match="disk is full"):
        rig.carry_out(planned, desired)
    assert rig.account.sent == []


def test_progress_is_told_once_a_step_and_counts_to_the_end(rig: Rig) -> None:
    rig.apply(FULL)
    started = [event for event in rig.events if isinstance(event, StepStarted)]
    finished = [event for event in rig.events if isinstance(event, StepFinished)]
    assert len(started) == len(finished) == 5
    assert [event.done for event in finished] == [1, 2, 3, 4, 5]
    assert {event.total for event in finished} == {5}


def test_references_by_name_travel_as_the_users_id(rig: Rig) -> None:
    calendar = resource("calendar:holidays", dates=["2026-12-25"], closed="away")
    schedule = resource(
        "schedule:nights",
        references=("calendar:holidays",),
        windows=[{"days": ["mon"], "arm": "18:00", "disarm": "08:00", "mode": "away"}],
        calendars=["calendar:holidays"],
    )
    desired: list[Resource] = [calendar, schedule]
    assert all_done(rig.apply(desired))
    assert rig.account.sent[-1].payload["calendars"] == ["holidays"]
    assert rig.plan(desired).empty


def test_the_dealer_surface_replaces_whole_contacts_and_needs_no_dealer(rig: Rig) -> None:
    rig.surfaces = surfaces("dealer", sandbox=False)
    hq = rig.account.put("site", ("12345",), "hq", name="Hq")
    contact = resource("contact:acme/hq/kim", first_name="Kim", last_name="Lee")
    desired = [dealer(), site(), contact]
    assert outcomes(rig.apply(desired))["contact:acme/hq/kim"] == "done"
    rig.apply([dealer(), site(), resource("contact:acme/hq/kim", first_name="Kim", last_name="Park")])
    update = rig.account.sent[-1]
    assert update.parent_ids == ("12345", hq.remote_id)
    assert (dict(update.payload), update.before["first_name"]) == ({"last_name": "Park"}, "Kim")
