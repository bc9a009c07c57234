"""A saved plan does exactly what was read, or says which object has moved."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from freezegun import freeze_time

from tests.integration.conftest import Cli, Served

TEXT = """
kind: dealer
id: acme
dealer_id: 12345
---
kind: site
id: hq
name: Headquarters
timezone: UTC
---
kind: site
id: shop
name: Shop
timezone: UTC
"""


def prepared(cli: Cli, project: Callable[..., Path]) -> tuple[Path, Path]:
    """A project applied once, with a saved plan that renames one site."""
    directory = project(account_yaml=TEXT)
    assert cli("apply", directory, "--yes").code == 0
    (directory / "account.yaml").write_text(TEXT.replace("Headquarters", "Head Office"), encoding="utf-8")
    saved = directory.parent / "plan.json"
    assert cli("plan", directory, "--out", saved).code == 0
    return directory, saved


def rename(served: Served, site: str, name: str) -> None:
    url = f"{served.server.url}/sim/v0/objects/site/{served.site_id(site)}"
    assert httpx.patch(url, json={"name": name}).is_success


def test_it_is_applied_as_it_was_read(cli: Cli, served: Served, project: Callable[..., Path]) -> None:
    directory, saved = prepared(cli, project)
    assert cli("apply", saved, "--yes").code == 0
    assert cli("plan", directory, "--detailed-exitcode").code == 0


def test_the_plan_and_its_project_can_move_together(
    cli: Cli, served: Served, project: Callable[..., Path], tmp_path: Path
) -> None:
    _, _ = prepared(cli, project)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "project").rename(moved / "project")
    (tmp_path / "plan.json").rename(moved / "plan.json")
    assert cli("apply", moved / "plan.json", "--yes").code == 0


def test_an_object_that_moved_is_named(cli: Cli, served: Served, project: Callable[..., Path]) -> None:
    _, saved = prepared(cli, project)
    rename(served, "hq", "Changed by hand")
    refused = cli("apply", saved, "--yes", "--format", "json")
    assert refused.json["error"]["code"] == "stale_plan"
    assert "site:acme/hq" in refused.json["error"]["message"]
    assert "Changed by hand" in json.dumps(served.sandbox.state())
    assert "Head Office" not in json.dumps(served.sandbox.state())


def test_unrelated_drift_does_not_refuse_it(cli: Cli, served: Served, project: Callable[..., Path]) -> None:
    directory, saved = prepared(cli, project)
    rename(served, "shop", "Changed by hand")
    assert cli("apply", saved, "--yes").code == 0
    assert cli("drift", directory).changes() == {"site:acme/shop": "update"}


def test_changed_manifests_refuse_it(cli: Cli, served: Served, project: Callable[..., Path]) -> None:
    directory, saved = prepared(cli, project)
    (directory / "account.yaml").write_text(TEXT.replace("Headquarters", "Other"), encoding="utf-8")
    assert cli("apply", saved, "--yes", "--format", "json").json["error"]["code"] == "stale_plan"


def test_it_expires(cli: Cli, served: Served, project: Callable[..., Path]) -> None:
    _, saved = prepared(cli, project)
    with freeze_time(datetime.now(tz=UTC) + timedelta(hours=25), tick=True):
        refused = cli("apply", saved, "--yes", "--format", "json")
    assert refused.json["error"]["code"] == "stale_plan"
    assert "expired" in refused.json["error"]["message"]


def test_applied_twice_it_is_stale(cli: Cli, served: Served, project: Callable[..., Path]) -> None:
    _, saved = prepared(cli, project)
    assert cli("apply", saved, "--yes").code == 0
    assert cli("apply", saved, "--yes", "--format", "json").json["error"]["code"] == "stale_plan"


def test_a_foreign_or_edited_file_is_refused_in_words(
    cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    _, saved = prepared(cli, project)
    whole = saved.read_text(encoding="utf-8")
    for text in ("", "{", "[]", '{"a": 1}', whole[: len(whole) // 2], whole.replace('"update"', '"erase"')):
        saved.write_text(text, encoding="utf-8")
        refused = cli("apply", saved, "--yes")
        assert refused.code == 1
        assert "Error:" in refused.err
        assert "internal error" not in refused.err


def test_an_edited_value_is_not_applied(cli: Cli, served: Served, project: Callable[..., Path]) -> None:
    _, saved = prepared(cli, project)
    saved.write_text(saved.read_text(encoding="utf-8").replace("Head Office", "Forged"), encoding="utf-8")
    refused = cli("apply", saved, "--yes", "--format", "json")
    assert refused.json["error"]["code"] == "stale_plan"
    assert "Forged" not in json.dumps(served.sandbox.state()["objects"])
