"""A monitoring station in use gets a new external id, on a server that deletes nothing in use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.integration.conftest import DEALER, Cli, Served

STATION = "---\nkind: monitoring_station\nid: central\nname: Central\n"
SITE = "---\nkind: site\nid: {}\nname: {}\ntimezone: UTC\nmonitoring_station: central\n"
SITES = SITE.format("hq", "HQ") + SITE.format("depot", "Depot")
RENEWED = f"{STATION}external_id: central-2\n"


def test_it_is_made_anew_its_sites_turn_to_it_and_the_old_one_goes(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=DEALER + STATION + SITES)
    assert cli("apply", directory, "--yes").code == 0
    (directory / "account.yaml").write_text(DEALER + RENEWED + SITES, encoding="utf-8")
    served.forget()
    result = cli("apply", directory, "--yes", "--allow-deletes", 1)
    assert result.code == 0, result.out + result.err
    writes = [call.split()[0] for call in served.calls() if "/partner/" in call and "GET" not in call]
    assert writes == ["POST", "PATCH", "PATCH", "DELETE"]
    assert cli("plan", directory, "--detailed-exitcode").code == 0
    shown = cli("ledger", "show", directory)
    assert "monitoring_station:acme/central" in shown.out
    assert "#" not in shown.out


def test_a_site_outside_the_run_that_refers_to_it_refuses_the_plan(
    cli: Cli, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=DEALER + STATION + SITES)
    assert cli("apply", directory, "--yes").code == 0
    (directory / "account.yaml").write_text(DEALER + RENEWED + SITES, encoding="utf-8")
    result = cli("plan", directory, "--target", "monitoring_station:**", "--allow-deletes", 1)
    assert result.code == 1
    assert "site:acme/depot still refers to it" in result.out + result.err


def test_what_another_external_id_names_already_is_taken_over_and_the_old_one_goes(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    """A first attempt whose create was refused, although it had arrived, ends like that."""
    directory = project(account_yaml=DEALER + STATION + SITES)
    assert cli("apply", directory, "--yes").code == 0
    served.sandbox.set_up(12345, {"monitoring_stations": [{"external_id": "central-2", "name": "Central"}]})
    (directory / "account.yaml").write_text(DEALER + RENEWED + SITES, encoding="utf-8")
    planned = cli("plan", directory, "--format", "json", "--allow-deletes", 1)
    assert planned.changes() == {
        "monitoring_station:acme/central": "adopt",
        "monitoring_station:acme/central#1": "delete",
        "site:acme/depot": "update",
        "site:acme/hq": "update",
    }
    assert cli("apply", directory, "--yes", "--allow-deletes", 1).code == 0
    assert cli("plan", directory, "--detailed-exitcode").code == 0


def test_a_station_that_goes_has_its_sites_looked_at_whatever_the_target(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = project(account_yaml=DEALER + STATION + SITES)
    assert cli("apply", directory, "--yes").code == 0
    alone = SITES.replace("monitoring_station: central\n", "")
    (directory / "account.yaml").write_text(DEALER + alone, encoding="utf-8")
    result = cli("plan", directory, "--target", "monitoring_station:**", "--allow-deletes", 1)
    assert result.code == 1
    assert "would be deleted, but site:acme/depot still refers to it" in result.out + result.err
