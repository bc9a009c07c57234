"""``doctor`` over sockets: what it finds out, what it tells a person to do, and that it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.ledger import EnvironmentLock, Ledger
from reconciler.sandbox import Fault, Switches
from reconciler.sandbox.credentials import generate_key
from tests.integration.conftest import DEALER, Cli, Result, Served
from tests.ledger.repositories import make_origin

Project = Callable[..., Path]

SITES = f"""{DEALER}---
kind: site
id: hq
name: Headquarters
timezone: Asia/Seoul
devices:
  - {{id: door, device_type: camera, zone_number: "001"}}
contacts:
  - {{id: john, first_name: John, last_name: Doe, email: john@example.com}}
"""
KEY = "chekt-sandbox-dealer-12345"


def checks(result: Result) -> dict[str, Any]:
    """The checks by name."""
    return {check["name"]: check for check in result.json["checks"]}


def verdicts(result: Result) -> dict[str, str]:
    return {name: check["result"] for name, check in checks(result).items()}


@pytest.fixture
def account(served: Served, project: Project, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that was applied to a sandbox on a socket, with a dealer key."""
    served.sandbox.switches = Switches()
    monkeypatch.setenv("CHEKT_API_KEY", KEY)
    directory = project(sites_yaml=SITES)
    assert cli("apply", directory, "--yes").code == 0
    served.forget()
    return directory


@pytest.mark.parametrize("shape", ["live", "page"])
@pytest.mark.parametrize("dialect", ["live", "page"])
def test_the_shape_is_told_and_the_line_to_write_where_the_project_says_otherwise(
    cli: Cli, served: Served, account: Path, project: Project, shape: str, dialect: str
) -> None:
    served.sandbox.switches = served.sandbox.switches.changed({"shape": shape})
    project(reconciler_yaml=f"environments: {{embedded: {{dialect: {dialect}}}}}\n")
    result = cli("doctor", account, "--format", "json")
    told = checks(result)["shapes.dealer"]
    assert told["facts"]["shape"] == [shape]
    assert told["facts"]["contact_fields"] == shape
    right = shape == dialect
    assert (told["result"], result.code) == (("ok", 0) if right else ("failed", 1)), result.out
    lines = ["environments:", "  embedded:", f"    dialect: {shape}"]
    assert told["settings"] == ([] if right else lines)


def test_nothing_but_gets_and_the_token_request_reaches_the_host(
    cli: Cli, served: Served, account: Path
) -> None:
    before = served.sandbox.state()
    assert cli("doctor", account).code == 0
    methods = {(each.method, each.path == "/oauth/token") for each in served.log()}
    assert methods == {("GET", False), ("POST", True)}
    after = served.sandbox.state()
    assert {**after, "requests": 0, "clock": None} == {**before, "requests": 0, "clock": None}


def test_what_is_armed_and_divided_is_told(cli: Cli, served: Served, account: Path) -> None:
    switches = {"arming_states": "modes", "partition_envelope": "partitions"}
    served.sandbox.switches = served.sandbox.switches.changed(switches)
    url = f"{served.server.url}/sim/v0/sites/{served.site_id('hq')}"
    _put(f"{url}/partitions", {"count": 2})
    _put(f"{url}/arming", {"state": "armed_stay", "partition_id": 1})
    facts = checks(cli("doctor", account, "--format", "json"))["shapes.dealer"]["facts"]
    assert facts["partition_envelope"] == "an object with partitions"
    assert facts["arming_states"] == "with their mode (armed_away)"


def _put(url: str, body: object) -> None:
    httpx.put(url, json=body, trust_env=False).raise_for_status()


def test_a_missing_scope_is_named_with_the_resources_that_need_it(
    cli: Cli, served: Served, account: Path
) -> None:
    scopes = [each for each in served.sandbox.switches.token_scopes if each != "update:devices"]
    served.sandbox.switches = served.sandbox.switches.changed({"token_scopes": scopes})
    result = cli("doctor", account, "--format", "json")
    told = checks(result)["scopes"]
    assert (result.code, told["result"]) == (1, "failed")
    assert told["facts"]["missing"] == {"update:devices": ["device:acme/hq/door"]}
    assert "Ask CHeKT to grant" in told["to_do"]


