"""A write that an apply has made and read again is no guess any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reconciler.ledger import Ledger
from reconciler.sandbox import Fault, Switches
from tests.integration.conftest import DEALER, ONE_SITE, Cli, Served


def test_an_update_that_was_verified_is_accepted_from_then_on(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    served.sandbox.switches = Switches(rate_limits=False)
    settings = "environments:\n  real: {{base_url: '{url}', sandbox: false, accept: {accept}}}\n"

    def write(name: str, accept: str) -> Path:
        text = settings.format(url=served.server.url, accept=accept)
        return project(reconciler_yaml=text, sites_yaml=ONE_SITE.replace("HQ", name))

    directory = write("One", "documented")
    assert cli("apply", directory, "--env", "real", "--yes").code == 0
    refused = cli("plan", write("Two", "documented"), "--env", "real")
    assert (refused.code, "is inferred only" in refused.err) == (1, True)
    allowed = cli("apply", write("Two", "inferred"), "--env", "real", "--yes")
    assert allowed.code == 0, allowed.err
    again = cli("plan", write("Three", "documented"), "--env", "real")
    assert (again.code, "(inferred)" in again.out.partition("Warning")[0]) == (0, False), again.err


def test_a_delete_of_what_was_gone_already_confirms_nothing(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory = project(sites_yaml=ONE_SITE)
    assert cli("apply", directory, "--yes").code == 0
    served.sandbox.add_fault(Fault("status", method="DELETE", path="/partner/.*", status=404, when="after"))
    project(sites_yaml=DEALER)
    assert cli("apply", directory, "--yes", "--allow-deletes", 1).code == 0
    with Ledger.open(directory / ".reconciler" / "ledger.db", "embedded") as ledger:
        confirmed = {each.endpoint.split()[0] for each in ledger.confirmations()}
    assert confirmed == {"POST"}
