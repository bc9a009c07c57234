"""One object that exists is taken over: by ``adopt`` in a manifest, or by ``import ADDRESS ID``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import ONE_SITE, Cli, Served


def owned(cli: Cli, directory: Path) -> dict[str, tuple[str, str | None]]:
    rows = cli("ledger", "show", directory, "--format", "json").json["owned"]
    return {row["address"]: (row["remote_id"], row["external_id"]) for row in rows}


@pytest.fixture
def portal(served: Served) -> Callable[..., int]:
    """Makes a site the way a person does in the portal; its number."""

    def made(external_id: str | None = None, **fields: Any) -> int:
        body = {"name": "HQ", "timezone": "UTC", **fields}
        store, now = served.sandbox.store, served.sandbox.clock.now().timestamp()
        return store.insert("site", "12345", external_id, body, now).id

    return made


@pytest.mark.parametrize("external_id", [None, "GNG/1"], ids=["without external id", "with another one"])
def test_adopt_takes_an_object_over_without_a_write_and_is_inert_afterwards(
    cli: Cli, served: Served, project: Callable[..., Path], portal: Callable[..., int], external_id: str
) -> None:
    number = portal(external_id)
    directory = project(account_yaml=ONE_SITE + f'adopt: {{id: "{number}"}}\n')
    assert cli("plan", directory, "--format", "json").changes()["site:acme/hq"] == "adopt"
    served.forget()
    applied = cli("apply", directory, "--yes")
    assert applied.code == 0, applied.err
    assert not [call for call in served.calls() if not call.startswith("GET")]
    assert owned(cli, directory)["site:acme/hq"] == (str(number), external_id)
    for text in (
        ONE_SITE + f"adopt: {{id: {number}}}\n",
        ONE_SITE,
        ONE_SITE.replace("name: HQ", "name: New"),
    ):
        project(account_yaml=text)
        changes = cli("plan", directory, "--format", "json").changes()
        assert changes == ({"site:acme/hq": "update"} if "New" in text else {})


def test_adopt_of_what_is_not_there_is_no_reason_to_make_it(cli: Cli, project: Callable[..., Path]) -> None:
    directory = project(account_yaml=ONE_SITE + 'adopt: {id: "17"}\n')
    refused = cli("plan", directory, "--format", "json").json["error"]
    assert (refused["code"], refused["address"]) == ("plan", "site:acme/hq")
    assert "no site 17 to adopt" in refused["message"]


def test_an_adopt_that_names_another_object_than_the_owned_one_is_told_of(
    cli: Cli, project: Callable[..., Path], served: Served
) -> None:
    directory = project(account_yaml=ONE_SITE)
    assert cli("apply", directory, "--yes").code == 0
    project(account_yaml=ONE_SITE + 'adopt: {id: "99"}\n')
    planned = cli("plan", directory, "--format", "json")
    assert planned.changes() == {}
    assert "adopt names 99" in " ".join(planned.json["warnings"])


def test_import_takes_one_object_over_and_shows_what_follows(
    cli: Cli, served: Served, project: Callable[..., Path], portal: Callable[..., int]
) -> None:
    number = portal(name="Old name")
    directory = project(account_yaml=ONE_SITE)
    served.forget()
    imported = cli("import", "site:acme/hq", number, directory)
    assert imported.code == 0, imported.err
    assert '"Old name" -> "HQ"' in imported.out
    assert not [call for call in served.calls() if not call.startswith("GET")]
    assert owned(cli, directory)["site:acme/hq"] == (str(number), None)
    assert cli("plan", directory, "--format", "json").changes()["site:acme/hq"] == "update"


def test_import_refuses_what_it_cannot_prove(
    cli: Cli, served: Served, project: Callable[..., Path], portal: Callable[..., int]
) -> None:
    number = portal()
    directory = project(account_yaml=ONE_SITE + "---\n" + ONE_SITE.split("---\n")[1].replace("hq", "other"))
    for arguments, said in (
        (("site:acme/nowhere", number), "matches no resource"),
        (("site", number), "is not an address"),
        (("site:acme/hq", 4711), "no site 4711"),
        (("dealer:acme", 12345), "taken over by its dealer_id"),
    ):
        refused = cli("import", *arguments, directory)
        assert refused.code == 1
        assert said in refused.err
    assert owned(cli, directory) == {}
    assert cli("import", "site:acme/hq", number, directory).code == 0
    assert "owned already, as site:acme/hq" in cli("import", "site:acme/other", number, directory).err
    assert "nothing to import" in cli("import", "site:acme/hq", number, directory).err


@pytest.mark.parametrize(
    "option", ["--dealer=acme=1", "--timezone=UTC", "--target=site:*", "--exclude=site:*"]
)
def test_what_limits_a_whole_account_is_refused_beside_one_object(
    cli: Cli, project: Callable[..., Path], option: str
) -> None:
    refused = cli("import", "site:acme/hq", "17", project(account_yaml=ONE_SITE), option)
    assert (refused.code, "whole account" in refused.err) == (1, True)
