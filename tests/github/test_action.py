"""The Action as jobs use it, end to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.sandbox import Sandbox
from tests.github.fake import FakeGitHub
from tests.github.runner import Machine, commit, pull_request

ACCOUNT = """
kind: dealer
id: acme
dealer_id: 12345
---
kind: monitoring_station
id: central
dealer: acme
name: Central Station
prefix: CS
---
kind: site
id: hq
dealer: acme
name: {name}
timezone: Asia/Seoul
monitoring_station: central
account_number: "1001"
security_type: video
"""

SETTINGS = """
version: 1
environments:
  production: {base_url: "https://api.chekt.com", surface: partner, accept: inferred}
"""


@pytest.fixture
def project(machine: Machine) -> Path:
    """A project in the directory ``sites`` of the workspace."""
    directory = machine.workspace / "sites"
    directory.mkdir()
    (directory / "reconciler.yaml").write_text(SETTINGS, encoding="utf-8")
    write(directory, name="Headquarters")
    return directory


def write(directory: Path, *, name: str) -> None:
    (directory / "account.yaml").write_text(ACCOUNT.format(name=name), encoding="utf-8")


PRODUCTION = {"path": "sites", "environment": "production"}


def test_a_pull_request_is_planned_merged_and_applied(
    machine: Machine, project: Path, service: FakeGitHub, sandbox: Sandbox
) -> None:
    head, merged = commit(), commit()
    service.open_pull(7, head)
    planned = machine.use("pull_request", pull_request(7, head), command="plan", **PRODUCTION)
    assert planned.code == 0, planned.log
    assert planned.outputs["changes"] == "true"
    assert (planned.outputs["to-create"], planned.outputs["to-adopt"]) == ("2", "1")
    assert planned.outputs["exit-code"] == "2"
    (body,) = service.bodies(7)
    assert "Headquarters" in body
    assert planned.outputs["comment-id"] == str(service.comments[0].id)

    service.merge(7, merged)
    applied = machine.use(sha=merged, command="apply", **PRODUCTION)
    assert applied.code == 0, applied.log
    assert applied.outputs["exit-code"] == "0"
    assert sandbox.store.find("site", "12345", "hq") is not None

    again = machine.use("pull_request", pull_request(7, head), command="plan", **PRODUCTION)
    assert (again.outputs["changes"], again.outputs["exit-code"]) == ("false", "0"), again.log
