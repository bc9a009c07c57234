"""What the account proves of a write that an earlier run left open, case by case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from reconciler.engine import Recovery, recover
from reconciler.engine.events import IntentRecovered
from reconciler.engine.evidence import form
from reconciler.intents import IntentDraft, IntentStatus, Moved
from reconciler.kinds import REGISTRY
from reconciler.kinds.surfaces import Surfaces, surfaces
from reconciler.ledger import Ledger
from reconciler.model import Address, Collection, JsonValue, LiveObject, Owned, Replaced, Resource, Snapshot
from reconciler.planning.scope import Scope
from tests.engine.account import DEALER, NOW, PARTNER, resource, site

ACME = Address("dealer", ("acme",))
HQ = Address("site", ("acme", "hq"))
MAIN = Address("site", ("acme", "main"))
SEEN = Address("site", ("acme", "#7"))
OTHER = Address("site", ("acme", "#8"))
JOHN = Address("contact", ("acme", "hq", "john"))
JANE = Address("contact", ("acme", "hq", "jane"))
DOOR = Address("device", ("acme", "hq", "door"))
CENTRAL = Address("monitoring_station", ("acme", "central"))
SITES = Collection("site", ACME)
CONTACTS = Collection("contact", HQ)
CREATE = IntentDraft(HQ, "create", None, "digest", None, "hq")
DELETE = IntentDraft(HQ, "delete", None, "digest", "7", "hq")
HIRE = IntentDraft(JOHN, "create", None, "digest", None, "john")
DOE = {"first_name": "John", "last_name": "Doe"}
JOHN_DECLARED = resource("contact:acme/hq/john", **DOE)

NEVER = "it was never created, and is not declared any more"
MADE = "it was created by a run that broke off; it is 7"
KEPT = "it was not deleted, and is declared again"
GONE = "it was deleted by a run that broke off"
AS_WANTED = "its values are as they should be"
NOT_THERE = "what it was to change is not there any more"
UNSEEN = "it cannot be looked up in this environment"
HALFWAY = "the account shows neither the values from before nor those sent of "


def live(remote_id: str, external_id: str | None, kind: str = "site", **fields: JsonValue) -> LiveObject:
    return LiveObject(kind, remote_id, external_id, fields)


def owned_as(*rows: Owned) -> dict[Address, Owned]:
    return {row.address: row for row in rows}


class Case:
    """A ledger with one open intent, which was to move a field from one value to another by ``moves``."""

    def __init__(self, draft: IntentDraft, *owned: Owned, **moves: tuple[JsonValue, JsonValue]) -> None:
        self.ledger = Ledger.open(":memory:", "dev")
        for row in owned:
            self.ledger.record(row)
        self.owned = owned_as(*owned)
        run = self.ledger.begin_run("apply", "trace", "config", NOW)
        digests = {
            name: Moved(*(self.ledger.seen_digest(form(REGISTRY["site"], name, side)) for side in sides))
            for name, sides in moves.items()
        }
        [self.intent] = self.ledger.intend_all(run, [replace(draft, moves=digests)], NOW)

    def look(
        self,
        objects: Mapping[Address, LiveObject],
        desired: Sequence[Resource] = (),
        *,
        read: frozenset[Collection] = frozenset({SITES, CONTACTS}),
        on: Surfaces = PARTNER,
        scope: Scope | None = None,
    ) -> Recovery:
        return recover(
            self.ledger, Snapshot(objects, read), desired, self.owned, on, scope or Scope(), now=NOW
        )

    def settled(self, status: IntentStatus, message: str, *owned: Owned) -> Recovery:
        """What comes of a proof: the ledger says so too."""
        assert self.ledger.unsettled() == []
        assert self.ledger.owned() == owned_as(*owned)
        made = "7" if status is IntentStatus.DONE else self.intent.remote_id
        [kept] = self.ledger._database.rows("SELECT status, remote_id FROM intents")
        assert tuple(kept) == (status.value, made)
        told = IntentRecovered(self.intent.address, self.intent.operation, message)
        return Recovery(owned_as(*owned), (told,))

    def left_open(self) -> Recovery:
        """Nothing happened, or it is not for this run to say."""
        assert self.ledger.unsettled() == [self.intent]
        assert self.ledger.owned() == self.owned
        return Recovery(self.owned, open=(self.intent,))

    def unknown(self, what: str, seen: str, *perhaps: Address) -> Recovery:
        """Nobody knows, and the ledger says why."""
        assert self.ledger.unsettled() == [replace(self.intent, status=IntentStatus.UNKNOWN, seen=seen)]
        assert self.ledger.owned() == self.owned
        address = self.intent.address
        doubt = (
            f"whether its {what} of 2026-11-20 09:00:00 UTC happened is unknown, since {seen}; nothing is "
            f"sent for it until `reconciler ledger resolve {address}` with --happened or --did-not-happen, "
            "or a later look, settles that"
        )
        blocked = dict.fromkeys((address, *perhaps), doubt)
        return Recovery(self.owned, open=(self.intent,), doubts={address: doubt}, blocked=blocked)


class TestCreate:
    """By its external id, which no two objects of ours share."""

    def test_what_is_nowhere_and_still_declared_did_not_happen(self) -> None:
        case = Case(CREATE)
        assert case.look({OTHER: live("8", "other")}, [site()]) == case.left_open()

    def test_what_is_nowhere_and_declared_no_more_is_never_sent_again(self) -> None:
        case = Case(CREATE)
        assert case.look({}) == case.settled(IntentStatus.FAILED, NEVER)

    @pytest.mark.parametrize("protect", [True, False])
    def test_what_is_there_is_ours_and_as_protected_as_its_manifest_says(self, *, protect: bool) -> None:
        case = Case(CREATE)
        found = case.look({HQ: live("7", "hq")}, [site(protect=protect)])
        assert found == case.settled(IntentStatus.DONE, MADE, Owned(HQ, "7", "hq", protect=protect))

    def test_what_no_manifest_declares_any_more_is_ours_too(self) -> None:
        case = Case(CREATE)
        found = case.look({SEEN: live("7", "hq")})
        assert found == case.settled(IntentStatus.DONE, MADE, Owned(HQ, "7", "hq"))

    def test_a_manifest_that_names_it_by_now_owns_it(self) -> None:
        case = Case(CREATE)
        renamed = resource("site:acme/main", external_id="hq", protect=True)
        found = case.look({MAIN: live("7", "hq")}, [renamed])
        assert found == case.settled(IntentStatus.DONE, MADE, Owned(MAIN, "7", "hq", protect=True))

    def test_a_row_about_it_stays_as_it_is_and_one_about_another_object_does_not(self) -> None:
        ours = Owned(HQ, "7", "hq", replaced={"name": Replaced("Hq", "HQ")})
        case = Case(CREATE, ours)
        assert case.look({HQ: live("7", "hq")}) == case.settled(IntentStatus.DONE, MADE, ours)
        case = Case(CREATE, replace(ours, remote_id="6"))
        found = case.look({HQ: live("7", "hq")})
        assert found == case.settled(IntentStatus.DONE, MADE, Owned(HQ, "7", "hq"))

    def test_a_kind_that_is_not_served_is_gone_with_its_parent(self) -> None:
        case = Case(IntentDraft(Address("app", ("acme", "ai")), "create", None, "digest", None, "ai"))
        on, read = surfaces("dealer", sandbox=False), frozenset({Collection("dealer", None)})
        assert case.look({}, on=on, read=read) == case.settled(IntentStatus.FAILED, NEVER)

    @pytest.mark.parametrize("there", [True, False])
    def test_the_station_that_a_new_one_replaces_stays_ours_as_long_as_it_is_there(
        self, *, there: bool
    ) -> None:
        old = Owned(CENTRAL, "6", "central")
        case = Case(IntentDraft(CENTRAL, "create", None, "digest", None, "central-2"), old)
        stranger = Address("monitoring_station", ("acme", "#6"))
        objects = {CENTRAL: live("7", "central-2", "monitoring_station")}
        if there:
            objects[stranger] = live("6", "central", "monitoring_station")
        found = case.look(objects, read=frozenset({Collection("monitoring_station", ACME)}))
        outgoing = replace(old, address=Address("monitoring_station", ("acme", "central#6")))
        rows = [Owned(CENTRAL, "7", "central-2"), *([outgoing] if there else [])]
        assert found == case.settled(IntentStatus.DONE, MADE, *rows)

    def test_twins_prove_nothing(self) -> None:
        case = Case(CREATE)
        found = case.look({OTHER: live("8", "hq"), SEEN: live("7", "hq")}, [site()])
        assert found == case.unknown("create", "it may be the object 7 and 8", OTHER, SEEN)

    def test_where_ids_are_shown_an_object_without_one_is_somebody_elses(self) -> None:
        case = Case(CREATE)
        assert case.look({SEEN: live("7", None)}, [site()]) == case.left_open()
        nameless = Case(replace(CREATE, external_id=None))
        assert nameless.look({SEEN: live("7", None)}, [site()]) == nameless.left_open()
        case = Case(CREATE)
        assert case.look({SEEN: live("7", None)}) == case.settled(IntentStatus.FAILED, NEVER)


class TestCreateWithoutExternalIds:
    """By the fields that identify it, which anybody's object may have."""

    MINE = live("7", None, "contact", **DOE)

    @pytest.mark.parametrize("rows", [[], [Owned(JOHN, "6", None)]], ids=["not owned", "owned as another"])
    def test_one_that_is_alike_is_it(self, rows: list[Owned]) -> None:
        case = Case(HIRE, *rows)
        objects = {JOHN: self.MINE, JANE: live("8", None, "contact", first_name="Jane", last_name="Doe")}
        found = case.look(objects, [JOHN_DECLARED], on=DEALER)
        assert found == case.settled(IntentStatus.DONE, MADE, Owned(JOHN, "7", None))

    @pytest.mark.parametrize(
        ("rows", "there"),
        [
            ([], live("7", "someone", "contact", **DOE)),
            ([Owned(JANE, "7", None)], MINE),
            ([], live("7", None, "contact", first_name="John", last_name="Roe")),
            ([], live("7", None, "contact", first_name="Jack", last_name="Doe")),
        ],
        ids=["one with an external id", "one we own", "another last name", "another first name"],
    )
    def test_what_is_not_alike_or_not_free_is_not_it(self, rows: list[Owned], there: LiveObject) -> None:
        case = Case(HIRE, *rows)
        assert case.look({JANE: there}, [JOHN_DECLARED], on=DEALER) == case.left_open()
        undeclared = Case(HIRE, Owned(JANE, "7", None))
        assert undeclared.look({JANE: there}, on=DEALER) == undeclared.settled(
            IntentStatus.FAILED, NEVER, Owned(JANE, "7", None)
        )

    def test_one_that_shows_its_external_id_after_all_is_it_whoever_else_is_there(self) -> None:
        case = Case(HIRE)
        objects = {JOHN: replace(self.MINE, external_id="john"), JANE: live("8", None, "contact", **DOE)}
        found = case.look(objects, on=DEALER)
        assert found == case.settled(IntentStatus.DONE, MADE, Owned(JOHN, "7", "john"))

    def test_two_that_are_alike_leave_it_unknown(self) -> None:
        case = Case(HIRE)
        found = case.look(
            {JANE: self.MINE, JOHN: replace(self.MINE, remote_id="8")}, [JOHN_DECLARED], on=DEALER
        )
        assert found == case.unknown("create", "it may be the object 7 and 8", JANE, JOHN)

    def test_what_no_manifest_describes_any_more_may_be_any_stranger(self) -> None:
        case = Case(HIRE)
        found = case.look({JANE: live("7", None, "contact", first_name="Jane")}, on=DEALER)
        assert found == case.unknown("create", "it may be the object 7", JANE)


