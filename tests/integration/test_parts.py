"""A run about a part of a project reads that part, changes it, and finds it as wanted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import Cli, Served

BOTH = (
    "kind: dealer\nid: acme\ndealer_id: 12345\n---\nkind: dealer\nid: beta\ndealer_id: 777\n"
    "---\nkind: site\nid: hq\ndealer: acme\nname: HQ\ntimezone: UTC\n"
    "devices:\n  - {id: door, device_type: camera, zone_number: '001', name: Door}\n"
    "---\nkind: site\nid: shop\ndealer: beta\nname: Shop\ntimezone: UTC\n"
    "devices:\n  - {id: door, device_type: camera, zone_number: '001', name: Door}\n"
    "contacts:\n  - {id: first, first_name: A, last_name: B}\n"
)


@pytest.fixture
def applied(cli: Cli, served: Served, project: Callable[..., Path]) -> Path:
    served.sandbox.seed_dealer(777)
    directory = project(account_yaml=BOTH)
    assert cli("apply", directory, "--yes").code == 0
    return directory


def renamed(directory: Path) -> None:
    text = BOTH.replace("name: HQ", "name: Main").replace("name: Shop", "name: Store").replace("Door}", "D}")
    (directory / "account.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        (["--target", "site:acme/hq"], 2),
        (["--target", "device:beta/**"], 1),
        (["--target", "site:acme/hq", "--exclude", "device:**"], 1),
        (["--exclude", "device:**"], 2),
        (["--exclude", "dealer:beta"], 2),
    ],
)
def test_an_apply_of_a_part_ends_well(cli: Cli, applied: Path, limits: list[str], count: int) -> None:
    renamed(applied)
    ended = cli("apply", applied, "--yes", *limits)
    assert (ended.code, ended.err.count("Error")) == (0, 0)
    assert f"Apply: {count} done." in ended.out


def test_a_saved_plan_of_a_part_ends_well(cli: Cli, applied: Path, tmp_path: Path) -> None:
    renamed(applied)
    saved = tmp_path / "plan.json"
    assert cli("plan", applied, "--target", "site:beta/shop", "--out", saved).code == 0
    assert cli("apply", saved, "--yes").code == 0
    assert set(cli("plan", applied, "--format", "json").changes()) == {"device:acme/hq/door", "site:acme/hq"}


def test_a_delete_of_a_part_ends_well(cli: Cli, applied: Path) -> None:
    (applied / "account.yaml").write_text(BOTH[: BOTH.index("---\nkind: site\nid: hq")], encoding="utf-8")
    ended = cli("apply", applied, "--yes", "--target", "site:acme/hq")
    assert (ended.code, ended.err.count("Error")) == (0, 0)
    assert "site:beta/shop" in cli("plan", applied, "--format", "json").changes()
