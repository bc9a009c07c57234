"""Whatever others wrote, no command prints it so that it drives a terminal or runs in a page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.console import Console
from reconciler.cli.main import run
from reconciler.escape import harmless
from tests.hostile.plain import raw_characters
from tests.integration.conftest import Cli, Result, Served, cli, project, served

__all__ = ["cli", "project", "served"]

MARK = "\\u202e\\u2066\\u200b\\ufeff\\U000e0041\\u2028 | `` </pre><script>alert(1)</script> @everyone ```"
"""Written with the escapes of YAML: as characters, the loader refuses them."""

MANIFESTS = f"""
kind: dealer
id: acme
dealer_id: 12345
---
kind: monitoring_station
id: central
name: "C{MARK}"
prefix: CH
---
kind: site
id: hq
name: "N{MARK}"
timezone: UTC
monitoring_station: central
address1: "A{MARK}"
devices:
  - {{id: door, device_type: camera, zone_number: "001", name: "D{MARK}"}}
contacts:
  - id: john
    first_name: "F\\u202e\\u2028<script>alert(3)"
    last_name: "L\\u202e\\ufeff|`"
    phone_number: "+821012345678"
arming: {{schedule: nights}}
---
kind: schedule
id: nights
windows:
  - {{days: [mon, tue], arm: "18:00", disarm: "08:00", mode: away}}
---
kind: app
id: ai
dealer: acme
permissions: ["devices:read"]
webhook: {{url: "https://hooks.example.com/a\\u202eb<script>", events: [alarm.created]}}
---
kind: webhook
id: feed
url: "https://hooks.example.com/a\\u202eb`|<script>"
events: [site.armed]
secret: {{env: HOOK_SECRET}}
"""

LIVE = "S\x1b]52;c;AAAA\x07\x1b[2J\x9b2J\u202e\n::error::forged\r| `` <script>alert(2)</script> @everyone"
"""A name that the account holds: OSC 52 would fill the clipboard, 8-bit CSI clears the screen."""

SPAN = ("--from", "2026-11-23T00:00:00Z", "--to", "2026-11-25T00:00:00Z")
COMMANDS: tuple[tuple[str, ...], ...] = (
    *(("plan", "--format", each) for each in ("text", "json", "markdown", "html")),
    *(("drift", "--format", each) for each in ("text", "json", "markdown", "html")),
    *(("validate", "--format", each) for each in ("text", "json")),
    *(("schedule", "show", "--format", each) for each in ("text", "json")),
    *(
        ("schedule", "transitions", *SPAN, "--format", each)
        for each in ("text", "json", "jsonl", "ics", "html")
    ),
    ("ledger", "list"),
    ("apply", "--yes"),
    ("apply", "--yes", "--format", "json"),
    ("destroy", "--yes"),
)


def check(command: tuple[str, ...], result: Result) -> None:
    printed = result.out.replace("\r\n", "\n") + result.err
    assert not raw_characters(printed), (command, raw_characters(printed))
    assert not re.search(r"^::error", printed, re.MULTILINE), command
    if "html" in command:
        assert "<script>alert" not in printed, command
    if "json" in command and result.out.strip():
        json.loads(result.out)


def test_no_command_prints_what_others_wrote_as_it_is(
    cli: Cli, served: Served, project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "hunter2-hunter2")
    directory = project(account_yaml=MANIFESTS)
    applied = cli("apply", directory, "--yes")
    check(("apply",), applied)
    assert applied.code == 0, applied.err
    site = f"{served.server.url}/sim/v0/objects/site/{served.site_id('hq')}"
    assert httpx.patch(site, json={"name": LIVE, "address1": LIVE}).is_success
    for command in COMMANDS:
        words = 2 if command[0] in ("schedule", "ledger") else 1
        check(command, cli(*command[:words], directory, *command[words:]))


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "\x1b[2J\u202e"),
        ("plan", "--env", "a\x1b]8;;x\x07"),
        ("plan", "--target", "site:\x9b2J\u202e"),
        ("plan", "--var", "\u202e"),
        ("plan", "--\x1b[2J"),
        ("\x1b[2J\u202e",),
        ("apply", "\u2066plan.json"),
        ("attest", "app:\x1b[2J"),
        ("validate", "\n::error::forged"),
        ("schedule", "show", "--at", "\x1b[2J"),
        ("override", "set", "\x1b[2J\u202e", "--state", "disarmed", "--until", "\x07", "--reason", "\u202e"),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_no_error_prints_what_was_typed_as_it_is(
    arguments: tuple[str, ...], *, as_json: bool, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = run(list(arguments), Console(json=as_json))
    captured = capsys.readouterr()
    assert code == 1
    assert not raw_characters(captured.out + captured.err)
    if as_json:
        json.loads(captured.out)


@given(st.text(st.characters(), max_size=80))
def test_the_last_gate_leaves_nothing_raw_and_json_as_it_was(text: str) -> None:
    as_json = json.dumps({"a": text}, ensure_ascii=False)
    printed = harmless(as_json, colours=False)
    assert json.loads(printed) == {"a": text}
    assert harmless(printed, colours=False) == printed
    for driving in ("\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u200b", "\u2028", "\ud800"):
        assert driving not in printed


def test_of_escape_sequences_only_colours_pass_where_there_are_colours() -> None:
    assert harmless("\x1b[1;31mred\x1b[0m\x1b[2J\n", colours=True) == "\x1b[1;31mred\x1b[0m\\u001b[2J\n"
    assert harmless("\x1b[31m", colours=False) == "\\u001b[31m"
