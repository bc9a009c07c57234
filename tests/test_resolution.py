"""What a person's word on a write does to ownership."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.errors import LedgerError
from reconciler.intents import IntentDraft, IntentStatus, Resolution
from reconciler.ledger import Ledger
from reconciler.model import Address, Operation, Owned
from reconciler.resolution import resolve
from tests.engine.account import site

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
HQ = Address("site", ("acme", "hq"))


def ledger_with(operation: Operation, *rows: Owned, remote_id: str | None = None) -> Ledger:
    ledger = Ledger.open(":memory:", "dev")
    for row in rows:
        ledger.record(row)
    run = ledger.begin_run("apply", "trace", "config", NOW)
    ledger.intend_all(run, [IntentDraft(HQ, operation, None, "d", remote_id, "hq")], NOW)
    return ledger


def say(ledger: Ledger, *, happened: bool, remote_id: str | None = None, protect: bool = False) -> None:
    declared = [site("depot", protect=not protect), site(protect=protect)]
    resolve(declared, ledger, HQ, happened=happened, remote_id=remote_id, by="kim", now=NOW)
    assert ledger.unsettled() == []


@pytest.mark.parametrize("protect", [True, False])
def test_what_was_created_is_owned_as_its_manifest_protects_it(*, protect: bool) -> None:
    with ledger_with("create") as ledger:
        say(ledger, happened=True, remote_id="17", protect=protect)
        assert ledger.owned() == {HQ: Owned(HQ, "17", "hq", protect=protect)}


def test_what_was_not_created_is_not_owned() -> None:
    with ledger_with("create") as ledger:
        say(ledger, happened=False)
        assert ledger.owned() == {}


@pytest.mark.parametrize(
    ("row", "happened", "owned"), [("17", True, False), ("18", True, True), ("17", False, True)]
)
def test_only_what_was_deleted_is_owned_no_longer(row: str, *, happened: bool, owned: bool) -> None:
    with ledger_with("delete", Owned(HQ, row, "hq"), remote_id="17") as ledger:
        say(ledger, happened=happened)
        assert (HQ in ledger.owned()) is owned


def test_an_id_may_be_its_own_already_or_that_of_something_elsewhere() -> None:
    elsewhere = Owned(Address("site", ("other", "hq")), "17", "hq")
    with ledger_with("create", Owned(HQ, "17", "hq"), elsewhere) as ledger:
        say(ledger, happened=True, remote_id="17")
        assert ledger.owned()[HQ].remote_id == "17"


@pytest.mark.parametrize("happened", [True, False])
def test_the_word_is_kept_and_the_writes_it_settled_are_named(*, happened: bool) -> None:
    with ledger_with("update", Owned(HQ, "17", "hq"), remote_id="17") as ledger:
        [intent] = ledger.unsettled()
        ledger.settle(intent, IntentStatus.UNKNOWN, None, NOW, seen="it shows neither")
        [intent] = ledger.unsettled()
        settled = resolve([], ledger, HQ, happened=happened, remote_id=None, by="kim", now=LATER)
        assert settled == [intent]
        assert ledger.unsettled() == []
        assert ledger.owned() == {HQ: Owned(HQ, "17", "hq")}
        assert ledger.resolutions() == [
            Resolution(HQ, "update", None, 1, happened, "17", "it shows neither", "kim", LATER)
        ]


def test_a_create_whose_id_an_answer_told_needs_no_other() -> None:
    with ledger_with("create", remote_id="17") as ledger:
        say(ledger, happened=True)
        assert ledger.owned() == {HQ: Owned(HQ, "17", "hq")}
    with ledger_with("create", remote_id="17") as ledger:
        say(ledger, happened=True, remote_id="18")
        assert ledger.owned() == {HQ: Owned(HQ, "18", "hq")}
        assert [each.remote_id for each in ledger.resolutions()] == ["18"]


def test_of_several_open_writes_of_an_address_the_id_is_the_creates() -> None:
    with ledger_with("update", remote_id="16") as ledger:
        run = ledger.begin_run("apply", "trace", "config", NOW)
        ledger.intend_all(run, [IntentDraft(HQ, "create", None, "d", None, "hq")], NOW)
        say(ledger, happened=True, remote_id="17")
        assert ledger.owned() == {HQ: Owned(HQ, "17", "hq")}
        assert [each.remote_id for each in ledger.resolutions()] == ["16", "17"]


def test_the_station_that_a_new_one_replaces_stays_owned_until_its_delete() -> None:
    central = Address("monitoring_station", ("acme", "central"))
    went = Address("monitoring_station", ("acme", "central#1"))
    with ledger_with("update") as ledger:
        ledger.record(Owned(central, "1", "central"))
        run = ledger.begin_run("apply", "trace", "config", NOW)
        ledger.intend_all(run, [IntentDraft(central, "create", None, "d", None, "central-2")], NOW)
        resolve([], ledger, central, happened=True, remote_id="2", by="kim", now=NOW)
        assert ledger.owned() == {
            central: Owned(central, "2", "central-2"),
            went: Owned(went, "1", "central"),
        }


DEPOT = Owned(Address("site", ("acme", "depot")), "18", "depot")
NO_USE = (
    "--id 17 says which object a create made, and no create of site:acme/hq is said to have happened",
    "Leave --id out.",
)


@pytest.mark.parametrize(
    ("operation", "seen", "happened", "remote_id", "expected"),
    [
        ("update", "", True, "17", NO_USE),
        ("delete", "", True, "17", NO_USE),
        ("create", "", False, "17", NO_USE),
        (
            "create",
            "",
            True,
            "18",
            ("the object 18 is site:acme/depot already", "Compare the ids in the portal."),
        ),
        (
            "create",
            "",
            True,
            None,
            (
                "the create of site:acme/hq happened, but which object it made is not known",
                "Find CHeKT's id of it in the portal and add --id ID.",
            ),
        ),
        (
            "create",
            "it may be 7",
            True,
            None,
            (
                "the create of site:acme/hq happened, but which object it made is not known: it may be 7",
                "Find CHeKT's id of it in the portal and add --id ID.",
            ),
        ),
    ],
)
def test_a_word_that_cannot_be_settles_nothing(
    operation: Operation, seen: str, *, happened: bool, remote_id: str | None, expected: tuple[str, str]
) -> None:
    with ledger_with(operation, DEPOT) as ledger:
        if seen:
            ledger.settle(ledger.unsettled()[0], IntentStatus.UNKNOWN, None, NOW, seen=seen)
        before = ledger.unsettled()
        with pytest.raises(LedgerError) as caught:
            say(ledger, happened=happened, remote_id=remote_id)
        assert (caught.value.message, caught.value.hint) == expected
        assert caught.value.address == HQ
        assert (ledger.unsettled(), ledger.resolutions()) == (before, [])
        assert ledger.owned() == {DEPOT.address: DEPOT}


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("site:acme/hg", "Did you mean site:acme/hq?"),
        ("site:acme/hq-feed", "Did you mean site:acme/hq or webhook:hq-feed?"),
        ("calendar:kr-holidays", "`reconciler ledger show --open` lists what is open."),
    ],
)
def test_what_has_no_open_write_is_told_with_what_looks_like_it(asked: str, hint: str) -> None:
    with ledger_with("create") as ledger:
        run = ledger.begin_run("apply", "trace", "config", NOW)
        ledger.intend_all(run, [IntentDraft(Address.parse("webhook:hq-feed"), "create", None, "d")], NOW)
        address = Address.parse(asked)
        with pytest.raises(LedgerError) as caught:
            resolve([], ledger, address, happened=True, remote_id=None, by="kim", now=NOW)
        assert caught.value.message == f"no write of {asked} is without a known outcome"
        assert (caught.value.hint, caught.value.address) == (hint, address)
