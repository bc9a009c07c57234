"""Whatever fails, wherever: only dependents are skipped, the next run finishes, nothing happens twice."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model import Address, Plan, Resource
from reconciler.planning.steps import steps
from reconciler.writes import OutcomeStatus, Report
from tests.engine.account import PARTNER, Account, Fault, Killed, dealer, device, site, station, webhook
from tests.engine.rig import Rig, all_done

NAMES = ("a", "b", "c")
REFUSALS: tuple[Fault, ...] = ("fail",)
LOSSES: tuple[Fault, ...] = ("lost", "lost before", "raise", "raise before", "no id")
DEATHS: tuple[Fault, ...] = ("kill", "kill before")


@st.composite
def projects(draw: st.DrawFn) -> list[Resource]:
    stations = draw(st.lists(st.sampled_from(NAMES), unique=True))
    found: list[Resource] = [
        dealer(),
        *(station(name, prefix=draw(st.sampled_from("XY"))) for name in stations),
    ]
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        at = draw(st.sampled_from([None, *stations]))
        kind = draw(st.sampled_from(["video", "alarm_com"]))
        # Written even where it is empty: what is not written would keep the reference as it was.
        empty = {} if at else {"monitoring_station": None}
        found.append(site(name, at=at, address1=draw(st.sampled_from("XY")), security_type=kind, **empty))
        for number in draw(st.lists(st.integers(1, 3), unique=True)):
            sort = draw(st.sampled_from(["camera", "bridge"]))
            found.append(device(f"d{number}", under=name, zone=f"00{number}", device_type=sort))
    found.extend(webhook(name) for name in draw(st.lists(st.sampled_from(NAMES[:2]), unique=True)))
    return found


def faults(kinds: tuple[Fault, ...]) -> st.SearchStrategy[list[tuple[int, str, list[Fault]]]]:
    """By number of the resource, operation, and what happens to each sending."""
    operations = st.sampled_from(["create", "update", "delete"])
    scripts = st.lists(st.sampled_from(kinds), min_size=1, max_size=4)
    return st.lists(st.tuples(st.integers(0, 30), operations, scripts), max_size=6)


def arrange(account: Account, chosen: list[tuple[int, str, list[Fault]]], known: list[Resource]) -> None:
    for number, operation, script in chosen:
        address = known[number % len(known)].address
        account.faults[address, operation] = list(script)


def check_dependencies(planned: Plan, desired: list[Resource], report: Report) -> None:
    """Done means that all it stands on is done; skipped means that something is not."""
    status = {outcome.address: outcome.status for outcome in report.outcomes}
    needs: dict[Address, set[Address]] = {}
    for step in steps(planned, desired, PARTNER):
        others = {key.address for key in step.depends_on if key.address != step.address}
        needs.setdefault(step.address, set()).update(others)
    for address, needed in needs.items():
        met = [status[other] is OutcomeStatus.DONE for other in needed]
        if status[address] is OutcomeStatus.SKIPPED:
            assert not all(met), address


def check_account(account: Account) -> None:
    counts = Counter((o.kind, o.parents, o.external_id) for o in account.objects)
    assert set(counts.values()) == {1}, counts


account_kinds = st.fixed_dictionaries({"remembers_keys": st.booleans(), "refuses_duplicates": st.booleans()})


@settings(max_examples=60, deadline=None)
@given(
    first=projects(),
    second=projects(),
    early=faults(REFUSALS + LOSSES + DEATHS),
    late=faults(REFUSALS + LOSSES + DEATHS),
    flags=account_kinds,
)
def test_after_any_failures_the_next_runs_finish_and_nothing_exists_twice(
    first: list[Resource],
    second: list[Resource],
    early: list[tuple[int, str, list[Fault]]],
    late: list[tuple[int, str, list[Fault]]],
    flags: dict[str, bool],
) -> None:
    account = Account(**flags)
    account.connect()
    rig = Rig(account)
    with rig.ledger:
        for desired, chosen in ((first, early), (second, late)):
            arrange(account, chosen, [*first, *second])
            try:
                planned = rig.plan(desired)
                check_dependencies(planned, desired, rig.carry_out(planned, desired))
            except Killed:
                pass
            check_account(account)
        account.faults.clear()
        rig.apply(second)
        check_account(account)
        for _ in range(2):
            # A run may find that an earlier one left values behind that only a fresh reading shows.
            last = rig.apply(second)
            assert all_done(last)
        assert rig.plan(second).empty
        assert rig.ledger.unsettled() == []
        assert set(rig.ledger.owned()) == {each.address for each in second}
        live = {(o.kind, o.external_id) for o in account.objects if o.kind != "dealer"}
        assert live == {
            (each.address.kind, each.external_id) for each in second if each.address.kind != "dealer"
        }


@settings(max_examples=40, deadline=None)
@given(desired=projects(), chosen=faults(REFUSALS))
def test_a_refusal_stops_its_dependents_and_nothing_else(
    desired: list[Resource], chosen: list[tuple[int, str, list[Fault]]]
) -> None:
    account = Account()
    account.connect()
    arrange(account, [(n, operation, ["fail"]) for n, operation, _ in chosen], desired)
    made = (address for address, operation in account.faults if operation == "create")
    refused = {address for address in made if address.kind != "dealer"}
    rig = Rig(account)
    with rig.ledger:
        report = rig.apply(desired)
        for outcome in report.outcomes:
            resource = next(each for each in desired if each.address == outcome.address)
            needed = {resource.parent, *resource.references} & refused
            parent = next((each for each in desired if each.address == resource.parent), None)
            needed |= set(parent.references) & refused if parent is not None else set()
            if outcome.address in refused:
                expected = {OutcomeStatus.SKIPPED if needed else OutcomeStatus.FAILED}
            elif needed:
                expected = {OutcomeStatus.SKIPPED}
            elif (outcome.address, "update") in account.faults or outcome.address.kind == "site":
                expected = {OutcomeStatus.DONE, OutcomeStatus.FAILED}
            else:
                expected = {OutcomeStatus.DONE}
            assert outcome.status in expected, outcome
