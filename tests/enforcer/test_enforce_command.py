"""``reconciler enforce``: what people, cron and other programs see of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import run
from reconciler.enforcer.memory import Memory, to_json
from reconciler.enforcer.session import enforcement_lock
from reconciler.manifests import load
from reconciler.redaction import Redactor
from reconciler.runtime import Runtime, store_of
from reconciler.sandbox import DEALER_ID, Sandbox, Switches, dealer_key, serve, transport
from tests.enforcer.rig import EVENING, LATE, MORNING, NOON, SITE, TUESDAY, project
from tests.enforcer.test_alerts import listening


@dataclass
class Home:
    """A project on the embedded sandbox, and the command line run on it."""

    directory: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> tuple[int, str]:
        code = run(["enforce", *arguments], Console(json="json" in arguments))
        said = self.capsys.readouterr()
        return code, said.out + said.err

    def once(self, at: object, *arguments: str) -> tuple[int, str]:
        when = getattr(at, "isoformat", str)()
        return self.run(str(self.directory), "--once", "--at", when, "--horizon", "0s", *arguments)

    def document(self, at: object, *arguments: str) -> tuple[int, dict[str, Any]]:
        code, text = self.once(at, "--format", "json", *arguments)
        return code, json.loads(text)

    def sandbox(self, method: str, path: str, body: object) -> Any:
        made = Sandbox(self.directory / ".reconciler" / "sandbox.db", switches=Switches(rate_limits=False))
        try:
            with httpx.Client(transport=transport(made), base_url="http://sandbox.localhost") as http:
                return http.request(method, f"/sim/v0{path}", json=body).raise_for_status().json()
        finally:
            made.close()


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Home:
    project(tmp_path / "p")
    (tmp_path / "p" / ".reconciler").mkdir()
    made = Home(tmp_path / "p", capsys)
    body = {"scope": str(DEALER_ID), "external_id": "hq", "body": {"name": "Headquarters"}}
    made.sandbox("POST", "/objects/site", body)
    return made


def test_a_night_and_a_morning_by_cron(home: Home) -> None:
    assert home.once(NOON)[0] == 0
    code, said = home.once(EVENING)
    assert (code, "disarmed -> armed_away  confirmed" in said) == (0, True)
    code, said = home.once(MORNING + TUESDAY)
    assert (code, "armed -> disarmed  confirmed" in said) == (0, True)
    code, said = home.run("history", SITE, str(home.directory))
    assert code == 0
    assert said.count("by nights@") == 2
    assert "tzdata" in said
    code, said = home.run("history", SITE, str(home.directory), "--format", "json")
    assert [row["decided"] for row in json.loads(said)["commands"]] == ["armed_away", "disarmed"]


def test_the_json_says_for_every_target_how_it_stands_and_why(home: Home) -> None:
    code, document = home.document(EVENING)
    (target,) = document["targets"]
    assert (code, document["exit_code"]) == (0, 0)
    assert (target["target"], target["wanted"], target["seen"]) == (SITE, "armed_away", "armed")
    assert target["until"] == "2026-11-24T08:00:00Z"
    (command,) = document["commands"]
    assert command["result"] == "confirmed"
    assert document["summary"] == {"in_state": 1}


def test_the_exit_code_says_that_somebody_is_needed(home: Home) -> None:
    home.once(EVENING)
    for path in (home.directory / ".reconciler").glob("ledger.db*"):
        path.unlink()
    code, document = home.document(MORNING + TUESDAY)
    assert (code, document["targets"][0]["rule"]) == (1, "not_seen_before")


def test_a_dry_run_says_what_would_be_commanded(home: Home) -> None:
    code, said = home.once(EVENING, "--dry-run")
    assert (code, "would be commanded" in said) == (0, True)
    _, document = home.document(EVENING, "--dry-run")
    assert (document["targets"][0]["seen"], document["commands"]) == ("disarmed", [])


def test_metrics_and_heartbeat_are_written_for_cron_too(home: Home, tmp_path: Path) -> None:
    home.once(EVENING, "--metrics", str(tmp_path / "m.prom"), "--heartbeat", str(tmp_path / "h.json"))
    assert "reconciler_enforce_targets_in_state 1" in (tmp_path / "m.prom").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "h.json").read_text(encoding="utf-8"))["targets"] == 1


def test_a_project_whose_partner_arms_is_refused_with_the_reason(home: Home) -> None:
    settings = home.directory / "reconciler.yaml"
    settings.write_text("version: 1\narming_model: partner_triggered\n", encoding="utf-8")
    manifest = home.directory / "site.yaml"
    text = manifest.read_text(encoding="utf-8").replace("arming: {schedule: nights}\n", "")
    manifest.write_text(text, encoding="utf-8")
    code, said = home.once(EVENING)
    assert (code, "partner_triggered" in said) == (1, True)


def test_a_site_that_is_not_in_the_account_is_reported(home: Home) -> None:
    home.sandbox("POST", "/reset", {})
    code, said = home.once(EVENING)
    assert (code, "`reconciler apply` first" in said) == (1, True)


def test_alerts_that_cannot_be_told_do_not_keep_the_site_from_being_armed(home: Home) -> None:
    settings = home.directory / "reconciler.yaml"
    alerts = "alerts: [{webhook: {url: {env: NOT_SET_ANYWHERE}}}]\n"
    settings.write_text(settings.read_text(encoding="utf-8") + alerts, encoding="utf-8")
    code, said = home.once(EVENING)
    assert code == 1
    assert "NOT_SET_ANYWHERE" in said
    assert "disarmed -> armed_away  confirmed" in said


def test_manifests_that_break_under_cron_are_told_once_and_so_is_their_repair(home: Home) -> None:
    manifest = home.directory / "site.yaml"
    good = manifest.read_text(encoding="utf-8")
    with listening(204) as (url, taken):
        settings = home.directory / "reconciler.yaml"
        alerts = f"alerts: [{{webhook: {{url: '{url}'}}}}]\n"
        settings.write_text(settings.read_text(encoding="utf-8") + alerts, encoding="utf-8")
        home.once(NOON)
        manifest.write_text(good.replace("windows:", "window:"), encoding="utf-8")
        assert home.once(EVENING, "--dry-run")[0] == 1
        assert taken == []
        for _ in range(2):
            code, said = home.once(EVENING)
            assert (code, "window" in said) == (1, True)
        manifest.write_text(good, encoding="utf-8")
        home.once(EVENING)
    told = [json.loads(body) for body, _ in taken]
    assert [(each["code"], each["status"]) for each in told] == [
        ("manifests_broken", "firing"),
        ("manifests_broken", "resolved"),
    ]
    assert "window" in told[0]["message"]


def test_broken_manifests_are_left_to_the_daemon_to_tell(home: Home) -> None:
    made = load(home.directory, env={})
    (home.directory / "site.yaml").write_text("kind: nonsense\n", encoding="utf-8")
    runtime = Runtime({}, Redactor(), lambda: EVENING)
    with enforcement_lock(made, runtime, "enforce --daemon"):
        assert home.once(EVENING)[0] == 1
    with store_of(made, runtime).open() as ledger:
        assert ledger.open_alerts() == []


def test_a_dry_run_needs_no_lock(home: Home) -> None:
    made = load(home.directory, env={})
    runtime = Runtime({}, Redactor(), lambda: EVENING)
    with enforcement_lock(made, runtime, "enforce --daemon"):
        assert "would be commanded" in home.once(EVENING, "--dry-run")[1]


def test_a_stop_is_lifted_by_a_person(home: Home) -> None:
    stopped = Memory(first_seen=NOON, stopped="undone twice")
    runtime = Runtime({}, Redactor(), lambda: EVENING)
    with store_of(load(home.directory, env={}), runtime).open() as ledger:
        ledger.watch(SITE, None, to_json(stopped))
    code, said = home.once(EVENING)
    assert (code, "stopped" in said) == (1, True)
    assert "undone twice" in home.run("history", SITE, str(home.directory))[1]
    assert home.run("resume", SITE, str(home.directory))[0] == 0
    assert home.once(EVENING)[0] == 0
    code, said = home.run("resume", SITE, str(home.directory))
    assert (code, "has not stopped" in said) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--once"),
        (("--once", "--daemon"), "--once"),
        (("--daemon", "--dry-run"), "--once"),
        (("--once", "--horizon", "soon"), "length of time"),
        (("--once", "--horizon", "99999999999999h"), "longer than a day"),
        (("--once", "--at", "teatime"), "is not a time"),
        (("--once", "--target", "site:acme/hp"), "matches no resource"),
    ],
)
def test_options_that_make_no_sense_are_refused(home: Home, arguments: tuple[str, ...], message: str) -> None:
    code, said = home.run(str(home.directory), *arguments)
    assert (code, message in said) == (1, True)


def test_a_real_account_is_not_armed_at_another_time(home: Home) -> None:
    (home.directory / "reconciler.yaml").write_text(
        "version: 1\nenvironments: {real: {surface: dealer, base_url: 'https://api.example.com'}}\n",
        encoding="utf-8",
    )
    code, said = home.once(EVENING, "--env", "real")
    assert (code, "wrong time" in said) == (1, True)


def test_a_partner_project_arms_with_dealer_keys_alone(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.directory / "reconciler.yaml").write_text(
        "version: 1\nenvironments: {local: {surface: partner, base_url: 'http://127.0.0.1:1'}}\n",
        encoding="utf-8",
    )
    with serve(Sandbox(":memory:")) as server, httpx.Client(base_url=server.url) as http:
        body = {"scope": str(DEALER_ID), "external_id": "hq", "body": {"name": "Headquarters"}}
        site_id = http.post("/sim/v0/objects/site", json=body).json()["id"]
        http.put("/sim/v0/clock", json={"now": LATE.isoformat(), "frozen": False}).raise_for_status()
        monkeypatch.setenv("CHEKT_BASE_URL", server.url)
        monkeypatch.setenv("XDG_STATE_HOME", str(home.directory))
        monkeypatch.delenv("CHEKT_API_KEY", raising=False)
        code, said = home.once(LATE, "--env", "local")
        assert (code, "CHEKT_API_KEY" in said) == (1, True)
        monkeypatch.setenv("CHEKT_API_KEY", dealer_key(DEALER_ID))
        assert home.once(LATE, "--env", "local")[0] == 0
        (state,) = http.get(f"/sim/v0/sites/{site_id}/arming").json()
    assert state["state"] == "armed_away"
