"""An apply of which a part fails: what was done stands in the report, and running it again finishes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reconciler.sandbox import Fault
from tests.integration.conftest import Cli, Served

ACCOUNT = """
kind: dealer
id: acme
dealer_id: 12345
---
kind: site
id: hq
name: Headquarters
timezone: Asia/Seoul
devices:
  - {id: door, device_type: camera, zone_number: "001"}
contacts:
  - {id: john, first_name: John, last_name: Doe}
"""


def test_children_of_a_new_site_that_all_fail_are_reported_with_what_was_done(
    cli: Cli, project: Callable[..., Path], served: Served
) -> None:
    directory = project(account_yaml=ACCOUNT)
    served.sandbox.add_fault(Fault("status", method="POST", path=".*/contacts", count=1, status=422))
    first = cli("apply", directory, "--yes", "--format", "json")
    assert (first.code, first.json["error"]["code"]) == (1, "partial_apply")
    statuses = {each["address"]: each["status"] for each in first.json["outcomes"]}
    assert statuses == {
        "dealer:acme": "done",
        "site:acme/hq": "done",
        "device:acme/hq/door": "done",
        "contact:acme/hq/john": "failed",
    }
    again = cli("apply", directory, "--yes", "--format", "json")
    assert (again.code, again.json["summary"]["done"]) == (0, 1)


def test_a_look_afterwards_that_fails_does_not_hide_what_was_done(
    cli: Cli, project: Callable[..., Path], served: Served
) -> None:
    directory = project(account_yaml=ACCOUNT)
    served.sandbox.add_fault(Fault("status", method="GET", path=".*/sites", nth=2, count=1, status=403))
    first = cli("apply", directory, "--yes", "--format", "json")
    assert (first.code, first.json["error"]["code"]) == (1, "not_converged")
    assert "could not be read again" in first.json["error"]["message"]
    assert first.json["summary"]["done"] == 4
    assert cli("plan", directory, "--detailed-exitcode").code == 0
