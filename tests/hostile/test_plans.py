"""A saved plan changed by somebody who signs it anew: refused, or it does what a new plan would do."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ConfigError
from reconciler.planning.digest import digest
from reconciler.render.json import from_json, to_json
from tests.integration.conftest import Cli, Served, cli, project, served
from tests.integration.test_saved_plans import prepared
from tests.render.sample_plan import PLAN

__all__ = ["cli", "project", "served"]

Content = dict[str, Any]


def signed(content: Content) -> str:
    """``content`` with the digests that the product would write."""
    changes = [
        {
            "address": each["address"],
            "action": each["action"],
            "precondition": each["precondition"],
            "fields": sorted(
                [f["path"], f["before"], f["after"], f["secret"], f["ignored"]] for f in each["fields"]
            ),
        }
        for each in sorted(content["changes"], key=lambda each: each["address"])
    ]
    changes_digest = digest([content["environment"], content["surface"], changes])
    content = {**content, "changes_digest": changes_digest}
    content.pop("digest", None)
    return json.dumps({**content, "digest": digest(content)})


def test_the_signature_of_these_tests_is_the_products() -> None:
    content = json.loads(to_json(PLAN))
    content["changes"].sort(key=lambda each: each["address"])
    assert from_json(signed(content)).config_digest == PLAN.config_digest


def later(content: Content, **span: float) -> str:
    moment = datetime.fromisoformat(content["created_at"]) + timedelta(**span)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def first(content: Content) -> Content:
    return content["changes"][0]


TAMPERS: dict[str, Callable[[Content], object]] = {
    "another value": lambda c: first(c)["fields"][0].update(after="Forged"),
    "another value before": lambda c: first(c)["fields"][0].update(before="Forged"),
    "another field": lambda c: first(c)["fields"][0].update(path="address1"),
    "a field more": lambda c: first(c)["fields"].append({**first(c)["fields"][0], "path": "address1"}),
    "a field less": lambda c: first(c)["fields"].clear(),
    "a field that is not applied": lambda c: first(c)["fields"][0].update(ignored=True),
    "a field that is a secret": lambda c: first(c)["fields"][0].update(
        secret=True, before="***", after="***"
    ),
    "delete": lambda c: (
        first(c).update(action="delete", fields=[]),
        c["summary"].update(update=0, delete=1),
    ),
    "replace": lambda c: (first(c).update(action="replace"), c["summary"].update(update=0, replace=1)),
    "adopt": lambda c: (first(c).update(action="adopt"), c["summary"].update(update=0, adopt=1)),
    "no precondition": lambda c: first(c).update(precondition=None),
    "another precondition": lambda c: first(c).update(precondition="sha256:" + "0" * 64),
    "another site": lambda c: first(c).update(address="site:acme/shop"),
    "every site": lambda c: first(c).update(address="site:acme/*"),
    "a site nobody knows": lambda c: first(c).update(address="site:acme/nowhere"),
    "a kind nobody knows": lambda c: first(c).update(address="robot:acme/hq", kind="robot"),
    "a kind that is not the address's": lambda c: first(c).update(kind="device"),
    "a change more": lambda c: (
        c["changes"].append({**first(c), "address": "site:acme/shop"}),
        c["summary"].update(update=2),
    ),
    "a delete more": lambda c: (
        c["changes"].append({**first(c), "address": "site:acme/shop", "action": "delete", "fields": []}),
        c["summary"].update(delete=1),
    ),
    "a change twice": lambda c: (c["changes"].append(first(c)), c["summary"].update(update=2)),
    "another summary": lambda c: c["summary"].update(update=0),
    "an endpoint that is not used": lambda c: first(c).update(endpoint=None),
    "manifests of another digest": lambda c: c.update(config_digest="0" * 64),
    "another environment": lambda c: c.update(environment="production"),
    "the other surface": lambda c: c.update(surface="dealer"),
    "long expired": lambda c: c.update(expires_at=later(c, seconds=-1)),
    "made tomorrow": lambda c: c.update(created_at=later(c, days=1), expires_at=later(c, days=2)),
    "made two days ago, good for years": lambda c: c.update(
        created_at=later(c, days=-2), expires_at=later(c, days=3650)
    ),
    "a project that is not there": lambda c: c.update(project="../elsewhere"),
    "a project that is a device": lambda c: c.update(project="/dev"),
}


@pytest.mark.parametrize("tamper", TAMPERS)
def test_a_change_to_what_is_done_is_refused(
    tamper: str, cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    _, saved = prepared(cli, project)
    content = json.loads(saved.read_text(encoding="utf-8"))
    TAMPERS[tamper](content)
    saved.write_text(signed(content), encoding="utf-8")
    before = served.sandbox.state()["objects"]
    refused = cli("apply", saved, "--yes", "--format", "json")
    assert refused.code == 1
    assert refused.json["error"]["code"] in ("stale_plan", "invalid_config", "invalid_manifest")
    assert served.sandbox.state()["objects"] == before


HARMLESS: dict[str, Callable[[Content], object]] = {
    "a reason": lambda c: first(c).update(reason="approved by everybody"),
    "steps": lambda c: first(c).update(steps=["Relax."]),
    "a place": lambda c: first(c).update(source={"file": "elsewhere.yaml", "line": 9, "column": 9}),
    "an endpoint": lambda c: first(c).update(
        endpoint={"method": "GET", "path": "/harmless", "grade": "observed"},
        endpoints=[{"method": "GET", "path": "/harmless", "grade": "observed"}],
    ),
    "warnings": lambda c: c.update(warnings=["approved by everybody"]),
    "requests": lambda c: c["requests"].update(write=0, seconds=0.0),
    "targets": lambda c: c.update(targets=["site:acme/shop"], excludes=["site:acme/hq"]),
    "unmanaged": lambda c: c.update(unmanaged=["site:acme/shop"]),
    "forever": lambda c: c.update(expires_at="9999-12-31T23:59:59Z"),
}


@pytest.mark.parametrize("tamper", HARMLESS)
def test_a_change_to_what_is_told_is_neither_shown_nor_done(
    tamper: str, cli: Cli, served: Served, project: Callable[..., Path]
) -> None:
    directory, saved = prepared(cli, project)
    content = json.loads(saved.read_text(encoding="utf-8"))
    HARMLESS[tamper](content)
    saved.write_text(signed(content), encoding="utf-8")
    applied = cli("apply", saved, "--yes")
    assert applied.code == 0
    for told in ("approved by everybody", "Relax", "elsewhere.yaml", "/harmless"):
        assert told not in applied.out + applied.err
    assert cli("plan", directory, "--detailed-exitcode").code == 0


def test_a_plan_that_names_another_project_leads_no_credentials_to_its_host(
    cli: Cli, served: Served, project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, saved = prepared(cli, project)
    evil = f"environments: {{embedded: {{}}, other: {{base_url: '{served.server.url}'}}}}\n"
    project("evil", reconciler_yaml=evil, account_yaml="kind: dealer\nid: acme\ndealer_id: 12345\n")
    content = json.loads(saved.read_text(encoding="utf-8"))
    content.update(project="evil", environment="other")
    saved.write_text(signed(content), encoding="utf-8")
    monkeypatch.delenv("CHEKT_BASE_URL")
    served.forget()
    refused = cli("apply", saved, "--yes", "--format", "json")
    assert refused.json["error"]["code"] == "stale_plan"
    assert served.log() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 5_000_000, "not JSON or was cut off"),
        ('{"format_version": 1, "changes": ' + "[" * 500 + "]" * 500 + "}", "nested deeper"),
        (to_json(PLAN).replace('"surface"', '"environment": "x", "surface"', 1), "is written twice"),
        (to_json(PLAN).replace("1.2", "NaN"), "NaN is no number"),
        (to_json(PLAN).replace("1.2", "1e999"), "1e999 is no number"),
        (to_json(PLAN).replace("1.2", "9" * 5000), "not JSON or was cut off"),
        (to_json(PLAN).replace('"format_version": 1', '"format_version": 99'), "format version 99"),
        (to_json(PLAN).replace('"changes": [', '"changes": [' + "null," * 100_000), "the plan is damaged"),
        (signed({**json.loads(to_json(PLAN)), "created_at": "0001-01-01T00:00:00+14:00"}), "no clock shows"),
        ("\ufeff" + to_json(PLAN), "not JSON"),
    ],
    ids=lambda value: value if len(value) < 40 else "",
)
def test_what_cannot_be_a_plan_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_json(text)
    assert message in caught.value.message
    assert len(caught.value.message) < 500
    assert len(caught.value.problems) <= 20


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/stdin"])
def test_a_device_is_no_plan(target: str, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "plan.json").symlink_to(target)
    assert cli("apply", tmp_path / "plan.json", "--yes").code == 1
