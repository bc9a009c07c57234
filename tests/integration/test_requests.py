"""A run sends the requests it must and no more; the sandbox's log is the judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.integration.conftest import DEALER, ONE_SITE, Cli, Served


def test_a_plan_reads_each_collection_in_scope_once(
    example: Callable[[str], Path], cli: Cli, served: Served
) -> None:
    directory = example("quickstart")
    first = cli("plan", directory, "--format", "json")
    # Nothing exists yet: no site, so nothing to list below one.
    assert sorted(served.calls()) == [
        "GET /partner/v1/dealers/12345",
        "GET /partner/v1/dealers/12345/monitoring-stations",
        "GET /partner/v1/dealers/12345/sites",
        "GET /sim/v0/calendars",
        "GET /sim/v0/dealers/12345/apps",
        "GET /sim/v0/schedules",
    ]
    assert first.json["requests"]["read"] == 6

    assert cli("apply", directory, "--yes").code == 0
    served.forget()
    assert cli("plan", directory, "--format", "json").json["requests"]["read"] == 12
    below = [
        f"GET /partner/v1/dealers/12345/sites/{n}/{what}"
        for n in (1, 2)
        for what in ("arming-settings", "contacts", "devices")
    ]
    counted = Counter(served.calls())
    assert all(counted[call] == 1 for call in below)
    assert len(counted) == 12
    assert set(counted.values()) == {1}
    assert sum(record.path == "/oauth/token" for record in served.log()) == 1


def test_an_apply_writes_what_it_planned_and_verifies_what_it_touched(
    example: Callable[[str], Path], cli: Cli, served: Served
) -> None:
    directory = example("quickstart")
    predicted = cli("plan", directory, "--format", "json").json["requests"]["write"]
    served.forget()
    assert cli("apply", directory, "--yes").code == 0
    calls = served.calls()
    writes = [n for n, call in enumerate(calls) if not call.startswith("GET")]
    assert len(writes) == predicted
    read_before, read_after = calls[: writes[0]], calls[writes[-1] + 1 :]
    assert len(read_before) == 6
    assert max(Counter(read_after).values()) == 1
    assert len(read_before) + len(writes) + len(read_after) == len(calls)


def test_a_run_with_nothing_to_do_writes_nothing(
    example: Callable[[str], Path], cli: Cli, served: Served
) -> None:
    directory = example("quickstart")
    assert cli("apply", directory, "--yes").code == 0
    served.forget()
    assert cli("apply", directory, "--yes").code == 0
    assert len(served.calls()) == 12
    assert all(call.startswith("GET") for call in served.calls())


def test_a_target_reads_only_what_it_needs(example: Callable[[str], Path], cli: Cli, served: Served) -> None:
    directory = example("quickstart")
    assert cli("apply", directory, "--yes").code == 0
    served.forget()
    assert cli("plan", directory, "--target", "monitoring_station:acme/*").code == 0
    assert sorted(served.calls()) == [
        "GET /partner/v1/dealers/12345",
        "GET /partner/v1/dealers/12345/monitoring-stations",
    ]


def test_a_field_that_is_not_written_costs_no_request(
    project: Callable[..., Path], cli: Cli, served: Served
) -> None:
    directory = project(account_yaml=ONE_SITE)
    assert cli("apply", directory, "--yes").code == 0
    served.forget()
    assert cli("plan", directory).code == 0
    assert sorted(served.calls()) == [
        "GET /partner/v1/dealers/12345",
        "GET /partner/v1/dealers/12345/sites",
    ]


def test_every_request_of_a_run_carries_one_trace_id_and_every_write_its_own_key(
    example: Callable[[str], Path], cli: Cli, served: Served
) -> None:
    assert cli("apply", example("quickstart"), "--yes").code == 0
    log = [record for record in served.log() if record.path != "/oauth/token"]
    assert len({record.trace_id for record in log}) == 1
    keys = [record.idempotency_key for record in log if record.method != "GET"]
    assert None not in keys
    assert len(set(keys)) == len(keys)


def test_max_rate_slows_a_run_down_and_its_forecast(
    served: Served, cli: Cli, project: Callable[..., Path]
) -> None:
    sites = "".join(f"---\nkind: site\nid: s{n}\nname: S\ntimezone: UTC\n" for n in range(4))
    directory = project(account_yaml=DEALER + sites)
    quick = cli("plan", directory, "--format", "json").json["requests"]
    slow = cli("plan", directory, "--format", "json", "--max-rate", "600").json["requests"]
    assert slow["seconds"] > quick["seconds"]
