"""What the API cannot do is a person's work: listed with its steps, attested, and compared from then on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.sandbox import dealer_key
from tests.integration.conftest import Cli, Served

SETTINGS = """
version: 1
environments:
  real: {{base_url: "{url}", surface: {surface}, sandbox: false, accept: {accept}}}
"""

APP = """
kind: dealer
id: acme
dealer_id: 12345
---
kind: app
id: verifier
permissions: ["devices:read"]
"""


def real(
    served: Served,
    project: Callable[..., Path],
    text: str,
    surface: str = "partner",
    accept: str = "inferred",
) -> Path:
    """A project whose environment is treated as a real host, though the simulator answers."""
    url = served.server.url
    return project(
        account_yaml=text, reconciler_yaml=SETTINGS.format(url=url, surface=surface, accept=accept)
    )


def test_a_manual_change_is_pending_until_it_is_attested(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = real(served, project, APP)
    planned = cli("plan", directory, "--env", "real", "--detailed-exitcode")
    assert planned.code == 2
    assert "! manual app:acme/verifier" in planned.out
    assert "Settings, CHeKT Apps" in planned.out
    applied = cli("apply", directory, "--env", "real", "--yes")
    assert applied.code == 0
    assert "left to a person" in applied.out
    assert cli("drift", directory, "--env", "real").changes() == {"app:acme/verifier": "manual"}

    assert cli("attest", "app:acme/verifier", directory, "--env", "real").code == 0
    assert cli("drift", directory, "--env", "real").code == 0

    (directory / "account.yaml").write_text(APP.replace("devices:read", "events:read"), encoding="utf-8")
    changed = cli("drift", directory, "--env", "real")
    assert changed.json["changes"][0]["fields"][0]["before"] == ["devices:read"]
    (directory / "account.yaml").write_text(APP.split("---", maxsplit=1)[0], encoding="utf-8")
    removed = cli("plan", directory, "--env", "real")
    assert "! manual app:acme/verifier" in removed.out
    assert cli("attest", "app:acme/verifier", directory, "--env", "real").code == 0
    assert cli("drift", directory, "--env", "real").code == 0
    assert not any("/sim/v0" in call for call in served.calls())


def test_attesting_what_is_not_manual_is_refused(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = real(served, project, APP)
    for address in ("dealer:acme", "app:acme/other", "nonsense"):
        refused = cli("attest", address, directory, "--env", "real")
        assert refused.code == 1
        assert "Error:" in refused.err


@pytest.mark.parametrize(("accept", "code"), [("documented", 1), ("inferred", 0)])
def test_a_write_below_the_accepted_grade_is_refused_with_its_endpoint(
    accept: str, code: int, cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    text = APP.split("---", maxsplit=1)[0] + "company_email: a@example.com\n"
    directory = real(served, project, text, accept=accept)
    result = cli("plan", directory, "--env", "real", "--format", "json")
    assert result.code == code
    if code:
        assert result.json["error"]["code"] == "unsupported"
        assert "PATCH /partner/v1/dealers/{dealer_id}" in result.out
        assert "environments.real.accept" in result.out


def test_a_corrected_endpoint_is_used_and_vouched_for(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    text = APP.split("---", maxsplit=1)[0] + "company_email: a@example.com\n"
    directory = real(served, project, text, accept="documented")
    settings = directory / "reconciler.yaml"
    settings.write_text(
        settings.read_text(encoding="utf-8")
        + 'endpoints: {dealer: {update: "PATCH /partner/v1/dealers/{dealer_id}"}}\n',
        encoding="utf-8",
    )
    assert cli("apply", directory, "--env", "real", "--yes").code == 0


DEALER_SITE = """
kind: dealer
id: acme
dealer_id: 12345
---
kind: site
id: nowhere
name: Nowhere
timezone: UTC
"""


def test_the_dealer_surface_cannot_make_a_site_and_says_so_at_plan(
    cli: Cli, served: Served, project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHEKT_API_KEY", dealer_key(12345))
    directory = real(served, project, DEALER_SITE, surface="dealer")
    refused = cli("plan", directory, "--env", "real", "--format", "json")
    assert refused.json["error"]["code"] == "unsupported"
    assert refused.json["error"]["address"] == "site:acme/nowhere"
    assert refused.json["error"]["source"] == {"file": "account.yaml", "line": 6, "column": 1}


def test_one_ledger_is_about_one_account(
    cli: Cli, served: Served, project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = real(served, project, APP)
    assert cli("apply", directory, "--env", "real", "--yes").code == 0
    monkeypatch.setenv("CHEKT_BASE_URL", served.server.url.replace("127.0.0.1", "localhost"))
    refused = cli("plan", directory, "--env", "real", "--format", "json")
    assert refused.json["error"]["code"] == "ledger"