class TestDelete:
    """By CHeKT's id, which is never given twice."""

    def test_what_is_still_there_was_not_deleted(self) -> None:
        case = Case(DELETE, Owned(HQ, "7", "hq"))
        assert case.look({SEEN: live("7", None), OTHER: live("8", "hq")}) == case.left_open()

    def test_what_is_still_there_and_to_be_made_anew_is_deleted_by_the_same_write(self) -> None:
        case = Case(DELETE, Owned(HQ, "7", "hq"))
        anew = replace(site(), external_id="hq-2")
        assert case.look({HQ: live("7", "hq")}, [anew]) == case.left_open()

    def test_what_is_still_there_and_declared_again_is_not_deleted_any_more(self) -> None:
        mine = Owned(HQ, "7", "hq")
        case = Case(DELETE, mine)
        found = case.look({OTHER: live("8", "other"), HQ: live("7", "hq")}, [site()])
        assert found == case.settled(IntentStatus.FAILED, KEPT, mine)

    def test_what_is_gone_is_owned_no_longer(self) -> None:
        depot = Owned(MAIN, "8", "main")
        case = Case(DELETE, Owned(HQ, "7", "hq"), depot)
        assert case.look({MAIN: live("8", "main")}) == case.settled(IntentStatus.DONE, GONE, depot)

    def test_a_row_about_the_object_that_came_after_it_stays(self) -> None:
        newer = Owned(HQ, "9", "hq")
        case = Case(DELETE, newer)
        assert case.look({HQ: live("9", "hq")}) == case.settled(IntentStatus.DONE, GONE, newer)

    def test_without_a_row_there_is_nothing_to_forget(self) -> None:
        case = Case(DELETE)
        assert case.look({}) == case.settled(IntentStatus.DONE, GONE)