def test_a_scope_that_only_a_delete_needs_is_a_warning(cli: Cli, served: Served, account: Path) -> None:
    scopes = [each for each in served.sandbox.switches.token_scopes if not each.startswith("delete:")]
    served.sandbox.switches = served.sandbox.switches.changed({"token_scopes": scopes})
    result = cli("doctor", account, "--format", "json")
    assert (result.code, verdicts(result)["scopes"]) == (0, "warning")


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("CHEKT_AUDIENCE", "https://other.example.com/", "Correct CHEKT_AUDIENCE"),
        ("CHEKT_CLIENT_SECRET", "wrong", "Correct CHEKT_CLIENT_ID and CHEKT_CLIENT_SECRET"),
        ("CHEKT_TOKEN_URL", "{url}/token", "is no token endpoint: correct CHEKT_TOKEN_URL"),
        ("CHEKT_TOKEN_URL", "http://127.0.0.1:1/token", "Check host and port"),
        ("CHEKT_CLIENT_ID", "", "Set CHEKT_TOKEN_URL, CHEKT_AUDIENCE, CHEKT_CLIENT_ID"),
    ],
)
def test_a_wrong_variable_is_named(
    cli: Cli,
    served: Served,
    account: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    says: str,
) -> None:
    monkeypatch.setenv(variable, value.format(url=served.server.url))
    result = cli("doctor", account, "--format", "json")
    told = checks(result)["credentials.partner"]
    assert (result.code, told["result"]) == (1, "failed")
    assert says in told["to_do"]
    assert verdicts(result)["credentials.dealer.acme"] == "ok"


