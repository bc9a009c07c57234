"""A list that cannot be read ends the plan with an error, which names the way to plan the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.sandbox import Fault
from tests.integration.conftest import Cli, Served

ACCOUNT = """
kind: dealer
id: acme
dealer_id: 12345
---
kind: site
id: hq
name: {name}
timezone: UTC
devices:
  - {{id: door, device_type: camera, zone_number: "001"}}
"""


@pytest.mark.parametrize("status", [403, 404])
def test_the_error_names_an_exclude_with_which_the_rest_is_planned(
    cli: Cli, served: Served, project: Callable[..., Path], status: int
) -> None:
    directory = project(account_yaml=ACCOUNT.format(name="HQ"))
    assert cli("apply", directory, "--yes").code == 0
    project(account_yaml=ACCOUNT.format(name="Headquarters"))
    served.sandbox.add_fault(Fault("status", method="GET", path=".*/devices", count=0, status=status))
    refused = cli("plan", directory, "--format", "json")
    assert refused.code == 1
    assert refused.json["error"]["hint"].endswith("--exclude 'device:acme/hq/**'.")
    planned = cli("plan", directory, "--exclude", "device:acme/hq/**", "--format", "json")
    assert planned.code == 0, planned.out
    assert planned.changes() == {"site:acme/hq": "update"}
    applied = cli("apply", directory, "--exclude", "device:acme/hq/**", "--yes")
    assert applied.code == 0, applied.out + applied.err
