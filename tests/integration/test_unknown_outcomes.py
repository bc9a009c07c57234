"""A write whose outcome nobody can prove: shown everywhere, blocking only itself, settled by a person."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.intents import IntentDraft
from reconciler.ledger import EnvironmentLock, Ledger, user_name
from reconciler.model import Address
from tests.integration.conftest import TWO_SITES, Cli, Served

HQ = Address("site", ("acme", "hq"))
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture
def directory(project: Callable[..., Path], served: Served, cli: Cli) -> Path:
    """A run broke off while it made HQ, and the account shows two sites with its external id."""
    path = project(account_yaml=TWO_SITES)
    assert cli("plan", path).code == 0  # the account knows its dealer from now on
    with served.sandbox.store.transaction():
        for name in ("Headquarters", "Headquarters again"):
            served.sandbox.store.insert("site", "12345", "hq", {"name": name}, NOW.timestamp())
    with book(path) as ledger:
        run = ledger.begin_run("apply", "trace", "config", NOW)
        ledger.intend_all(run, [IntentDraft(HQ, "create", None, "digest", external_id="hq")], NOW)
    served.forget()
    return path


def book(directory: Path) -> Ledger:
    return Ledger.open(directory / ".reconciler" / "ledger.db", "embedded")


def posts(served: Served) -> list[str]:
    return [call for call in served.calls() if not call.startswith("GET")]


def test_a_plan_and_a_drift_warn_of_it(directory: Path, cli: Cli, served: Served) -> None:
    for command in ("plan", "drift"):
        made = cli(command, directory, "--format", "json")
        [warning] = [each for each in made.json["warnings"] if "unknown" in each]
        assert warning.startswith("site:acme/hq: whether its create of 2026-11-20 09:00:00 UTC happened")
        assert "reconciler ledger resolve site:acme/hq" in warning
    assert "reconciler ledger resolve" in cli("plan", directory).out
    assert posts(served) == []


def test_an_apply_blocks_it_and_does_the_rest(directory: Path, cli: Cli, served: Served) -> None:
    applied = cli("apply", directory, "--yes", "--format", "json")
    assert (applied.code, applied.json["error"]["code"]) == (1, "partial_apply")
    statuses = {each["address"]: each["status"] for each in applied.json["outcomes"]}
    assert statuses == {
        "dealer:acme": "done",
        "site:acme/hq": "unknown",
        "device:acme/hq/door": "skipped",
        "site:acme/depot": "done",
    }
    assert len([call for call in posts(served) if call.endswith("/sites")]) == 1


def test_it_is_listed_with_what_was_seen_and_what_to_do(directory: Path, cli: Cli) -> None:
    before = cli("ledger", "show", directory, "--open", "--format", "json").json["unsettled"]
    assert [(each["status"], each["seen"]) for each in before] == [("open", "")]
    cli("apply", directory, "--yes")
    [intent] = cli("ledger", "show", directory, "--open", "--format", "json").json["unsettled"]
    assert intent == {
        "address": "site:acme/hq",
        "operation": "create",
        "part": None,
        "status": "unknown",
        "intended_at": "2026-11-20T09:00:00.000000+00:00",
        "run": 1,
        "external_id": "hq",
        "remote_id": None,
        "seen": intent["seen"],
        "to_do": "look at it in the portal, then: reconciler ledger resolve site:acme/hq --happened --id ID, "
        "or --did-not-happen",
    }
    assert intent["seen"].startswith("it may be the object ")
    text = cli("ledger", "show", directory, "--open").out
    for part in (
        "create of site:acme/hq: unknown",
        "run 1, external id hq",
        intent["seen"],
        "--did-not-happen",
    ):
        assert part in text


def test_a_person_says_which_one_it_is_and_the_rest_follows(
    directory: Path, cli: Cli, served: Served
) -> None:
    mine = served.site_id("hq")
    said = cli("ledger", "resolve", "site:acme/hq", directory, "--happened", "--id", mine)
    assert (said.code, said.out) == (0, "Settled: the create of site:acme/hq happened.\n")
    with book(directory) as ledger:
        assert ledger.owned()[HQ].remote_id == str(mine)
        assert ledger.owned()[HQ].external_id == "hq"
        assert ledger.unsettled() == []
        [word] = ledger.resolutions()
        assert (word.address, word.happened, word.remote_id) == (HQ, True, str(mine))
        assert word.resolved_by == user_name()
    shown = cli("ledger", "show", directory).out
    assert f"create of site:acme/hq happened (id {mine}), says {user_name()}" in shown


def test_a_person_says_that_it_did_not_happen_and_it_is_made(
    directory: Path, cli: Cli, served: Served
) -> None:
    for _ in range(2):  # both are somebody else's mistake, removed in the portal
        with served.sandbox.store.transaction():
            row = served.sandbox.store.get("site", served.site_id("hq"))
            assert row is not None
            served.sandbox.store.delete(row, NOW.timestamp())
    assert cli("ledger", "resolve", "site:acme/hq", directory, "--did-not-happen").code == 0
    assert (
        cli("ledger", "show", directory, "--open").out == "embedded: the outcome of every write is known.\n"
    )
    [word] = cli("ledger", "show", directory, "--format", "json").json["resolutions"]
    assert (word["happened"], word["remote_id"], word["operation"]) == (False, None, "create")
    assert cli("apply", directory, "--yes").code == 0
    assert cli("plan", directory, "--detailed-exitcode").code == 0


def test_the_twin_of_what_a_person_named_blocks_nothing_and_is_left_alone(
    directory: Path, cli: Cli, served: Served
) -> None:
    (directory / "reconciler.yaml").write_text(
        "version: 1\nownership: {external_id_prefix: hq}\n", encoding="utf-8"
    )
    twins = [row.id for row in served.sandbox.store.within("site", "12345") if row.external_id == "hq"]
    with served.sandbox.store.transaction():
        for twin in twins:
            served.sandbox.store.insert("device", f"12345/{twin}", "hq-door", {}, NOW.timestamp())
    assert cli("ledger", "resolve", "site:acme/hq", directory, "--happened", "--id", twins[0]).code == 0
    planned = cli("plan", directory, "--format", "json", "--allow-deletes", 1)
    assert [each for each, action in planned.changes().items() if action == "delete"] == [
        "device:acme/hq/hq-door"
    ]
    [warning] = [each for each in planned.json["warnings"] if "another object" in each]
    assert warning.startswith(f"site:acme/#{twins[1]} has the external id of site:acme/hq")
    applied = cli("apply", directory, "--yes", "--allow-deletes", 1)
    assert applied.code == 0, applied.out + applied.err
    assert len(list(served.sandbox.store.below(f"12345/{twins[1]}"))) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("site:acme/hq",), "invalid_config", "Write --happened or --did-not-happen."),
        (("site:acme/hq", "--did-not-happen", "--happened", "--id", "7"), "invalid_config", "both"),
        (("site:acme/hq", "--happened"), "ledger", "add --id ID"),
        (("site:acme/hk", "--happened"), "ledger", "Did you mean site:acme/hq?"),
        (("webhook:feed", "--happened"), "ledger", "ledger show --open"),
        (("hq", "--happened"), "invalid_config", "site:acme/gangnam-hq"),
        (("site:acme/hq", "--did-not-happen", "--id", "7"), "ledger", "Leave --id out."),
    ],
)
def test_a_word_that_settles_nothing_is_refused(
    directory: Path, cli: Cli, arguments: tuple[str, ...], code: str, told: str
) -> None:
    address, *rest = arguments
    refused = cli("ledger", "resolve", address, directory, *rest)
    assert refused.code == 1
    assert told in refused.err
    with book(directory) as ledger:
        assert len(ledger.unsettled()) == 1
        assert ledger.resolutions() == []


def test_the_id_of_another_resource_is_refused(directory: Path, cli: Cli, served: Served) -> None:
    cli("apply", directory, "--yes")
    depot = served.site_id("depot")
    refused = cli("ledger", "resolve", "site:acme/hq", directory, "--happened", "--id", depot)
    assert f"the object {depot} is site:acme/depot already" in refused.err


def test_a_word_needs_the_lock(directory: Path, cli: Cli) -> None:
    with EnvironmentLock(directory / ".reconciler", "embedded", command="apply", now=NOW):
        refused = cli("ledger", "resolve", "site:acme/hq", directory, "--did-not-happen")
    assert "is locked by `apply`" in refused.err
    with book(directory) as ledger:
        assert len(ledger.unsettled()) == 1


def test_what_a_person_said_cannot_be_changed(directory: Path, cli: Cli) -> None:
    cli("ledger", "resolve", "site:acme/hq", directory, "--did-not-happen")
    connection = sqlite3.connect(directory / ".reconciler" / "ledger.db")
    for statement in ("UPDATE resolutions SET happened = 1", "DELETE FROM resolutions"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


def test_a_delete_that_happened_ends_ownership(directory: Path, cli: Cli, served: Served) -> None:
    cli("ledger", "resolve", "site:acme/hq", directory, "--happened", "--id", served.site_id("hq"))
    with book(directory) as ledger:
        run = ledger.begin_run("apply", "trace", "config", NOW)
        remote_id: Any = ledger.owned()[HQ].remote_id
        ledger.intend_all(run, [IntentDraft(HQ, "delete", None, "digest", remote_id=remote_id)], NOW)
    assert cli("ledger", "resolve", "site:acme/hq", directory, "--happened").code == 0
    with book(directory) as ledger:
        assert HQ not in ledger.owned()
