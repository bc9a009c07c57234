"""The examples are tests: each is valid, applies, and is then finished, in process and over a socket."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import EXAMPLES, Cli, Served

NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
PARTNER_NAMES = [name for name in NAMES if name != "dealer-key"]


@pytest.mark.parametrize("name", NAMES)
def test_an_applied_example_has_nothing_left_to_change(name: str, example: object, cli: Cli) -> None:
    directory = example(name)  # type: ignore[operator]
    assert cli("validate", directory).code == 0
    assert cli("plan", directory, "--detailed-exitcode").code == 2
    applied = cli("apply", directory, "--yes")
    assert applied.code == 0, applied.err
    again = cli("plan", directory, "--detailed-exitcode")
    assert again.code == 0
    assert "No changes." in again.out
    assert cli("drift", directory).code == 0


@pytest.mark.parametrize("name", PARTNER_NAMES)
def test_a_socket_gives_the_same_plan_and_the_same_account(
    name: str, example: object, cli: Cli, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory: Path = example(name)  # type: ignore[operator]
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


def comparable(objects: dict[str, list[dict[str, object]]]) -> dict[str, list[str]]:
    """Objects without what depends on the order and time of their creation."""
    moving = {"created_at", "updated_at", "id", "parent"}

    def content(value: object) -> object:
        if isinstance(value, dict):
            kept = {k: content(v) for k, v in value.items() if k not in moving and not k.endswith("_id")}
            external = {k: v for k, v in value.items() if k.startswith("external_") and isinstance(v, str)}
            return kept | external
        return value

    return {
        kind: sorted(json.dumps(content(each), sort_keys=True) for each in each_kind)
        for kind, each_kind in objects.items()
    }
