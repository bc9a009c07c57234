"""Secrets planted in every credential and secret field show up in no output, file or log."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler import sandbox as simulator
from tests.integration.conftest import Cli, Served

WEBHOOK_SECRET = "planted-webhook-secret+/=é"
ROTATED = "rotated webhook secret"
FROM_FILE = "planted in a file"

MANIFEST = """
kind: dealer
id: acme
dealer_id: 12345
---
kind: webhook
id: feed
url: https://hooks.example.com/arming
events: [site.armed]
secret: {env: PLANTED}
---
kind: webhook
id: other
url: https://hooks.example.com/other
events: [site.armed]
secret: {file: secret.txt}
"""


def written(directory: Path) -> bytes:
    """Everything below ``directory`` but the manifests and the secret's own file."""
    files = [p for p in directory.rglob("*") if p.is_file() and p.name not in ("secret.txt", "account.yaml")]
    return b"\n".join(path.read_bytes() for path in files)


def test_planted_secrets_appear_nowhere(
    project: Callable[..., Path], cli: Cli, served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PLANTED", WEBHOOK_SECRET)
    directory = project(account_yaml=MANIFEST)
    (directory / "secret.txt").write_text(FROM_FILE + "\n", encoding="utf-8")
    shown = []
    for command in (
        ("--debug", "validate", directory),
        ("--debug", "plan", directory, "--out", directory / "plan.json"),
        ("--debug", "plan", directory, "--format", "json"),
        ("--debug", "plan", directory, "--format", "html"),
        ("--debug", "plan", directory, "--format", "markdown"),
        ("--debug", "apply", directory, "--yes"),
        ("--debug", "drift", directory),
        ("--debug", "ledger", "show", directory),
    ):
        result = cli(*command)
        assert result.code in (0, 2), result.err
        shown.append(result.out + result.err)

    monkeypatch.setenv("PLANTED", ROTATED)
    rotated = cli("--debug", "plan", directory)
    assert 'secret: "***" -> "***"' in rotated.out or "secret: *** -> ***" in rotated.out
    served.sandbox.add_fault(
        simulator.Fault.from_json(
            {
                "method": "PATCH",
                "path": "/partner/v1/webhooks/.*",
                "action": "status",
                "status": 400,
                "count": 1,
            }
        )
    )
    failed = cli("--debug", "apply", directory, "--yes")
    shown += [rotated.out + rotated.err, failed.out + failed.err]
    assert cli("apply", directory, "--yes").code == 0
    assert cli("drift", directory).code == 0

    everything = "\n".join(shown).encode() + written(directory) + written(tmp_path / "state")
    for secret in (WEBHOOK_SECRET, ROTATED, FROM_FILE, simulator.CLIENT_SECRET):
        assert secret.encode() not in everything
    assert not re.search(rb"eyJ[\w-]{10,}\.", everything), "a token was written"


def test_a_server_that_repeats_a_secret_in_its_error_does_not_leak_it(
    project: Callable[..., Path], cli: Cli, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED", WEBHOOK_SECRET)
    monkeypatch.setenv("CHEKT_CLIENT_SECRET", "a-wrong-client-secret")
    directory = project(account_yaml=MANIFEST)
    (directory / "secret.txt").write_text(FROM_FILE, encoding="utf-8")
    refused = cli("--debug", "plan", directory, "--format", "json")
    assert refused.code == 1
    assert refused.json["error"]["code"] == "auth"
    assert "a-wrong-client-secret" not in refused.out + refused.err


def test_a_missing_secret_names_the_reference_and_not_more(
    project: Callable[..., Path], cli: Cli, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PLANTED", raising=False)
    directory = project(account_yaml=MANIFEST)
    (directory / "secret.txt").write_text(FROM_FILE, encoding="utf-8")
    assert cli("validate", directory).code == 0
    refused = cli("plan", directory, "--format", "json")
    assert refused.json["error"]["code"] == "secret"
    assert "PLANTED" in refused.json["error"]["message"]


def test_a_secret_written_in_a_manifest_is_refused_and_not_repeated(
    project: Callable[..., Path], cli: Cli
) -> None:
    directory = project(account_yaml=MANIFEST.replace("{env: PLANTED}", "plain-text-secret"))
    refused = cli("--debug", "validate", directory)
    assert refused.code == 1
    assert "account.yaml:" in refused.err
    assert "plain-text-secret" not in refused.out + refused.err


def test_a_secret_that_is_not_set_is_named_with_its_place(cli: Cli, project: Callable[..., Path]) -> None:
    directory = project(
        hooks_yaml="kind: webhook\nid: feed\nurl: https://hooks.example.com/a\nevents: [site.armed]\n"
        "secret: {env: NOBODY_SETS_THIS}\n"
    )
    error = cli("plan", directory, "--format", "json").json["error"]
    assert (error["code"], error["address"]) == ("secret", "webhook:feed")
    assert error["source"]["file"] == "hooks.yaml"
    assert error["source"]["line"] == 5


def test_a_page_hides_a_secret_that_the_account_repeats_elsewhere(
    project: Callable[..., Path], cli: Cli, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = 'tr1cky&"<secret>'
    text = "kind: webhook\nid: feed\nurl: https://hooks.example.com/x\nevents: [site.armed]\n"
    text += "secret: {env: PLANTED}\n"
    site = "---\nkind: dealer\nid: acme\ndealer_id: 12345\n---\nkind: site\nid: hq\nname: %s\ntimezone: UTC\n"
    monkeypatch.setenv("PLANTED", secret)
    directory = project(account_yaml=text + site % f"'HQ {secret} east wing'")
    assert cli("apply", directory, "--yes").code == 0
    project(account_yaml=text + site % "'HQ tr1cky east wing'")
    page = cli("plan", directory, "--format", "html").out
    assert "<del>&quot;HQ <mark>***</mark> east wing&quot;</del>" in page
    assert "secret&gt;" not in page