class TestUpdate:
    """By the values of before and those sent, of which the journal keeps digests."""

    ROW = Owned(HQ, "7", "hq")
    UPDATE = IntentDraft(HQ, "update", None, "digest", "7", "hq")
    SETTINGS = replace(UPDATE, part="arming_settings")

    @pytest.mark.parametrize(
        ("there", "desired"),
        [
            ({}, [site()]),
            ({HQ: live("7", "hq", name="Old")}, []),
            ({HQ: live("9", "hq", name="Old")}, [site()]),
        ],
        ids=["gone", "declared no more", "another in its place"],
    )
    def test_of_what_is_not_there_any_more_it_is_never_sent_again(
        self, there: dict[Address, LiveObject], desired: list[Resource]
    ) -> None:
        case = Case(self.UPDATE, self.ROW, name=("Old", "New"))
        assert case.look(there, desired) == case.settled(IntentStatus.FAILED, NOT_THERE, self.ROW)

    def test_it_happened_where_all_is_as_the_manifest_says_whatever_was_sent(self) -> None:
        case = Case(self.UPDATE, self.ROW, name=("Old", "New"))
        found = case.look({HQ: live("7", "hq", name="Hq", timezone="Asia/Seoul")}, [site()])
        assert found == case.settled(IntentStatus.DONE, AS_WANTED, self.ROW)

    def test_a_value_that_the_server_is_known_to_replace_is_as_the_manifest_says(self) -> None:
        row = replace(self.ROW, replaced={"name": Replaced("Hq", "HQ")})
        case = Case(self.UPDATE, row, name=("Old", "New"))
        found = case.look({HQ: live("7", "hq", name="HQ", timezone="Asia/Seoul")}, [site()])
        assert found == case.settled(IntentStatus.DONE, AS_WANTED, row)

    @pytest.mark.parametrize(
        ("shown", "verdict"),
        [
            ({"name": "Old", "address1": "1"}, "before"),
            ({"name": "New", "address1": "2"}, "sent"),
            ({"name": "New", "address1": "1"}, "address1, name"),
            ({"name": "Old", "address1": "2"}, "address1, name"),
            ({"name": "Else", "address1": "2"}, "address1, name"),
            ({"name": "Else", "address1": "1"}, "address1, name"),
            # A field that the account does not show says nothing.
            ({"name": "Old"}, "before"),
            ({"name": "New"}, "sent"),
            ({"name": "Else"}, "name"),
            ({}, "before"),
        ],
    )
    def test_else_it_is_judged_by_the_fields_that_it_was_to_move(
        self, shown: dict[str, JsonValue], verdict: str
    ) -> None:
        case = Case(self.UPDATE, self.ROW, name=("Old", "New"), address1=("1", "2"))
        found = case.look({HQ: live("7", "hq", **shown)}, [site(name="Newest")])
        expected = {
            "before": case.left_open,
            "sent": lambda: case.settled(IntentStatus.DONE, AS_WANTED, self.ROW),
        }
        assert found == expected.get(verdict, lambda: case.unknown("update", HALFWAY + verdict))()

    @pytest.mark.parametrize(("shown", "settled"), [("6", True), ("5", False)])
    def test_a_reference_is_judged_by_the_id_of_what_it_points_at(self, shown: str, *, settled: bool) -> None:
        case = Case(self.UPDATE, self.ROW, monitoring_station=("5", "6"))
        objects = {
            CENTRAL: live(shown, "central", "monitoring_station"),
            HQ: live("7", "hq", monitoring_station=str(CENTRAL)),
        }
        found = case.look(objects, [site(at="newest")])
        done = IntentStatus.DONE
        assert found == (case.settled(done, AS_WANTED, self.ROW) if settled else case.left_open())

    @pytest.mark.parametrize(
        ("draft", "shown"),
        [
            (UPDATE, {"name": "Hq", "timezone": "Asia/Seoul", "security_type": "alarm_com"}),
            (SETTINGS, {"name": "Else", "security_type": "video"}),
        ],
        ids=["the object", "its part"],
    )
    def test_the_endpoint_that_was_called_is_judged_by_its_own_fields(
        self, draft: IntentDraft, shown: dict[str, JsonValue]
    ) -> None:
        case = Case(draft, self.ROW)
        found = case.look({HQ: live("7", "hq", **shown)}, [site(security_type="video")])
        assert found == case.settled(IntentStatus.DONE, AS_WANTED, self.ROW)

    def test_a_part_that_is_halfway_is_named(self) -> None:
        case = Case(self.SETTINGS, self.ROW, security_type=("video", "alarm_com"))
        there = {HQ: live("7", "hq", security_type="panel_primary_bridge")}
        found = case.look(there, [site(security_type="alarm_com")])
        assert found == case.unknown("update of its arming_settings", f"{HALFWAY}security_type")

    def test_a_part_that_this_surface_does_not_show_is_unknown(self) -> None:
        case = Case(self.SETTINGS, self.ROW, security_type=("video", "alarm_com"))
        found = case.look({HQ: live("7", "hq", name="Hq")}, [site(security_type="alarm_com")], on=DEALER)
        assert found == case.unknown("update of its arming_settings", UNSEEN)


