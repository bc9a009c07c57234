"""The examples are tests: each is valid, applies, and is then finished, in process and over a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import EXAMPLES, Cli, Served

RUNNERS = ("github", "kubernetes", "systemd")
"""What runs the projects rather than a project: see tests/github and tests/deployment."""

NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir() and path.name not in RUNNERS)


@pytest.mark.parametrize("name", NAMES)
def test_an_applied_example_has_nothing_left_to_change(
    name: str, example: Callable[[str], Path], cli: Cli
) -> None:
    directory = example(name)
    assert cli("validate", directory).code == 0
    assert cli("plan", directory, "--detailed-exitcode").code == 2
    applied = cli("apply", directory, "--yes")
    assert applied.code == 0, applied.err
    again = cli("plan", directory, "--detailed-exitcode")
    assert again.code == 0
    assert "No changes." in again.out
    assert cli("drift", directory).code == 0


def test_a_socket_gives_the_same_plan_and_the_same_account(
    example: Callable[[str], Path], cli: Cli, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = example("quickstart")
    over_socket = cli("plan", directory, "--format", "json").json
    assert cli("apply", directory, "--yes").code == 0
    assert cli("plan", directory, "--detailed-exitcode").code == 0
    remote = served.sandbox.state()["objects"]

    for variable in served.environment:
        monkeypatch.delenv(variable)
    (directory / ".reconciler/ledger.db").unlink()
    in_process = cli("plan", directory, "--format", "json").json
    assert cli("apply", directory, "--yes").code == 0
    shown = cli("sandbox", "show", directory)
    assert comparable(json.loads(shown.out)["objects"]) == comparable(remote)
    for plan in (over_socket, in_process):
        for moving in ("created_at", "expires_at"):
            plan.pop(moving)
    assert over_socket["changes"] == in_process["changes"]
    assert over_socket["summary"] == in_process["summary"]


def comparable(objects: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    """Objects by external id, without the numbers and times that depend on the order of creation."""
    sites = {f"12345/{each['id']}": each["external_id"] for each in objects["site"]}

    def told(each: dict[str, Any]) -> str:
        body = {name: value for name, value in each["body"].items() if not name.endswith("_id")}
        scope = sites.get(each["scope"], each["scope"])
        return json.dumps([scope, each["external_id"], body], sort_keys=True)

    return {kind: sorted(map(told, entries)) for kind, entries in objects.items()}
