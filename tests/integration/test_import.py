"""An account that exists is written as manifests: the next plan is empty, and nothing was sent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler import sandbox as simulator
from tests.integration.conftest import DEALER, Cli, Served

KEPT = ("reconciler.yaml", "portal.json")


def thrown_away(directory: Path) -> None:
    """Without manifests and ledger; what remains is the settings."""
    for path in directory.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("name", "further"),
    [("quickstart", ()), ("fleet", ()), ("dealer-key", ("--timezone", "Asia/Seoul"))],
)
def test_an_applied_example_comes_back_with_an_empty_plan_and_no_write(
    name: str,
    further: tuple[str, ...],
    example: Callable[[str], Path],
    cli: Cli,
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory = example(name)
    monkeypatch.setenv("CHEKT_API_KEY", simulator.dealer_key(12345))
    if (directory / "portal.json").exists():
        served.sandbox.set_up(12345, json.loads((directory / "portal.json").read_text())["12345"])
    assert cli("apply", directory, "--yes").code == 0
    before = served.sandbox.state()["objects"]
    owned = addresses(cli, directory)
    thrown_away(directory)
    served.forget()
    imported = cli("import", "--into", directory, "--dealer", "acme=12345", *further)
    assert imported.code == 0, imported.err
    planned = cli("plan", directory, "--detailed-exitcode")
    assert planned.code == 0, planned.out + planned.err
    assert "No changes." in planned.out
    assert writes(served) == []
    assert served.sandbox.state()["objects"] == before
    if name != "dealer-key":  # its cameras have no external id: they get names made of what they are called
        assert addresses(cli, directory) == owned


def addresses(cli: Cli, directory: Path) -> set[str]:
    return {row["address"] for row in cli("ledger", "show", directory, "--format", "json").json["owned"]}


def writes(served: Served) -> list[str]:
    return [call for call in served.calls() if not call.startswith("GET")]


WEBHOOK = (
    "---\nkind: webhook\nid: feed\nurl: https://hooks.example.com/feed\nevents: [site.armed]\n"
    "secret: {env: FIRST_SECRET}\n"
)
ACCOUNT = (
    "kind: dealer\nid: acme\ndealer_id: 12345\n---\nkind: site\nid: hq\nexternal_id: HQ/1\nname: HQ\n"
    "timezone: UTC\ndevices:\n  - {id: door, device_type: camera, zone_number: '001', name: 'no'}\n"
)


@pytest.fixture
def account(cli: Cli, served: Served, project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that another project has made."""
    monkeypatch.setenv("FIRST_SECRET", "a-secret-of-length")
    assert cli("apply", project("other", account_yaml=ACCOUNT + WEBHOOK), "--yes").code == 0
    served.forget()


IMPORT = ("--dealer", "acme=12345")


