"""Whatever goes wrong at whatever request, one more run makes it so: nothing twice, nothing lost.

Nothing of others is touched, the ledger owns exactly what is declared, and no write is left open. Every
request is struck by several faults here; ``benchmarks/chaos.py --matrix`` strikes every request with every
fault on every server, and dies at every boundary.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.sandbox import Fault, Switches
from tests.faults.matrix import BY_DESIGN, FAULTS, SERVERS, Stage, stage, strike
from tests.faults.projects import (
    AFTER,
    BEFORE,
    DEALER_AFTER,
    DEALER_BEFORE,
    STATION_AFTER,
    STATION_BEFORE,
)

SHARE = 5
"""Each fault strikes one in so many of the requests it can hit, another fault the next ones."""

HONOURED = SERVERS["keys honoured"]
HARDEST = SERVERS["keys ignored, duplicates accepted"]


@pytest.fixture(scope="module")
def partner(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Every kind, on the partner surface."""
    return stage(tmp_path_factory.mktemp("partner"), BEFORE, AFTER)


@pytest.fixture(scope="module")
def dealer(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Contacts, on the dealer surface."""
    return stage(tmp_path_factory.mktemp("dealer"), DEALER_BEFORE, DEALER_AFTER, "dealer")


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A station that is made anew while two sites refer to it; the server deletes nothing in use."""
    return stage(tmp_path_factory.mktemp("station"), STATION_BEFORE, STATION_AFTER)


def test_no_request_is_spared(partner: Stage) -> None:
    """The shares below leave no request of the whole apply without a fault."""
    struck = {
        number
        for place, name in enumerate(FAULTS)
        for number in partner.struck_by(name)[place % SHARE :: SHARE]
    }
    assert struck == set(range(1, len(partner.calls) + 1))


def failures(staged: Stage, directory: Path, name: str, switches: Switches, share: int = 1) -> list[str]:
    """What was not right after ``name`` struck one in ``share`` of the requests it can hit.

    Other faults strike others, so that no request is spared.
    """
    found = []
    first = list(FAULTS).index(name) % share
    for number in staged.struck_by(name)[first::share]:
        case = strike(staged, directory / "case", switches, [replace(FAULTS[name], nth=number)])
        if not case.good and (name, staged.calls[number - 1]) not in BY_DESIGN:
            found.append(f"{name} at {staged.calls[number - 1]}: {case.wrong} {case.quiet}")
    return found


@pytest.mark.parametrize("name", FAULTS)
def test_one_more_run_heals_every_fault(partner: Stage, tmp_path: Path, name: str) -> None:
    assert failures(partner, tmp_path, name, HONOURED, share=SHARE) == []


@pytest.mark.parametrize("name", FAULTS)
def test_one_more_run_heals_every_fault_on_the_dealer_surface(
    dealer: Stage, tmp_path: Path, name: str
) -> None:
    assert failures(dealer, tmp_path, name, HONOURED, share=4) == []


def test_a_station_in_use_is_made_anew_before_its_sites_turn_to_it_and_the_old_one_goes(
    station: Stage,
) -> None:
    writes = [call.split()[0] for call in station.calls if "/partner/" in call and "GET" not in call]
    assert writes == ["POST", "PATCH", "PATCH", "DELETE"]


@pytest.mark.parametrize("name", FAULTS)
def test_one_more_run_heals_the_renewal_of_a_station_in_use(
    station: Stage, tmp_path: Path, name: str
) -> None:
    assert failures(station, tmp_path, name, HONOURED, share=6) == []


def test_the_renewal_of_a_station_in_use_is_finished_by_the_next_run(station: Stage, tmp_path: Path) -> None:
    for at in range(1, station.boundaries + 1, 3):
        case = strike(station, tmp_path / "case", HARDEST if at % 2 else HONOURED, die_at=at)
        assert case.good, (at, case)


@pytest.mark.parametrize(
    "name", ["dropped before", "dropped after", "500 after", "cut", "stale list", "bulk entry fails"]
)
def test_nothing_is_made_twice_where_neither_keys_nor_refusals_protect_and_lists_lag(
    partner: Stage, tmp_path: Path, name: str
) -> None:
    assert failures(partner, tmp_path, name, HARDEST, share=4) == []


@pytest.mark.parametrize("server", ["keys ignored", "duplicates accepted"])
@pytest.mark.parametrize("name", ["dropped after", "stale list"])
def test_one_of_the_two_protections_is_enough(partner: Stage, tmp_path: Path, name: str, server: str) -> None:
    assert failures(partner, tmp_path, name, SERVERS[server], share=5) == []


def test_a_run_that_dies_anywhere_is_finished_by_the_next(partner: Stage, tmp_path: Path) -> None:
    """Before a request, after the server has done it, and around each entry of the journal."""
    for at in range(1, partner.boundaries + 1, 9):
        case = strike(partner, tmp_path / "case", HARDEST if at % 2 else HONOURED, die_at=at)
        assert case.good, (at, case)


def test_a_twin_that_a_proxy_made_is_left_to_a_person(partner: Stage, tmp_path: Path) -> None:
    """Where a proxy repeats a create, keys are ignored and duplicates accepted, there are two objects.

    The one that the ledger names is ours; whose the other is cannot be proven, so it stays.
    """
    number = partner.calls.index("POST /partner/v1/dealers/12345/sites") + 1
    case = strike(partner, tmp_path / "case", HARDEST, [Fault("twice", nth=number)])
    assert case.quiet.clean
    assert case.wrong == ["site depot is there twice", "site 4 (depot) should not be there"]


def test_another_write_s_answer_without_an_id_is_taken_for_the_server_s_value(
    partner: Stage, tmp_path: Path
) -> None:
    [(name, call)] = BY_DESIGN
    number = partner.calls.index(call) + 1
    case = strike(partner, tmp_path / "case", HONOURED, [replace(FAULTS[name], nth=number)])
    assert case.quiet.clean
    assert case.wrong == ["site:acme/hq: security_type is 3, not 'alarm_com'"]