class TestWhatWasRead:
    """Absence is proven by a list that was read in full, or by the absence of what it would lie in."""

    NOTHING: frozenset[Collection] = frozenset()

    @pytest.mark.parametrize(
        ("draft", "objects", "read"),
        [
            (DELETE, {}, NOTHING),
            (DELETE, {ACME: live("1", None, "dealer")}, NOTHING),
            (replace(DELETE, address=DOOR), {HQ: live("7", "hq")}, frozenset({SITES})),
            (replace(DELETE, address=Address("webhook", ("feed",))), {}, frozenset({SITES})),
        ],
        ids=["nothing", "only its parent", "only the collection of its parent", "no parent to be gone"],
    )
    def test_what_was_not_read_is_unknown_unless_it_is_out_of_scope(
        self, draft: IntentDraft, objects: dict[Address, LiveObject], read: frozenset[Collection]
    ) -> None:
        case = Case(draft, self.owned(draft))
        assert case.look(objects, read=read) == case.unknown("delete", UNSEEN)
        case = Case(draft, self.owned(draft))
        here = Scope((str(draft.address),))
        assert case.look(objects, read=read, scope=here) == case.unknown("delete", UNSEEN)
        case = Case(draft, self.owned(draft))
        elsewhere = Scope(("app:**",))
        assert case.look(objects, read=read, scope=elsewhere) == case.left_open()

    @pytest.mark.parametrize(
        ("objects", "read"),
        [
            ({}, frozenset({Collection("device", HQ)})),
            ({}, frozenset({SITES})),
            ({}, frozenset({Collection("dealer", None)})),
            ({DOOR: live("9", "door", "device"), HQ: live("7", "hq")}, NOTHING),
        ],
        ids=["its collection", "its site is gone", "its dealer is gone", "another object in its place"],
    )
    def test_what_is_proven_gone_is_gone(
        self, objects: dict[Address, LiveObject], read: frozenset[Collection]
    ) -> None:
        draft = replace(DELETE, address=DOOR)
        case = Case(draft, self.owned(draft))
        assert case.look(objects, read=read) == case.settled(IntentStatus.DONE, GONE)

    @staticmethod
    def owned(draft: IntentDraft) -> Owned:
        return Owned(draft.address, draft.remote_id, draft.external_id)


