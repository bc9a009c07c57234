"""What a run tells of its requests on stderr: complete, one line each, without a secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox import CLIENT_SECRET, Fault, dealer_key
from tests.integration.conftest import ONE_SITE, Cli, Result, Served

SITE = """\
kind: dealer
id: acme
dealer_id: 12345
---
kind: site
id: hq
name: Headquarters
timezone: UTC
---
kind: webhook
id: feed
url: https://hooks.example.com/feed
events: [site.armed]
secret: {env: HOOK_SECRET}
"""
HOOK = "planted-hook-secret"


@pytest.fixture
def directory(served: Served, project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOK_SECRET", HOOK)
    return project(account_yaml=SITE)


def records(result: Result) -> list[dict[str, Any]]:
    """Stderr as JSON: every line of it is an object."""
    return [json.loads(line) for line in result.err.splitlines()]


def test_every_request_is_one_json_object(served: Served, cli: Cli, directory: Path) -> None:
    done = cli("--log-format=json", "apply", directory, "--yes")
    assert done.code == 0, done.err
    told = [each for each in records(done) if each["event"] == "request"]
    assert len(told) == len(served.log())
    assert {each["trace_id"] for each in told if each["path"] != "/oauth/token"} == {
        record.trace_id for record in served.log() if record.path != "/oauth/token"
    }
    (create,) = [each for each in told if each["method"] == "POST" and each["path"].endswith("/sites")]
    assert create["address"] == "site:acme/hq"
    assert (create["status"], create["attempt"], create["level"]) == (201, 1, "info")
    assert create["seconds"] >= 0
    assert create["time"].endswith("Z")
    assert "request" not in create


def test_looks_and_arming_commands_say_which_site_they_are_about(
    served: Served, cli: Cli, project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHEKT_API_KEY", dealer_key(12345))
    window = "{days: [mon, tue, wed, thu, fri, sat, sun], arm: '00:00', disarm: '24:00', mode: away}"
    arming = f"arming: {{schedule: all}}\n---\nkind: schedule\nid: all\nwindows: [{window}]\n"
    directory = project(site_yaml=ONE_SITE + arming)
    assert cli("apply", directory, "--yes").code == 0
    done = cli("--log-format=json", "enforce", directory, "--once", "--horizon", "0s")
    told = [each for each in records(done) if each["event"] == "request"]
    assert {each["method"] for each in told} == {"GET", "POST"}
    assert {each["address"] for each in told} == {"site:acme/hq"}


def test_progress_warnings_and_errors_are_json_too(served: Served, cli: Cli, directory: Path) -> None:
    served.sandbox.add_fault(Fault("status", method="POST", path=".*/sites", status=400))
    failed = cli("--log-format=json", "apply", directory, "--yes")
    assert failed.code == 1
    events = {each["event"] for each in records(failed)}
    assert {"request", "note", "error"} <= events
    (error,) = [each for each in records(failed) if each["event"] == "error"]
    assert error["error"]["code"] == "partial_apply"


def test_a_request_sent_again_is_counted(served: Served, cli: Cli, directory: Path) -> None:
    served.sandbox.add_fault(Fault("status", method="GET", path=".*/sites", status=429, seconds=0.1))
    lines = cli("--log-format", "text", "plan", directory).err.splitlines()
    tried = [line for line in lines if "GET /partner/v1/dealers/12345/sites:" in line]
    assert "warning" in tried[0]
    assert ": 429 after" in tried[0]
    assert "info" in tried[1]
    assert ", attempt 2" in tried[1]


@pytest.mark.parametrize("words", [("plna",), ("plan", "--nope"), ("plan", "nowhere")])
def test_a_mistyped_command_line_is_told_of_in_the_log_too(cli: Cli, words: tuple[str, ...]) -> None:
    [told] = records(cli("--log-format=json", *words))
    assert (told["event"], told["level"]) == ("error", "error")


@pytest.mark.parametrize("options", [("--debug",), ("--debug", "--log-format=json")])
def test_debug_shows_headers_and_bodies_without_a_secret(
    served: Served, cli: Cli, directory: Path, options: tuple[str, ...]
) -> None:
    shown = cli(*options, "apply", directory, "--yes").err
    assert "Headquarters" in shown
    assert "x-partner-trace-id" in shown
    assert "/oauth/token" in shown
    for secret in (CLIENT_SECRET, HOOK, "Bearer "):
        assert secret not in shown


def test_without_being_asked_no_request_is_told(served: Served, cli: Cli, directory: Path) -> None:
    assert "/partner/v1" not in cli("plan", directory).err