def test_a_secret_is_taken_as_found_and_noticed_when_it_changes_later(
    account: None, cli: Cli, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    into = tmp_path / "mine"
    imported = cli("import", "--into", into, *IMPORT)
    assert imported.code == 0, imported.err
    name = "CHEKT_WEBHOOK_HOOKS_EXAMPLE_COM_FEED_SECRET"
    assert name in imported.out
    assert f"secret: {{env: {name}}}" in (into / "webhooks.yaml").read_text()
    assert "is not set" in cli("plan", into).err
    monkeypatch.setenv(name, "whatever-it-is")
    assert cli("plan", into, "--format", "json").changes() == {}
    assert cli("apply", into, "--yes").code == 0
    assert writes(served) == []
    monkeypatch.setenv(name, "rotated-afterwards")
    assert list(cli("plan", into, "--format", "json").changes().values()) == ["update"]


def test_the_files_read_as_a_person_writes_them(account: None, cli: Cli, tmp_path: Path) -> None:
    into = tmp_path / "mine"
    assert cli("import", "--into", into, *IMPORT).code == 0
    assert (into / "sites/hq-1.yaml").read_text() == (
        "# yaml-language-server: $schema=../schemas/manifest.schema.json\n"
        "kind: site\nid: hq-1\nexternal_id: HQ/1\nname: HQ\ntimezone: UTC\nsecurity_type: video\ndevices:\n"
        '  - {id: door, device_type: camera, zone_number: "001", name: "no"}\n'
    )
    assert (into / "schemas/manifest.schema.json").exists()
    assert not list(into.glob(".import-*"))


def test_settings_that_exist_keep_every_byte_and_get_the_defaults_behind(
    cli: Cli, served: Served, project: Callable[..., Path], tmp_path: Path
) -> None:
    sites = "".join(f"---\nkind: site\nid: s{n}\nname: Site {n}\ntimezone: Asia/Seoul\n" for n in range(3))
    other = project("other", account_yaml=DEALER + sites)
    assert cli("apply", other, "--yes").code == 0
    text = "# ours\r\nversion: 1   # as ever\r\nvariables: {a: 1}\r\n"
    mine = project("mine")
    (mine / "reconciler.yaml").write_bytes(text.encode())
    imported = cli("import", "--into", mine, *IMPORT, "--env", "embedded")
    assert imported.code == 0
    assert "Imported 1 dealer, 3 sites into" in imported.out
    assert f"Next: reconciler plan {mine} --env embedded\n" in imported.out
    added = "defaults: {site: {timezone: Asia/Seoul, security_type: video}}\n"
    assert (mine / "reconciler.yaml").read_bytes().decode() == text + added
    assert "timezone" not in (mine / "sites/s1.yaml").read_text()
    assert cli("plan", mine, "--format", "json").changes() == {}


def test_only_what_is_in_scope_is_written(
    cli: Cli, served: Served, project: Callable[..., Path], tmp_path: Path
) -> None:
    text = ACCOUNT + "---\nkind: site\nid: shop\nname: Shop\ntimezone: UTC\n"
    assert cli("apply", project("other", account_yaml=text), "--yes").code == 0
    served.forget()
    into = tmp_path / "mine"
    assert cli("import", "--into", into, *IMPORT, "--target", "site:acme/shop").code == 0
    assert [path.name for path in (into / "sites").iterdir()] == ["shop.yaml"]
    assert not [call for call in served.calls() if "/devices" in call and "/sites/1/" in call]
    assert cli("plan", into, "--format", "json").changes() == {}


def test_a_target_that_names_nothing_is_told_as_such_and_writes_nothing(
    account: None, cli: Cli, tmp_path: Path
) -> None:
    refused = cli("import", "--into", tmp_path / "mine", *IMPORT, "--target", "site:acme/none*")
    assert refused.code == 1
    assert "--target site:acme/none* matches no resource" in refused.err
    assert not (tmp_path / "mine").exists()


def test_an_import_never_overwrites_and_leaves_nothing_half_written(
    account: None, cli: Cli, served: Served, project: Callable[..., Path], tmp_path: Path
) -> None:
    taken = project("taken", mine_yaml=DEALER)
    assert "already holds manifests: mine.yaml" in cli("import", "--into", taken, *IMPORT).err
    assert "which dealer" in cli("import", "--into", tmp_path / "none").err
    assert "write a name" in cli("import", "--into", tmp_path / "none", "--dealer", "a/b=12345").err
    assert "no dealer 999" in cli("import", "--into", tmp_path / "none", "--dealer", "999").err
    assert not (tmp_path / "none").exists()
    half = project("half", reconciler_yaml="version: 1\n")
    (half / "sites").write_text("a file where a folder is to be", encoding="utf-8")
    assert "is there already" in cli("import", "--into", half, *IMPORT).err
    assert sorted(path.name for path in half.iterdir()) == [".reconciler", "reconciler.yaml", "sites"]
    assert (half / "reconciler.yaml").read_text() == "version: 1\n"
    assert cli("ledger", "show", half, "--allow-empty", "--format", "json").json["owned"] == []