def test_every_intent_is_judged_whatever_the_one_before_it_came_to() -> None:
    """One out of scope, two unknown, one done, one that did not happen, one more that is done."""
    ledger = Ledger.open(":memory:", "dev")
    run = ledger.begin_run("apply", "trace", "config", NOW)
    sites = [Address("site", ("acme", name)) for name in ("one", "two", "three", "four")]
    [one, two, three, four] = sites
    feed, app = Address("webhook", ("feed",)), Address("app", ("acme", "ai"))
    addresses = [feed, app, one, two, three, four]
    drafts = [IntentDraft(each, "create", None, "digest", None, each.id) for each in addresses]
    intents = ledger.intend_all(run, drafts, NOW)
    objects = {
        one: live("1", "one"),
        OTHER: live("8", "one"),
        two: live("2", "two"),
        four: live("4", "four"),
    }
    found = recover(
        ledger,
        Snapshot(objects, frozenset({SITES})),
        [site("three")],
        {},
        PARTNER,
        Scope(("dealer:acme",)),
        now=NOW,
    )
    assert [each.address for each in found.found] == [two, four]
    assert found.open == (intents[0], intents[1], intents[2], intents[4])
    assert list(found.doubts) == [app, one]
    assert found.blocked == {app: found.doubts[app], one: found.doubts[one], OTHER: found.doubts[one]}
    assert found.owned == ledger.owned() == owned_as(Owned(two, "2", "two"), Owned(four, "4", "four"))
    assert [each.address for each in ledger.unsettled()] == [feed, app, one, three]