def test_an_assertion_key_that_nobody_registered_is_named(
    cli: Cli, account: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pem = tmp_path / "key.pem"
    pem.write_text(generate_key().private_pem, encoding="utf-8")
    pem.chmod(0o600)
    monkeypatch.delenv("CHEKT_CLIENT_SECRET")
    monkeypatch.setenv("CHEKT_PRIVATE_KEY_FILE", str(pem))
    monkeypatch.setenv("CHEKT_KEY_ID", "key-7")
    told = checks(cli("doctor", account, "--format", "json"))["credentials.partner"]
    assert (told["result"], "Register the public half of the key with CHeKT as key-7" in told["to_do"]) == (
        "failed",
        True,
    ), told


def test_a_key_of_another_dealer_is_told(
    cli: Cli, served: Served, account: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.sandbox.seed_dealer(777)
    served.sandbox.set_up(777, {"sites": [{"external_id": "far", "name": "Far away"}]})
    monkeypatch.setenv("CHEKT_API_KEY", "chekt-sandbox-dealer-777")
    result = cli("doctor", account, "--format", "json")
    told = checks(result)["credentials.dealer.acme"]
    assert (result.code, told["result"]) == (1, "failed")
    assert "opens another dealer: none of its 1 site is one of acme's" in told["seen"]


def test_a_disabled_key_is_told(cli: Cli, served: Served, account: Path) -> None:
    disabled = {"dealer_id": 12345, "api_key": KEY, "disabled": True}
    httpx.post(f"{served.server.url}/sim/v0/keys", json=disabled, trust_env=False).raise_for_status()
    result = cli("doctor", account, "--format", "json")
    told = checks(result)["credentials.dealer.acme"]
    assert (result.code, told["result"]) == (1, "failed")
    assert "is refused (401: the API key is disabled)" in told["seen"]
    assert "Make a new one in the portal" in told["to_do"]


@pytest.mark.parametrize(("seconds", "result"), [(0, "ok"), (9, "failed"), (-9, "failed")])
def test_a_skewed_clock_is_told(cli: Cli, served: Served, account: Path, seconds: float, result: str) -> None:
    served.sandbox.clock.advance(seconds)
    told = checks(cli("doctor", account, "--format", "json"))["clock"]
    assert told["result"] == result
    assert ("by NTP" in told["to_do"]) == (result == "failed")
    assert told["facts"]["samples"] >= 4


def test_a_lower_limit_than_documented_is_told_with_the_line_to_write(
    cli: Cli, served: Served, account: Path
) -> None:
    served.sandbox.switches = served.sandbox.switches.changed({"partner_per_minute": 600})
    told = checks(cli("doctor", account, "--format", "json"))["limits.partner"]
    assert (told["result"], told["facts"]["stated_per_minute"]) == ("warning", 600)
    assert told["settings"][-1] == "    rate: {per_minute: 600}"


def test_the_simulator_in_process_is_said_to_have_no_limit(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "dealer.yaml").write_text("kind: dealer\nid: acme\ndealer_id: 12345\n", encoding="utf-8")
    told = checks(cli("doctor", tmp_path, "--env", "embedded", "--format", "json"))["limits.partner"]
    assert (told["result"], told["seen"]) == ("ok", "The simulator in this process has no limit to keep.")


def test_plans_stop_naming_the_reads_that_a_doctor_confirmed(
    cli: Cli, served: Served, account: Path, project: Project
) -> None:
    url = served.server.url
    project(reconciler_yaml=f"environments: {{real: {{base_url: '{url}', sandbox: false}}}}\n")
    assert cli("apply", account, "--env", "real", "--yes").code == 0
    before = cli("plan", account, "--env", "real", "--format", "json").json["warnings"]
    assert any("has not confirmed" in each for each in before), before
    looked = cli("doctor", account, "--env", "real", "--format", "json")
    assert looked.code == 0, looked.out
    after = cli("plan", account, "--env", "real", "--format", "json").json["warnings"]
    assert not any("has not confirmed" in each for each in after), after
    again = checks(cli("doctor", account, "--env", "real", "--format", "json"))["endpoints.partner"]
    assert "known by guess" not in again["seen"]


def test_an_endpoint_that_is_not_there_is_told_with_the_line_to_write(
    cli: Cli, served: Served, account: Path, project: Project
) -> None:
    assert cli("doctor", account).code == 0
    wrong = "endpoints: {contact: {list: 'GET /partner/v1/dealers/{dealer_id}/sites/{site_id}/people'}}\n"
    project(reconciler_yaml=wrong)
    told = checks(cli("doctor", account, "--format", "json"))["endpoints.partner"]
    assert (told["result"], told["facts"]["unexpected"]) == (
        "warning",
        ["GET /partner/v1/dealers/{dealer_id}/sites/{site_id}/people"],
    )
    assert told["settings"][0] == "endpoints:"
    assert told["settings"][1].startswith('  contact: {list: "GET /..."}')


def test_what_answers_otherwise_now_is_confirmed_no_more(cli: Cli, served: Served, account: Path) -> None:
    def confirmed() -> set[str]:
        with Ledger.open(account / ".reconciler" / "ledger.db", "embedded") as ledger:
            return {each.endpoint for each in ledger.confirmations()}

    contacts = "GET /partner/v1/dealers/{dealer_id}/sites/{site_id}/contacts"
    assert cli("doctor", account).code == 0
    assert contacts in confirmed()
    served.sandbox.add_fault(Fault("status", method="GET", path="/partner/.*/contacts", status=500, count=0))
    assert cli("doctor", account).code == 0
    assert contacts in confirmed(), "a server that is out of order says nothing of its paths"
    served.sandbox.faults.clear()
    served.sandbox.add_fault(Fault("status", method="GET", path="/partner/.*/contacts", status=404, count=0))
    assert cli("doctor", account).code == 0
    assert contacts not in confirmed()


def test_the_ledger_is_told_of(cli: Cli, account: Path) -> None:
    told = checks(cli("doctor", account, "--format", "json"))["ledger"]
    assert (told["result"], told["facts"]["last_result"], told["facts"]["owned"]) == ("ok", "done", 4)
    (account / ".reconciler" / "ledger.db").write_bytes(b"no ledger" * 100)
    result = cli("doctor", account, "--format", "json")
    assert (result.code, verdicts(result)["ledger"]) == (1, "failed")
    assert verdicts(result)["credentials.partner"] == "ok"


def test_what_could_not_be_tried_is_told_in_words(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "dealer.yaml").write_text("kind: dealer\nid: acme\ndealer_id: 12345\n", encoding="utf-8")
    told = checks(cli("doctor", tmp_path, "--env", "embedded", "--format", "json"))["endpoints.partner"]
    assert "for want of monitoring stations, sites, " in told["seen"]


def test_text_fits_eighty_columns_and_has_no_colour_in_a_pipe(
    cli: Cli, served: Served, account: Path
) -> None:
    served.sandbox.switches = served.sandbox.switches.changed({"shape": "page"})
    result = cli("doctor", account)
    assert "\x1b" not in result.out
    assert max(map(len, result.out.splitlines())) <= 80, result.out
    assert "    dialect: page" in result.out


def test_no_secret_is_told(cli: Cli, served: Served, account: Path) -> None:
    for arguments in (("--format", "json"), ()):
        result = cli("doctor", account, *arguments)
        assert served.environment["CHEKT_CLIENT_SECRET"] not in result.out + result.err
        assert KEY not in result.out + result.err
    assert json.dumps(checks(cli("doctor", account, "--format", "json")))


def test_a_lock_is_told_with_its_holder_and_stands_in_no_ones_way(cli: Cli, account: Path) -> None:
    with EnvironmentLock(
        account / ".reconciler", "embedded", command="apply sites", now=datetime.now(tz=UTC)
    ):
        told = checks(cli("doctor", account, "--format", "json"))["ledger"]
    assert "apply is locked by `apply sites` of" in told["seen"]
    assert told["result"] == "ok"


def test_every_dealer_has_a_check_of_its_own_key(
    cli: Cli, served: Served, account: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.sandbox.seed_dealer(777)
    monkeypatch.delenv("CHEKT_API_KEY")
    monkeypatch.setenv("FAR_KEY", "mistyped")
    keys = "{acme: {api_key: {env: NO_SUCH}}, far: {api_key: {env: FAR_KEY}}}"
    settings = f"environments: {{embedded: {{dealers: {keys}}}}}\n"
    dealers = (
        f"{DEALER}---\nkind: dealer\nid: far\ndealer_id: 777\n---\nkind: dealer\nid: third\ndealer_id: 888\n"
    )
    project(reconciler_yaml=settings, sites_yaml=dealers)
    told = checks(cli("doctor", account, "--format", "json"))
    found = {name.rpartition(".")[2]: told[name] for name in told if name.startswith("credentials.dealer.")}
    assert {name: each["result"] for name, each in found.items()} == dict.fromkeys(
        ("acme", "far", "third"), "failed"
    )
    assert "NO_SUCH" in found["acme"]["seen"]
    assert "refused (401" in found["far"]["seen"]
    assert found["third"]["to_do"] == "Set environments.embedded.dealers.third.api_key."


def test_a_key_that_no_get_can_try_is_not_called_good(
    cli: Cli, account: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(reconciler_yaml="environments: {embedded: {event_api_key: {env: EVENT_KEY}}}\n")
    missing = checks(cli("doctor", account, "--format", "json"))["credentials.event"]
    assert (missing["result"], "EVENT_KEY" in missing["seen"]) == ("failed", True)
    monkeypatch.setenv("EVENT_KEY", "planted-event-key")
    result = cli("doctor", account, "--format", "json")
    assert verdicts(result)["credentials.event"] == "unknown"
    assert "planted-event-key" not in result.out


def test_a_ledger_on_a_branch_keeps_what_was_confirmed(cli: Cli, served: Served, tmp_path: Path) -> None:
    settings = (
        "ledger: git+branch://reconciler-ledger\n"
        f"environments: {{real: {{base_url: '{served.server.url}', sandbox: false}}}}\n"
    )
    origin = make_origin(tmp_path, sites_yaml=SITES, reconciler_yaml=settings)
    assert cli("doctor", origin.clone("one"), "--env", "real").code == 0
    kept = origin.file("real/confirmations.jsonl")
    assert '"endpoint":"GET /partner/v1/webhooks","grade":"inferred"' in kept
    tip = origin.tip()
    told = checks(cli("doctor", origin.clone("two"), "--env", "real", "--format", "json"))
    assert "GET /partner/v1/webhooks" in told["endpoints.partner"]["facts"]["known_before"]
    assert origin.tip() == tip, "nothing new, no commit"


def test_a_branch_that_cannot_be_pushed_costs_the_confirmations_and_not_the_diagnosis(
    cli: Cli, served: Served, tmp_path: Path
) -> None:
    settings = (
        "ledger: git+branch://reconciler-ledger\n"
        f"environments: {{real: {{base_url: '{served.server.url}', sandbox: false}}}}\n"
    )
    origin = make_origin(tmp_path, sites_yaml=SITES, reconciler_yaml=settings)
    clone = origin.clone("one")
    refuse = origin.path / "hooks" / "pre-receive"
    refuse.parent.mkdir(exist_ok=True)
    refuse.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    refuse.chmod(0o755)
    result = cli("doctor", clone, "--env", "real", "--format", "json")
    told = [check["result"] for check in result.json["checks"] if check["name"] == "ledger"]
    assert (result.code, told) == (1, ["ok", "failed"])
    assert verdicts(result)["credentials.partner"] == "ok"


def test_a_token_without_any_scope_is_told(cli: Cli, served: Served, account: Path) -> None:
    served.sandbox.switches = served.sandbox.switches.changed({"token_scopes": []})
    told = checks(cli("doctor", account, "--format", "json"))["scopes"]
    assert (told["result"], set(told["facts"]["missing"])) == ("failed", set(told["facts"]["needed"]))
