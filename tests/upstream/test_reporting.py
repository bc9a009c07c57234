"""Arming states of a partner's own system: in order, in time, once, and never lost silently."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.account import open_account
from reconciler.arming.reported import Reported
from reconciler.ledger import ArmingReport
from reconciler.manifests import load
from reconciler.model import Address
from reconciler.redaction import Redactor
from reconciler.runtime import Runtime
from reconciler.sandbox import Fault, Sandbox, Switches
from reconciler.sandbox.arming import history
from reconciler.upstream import reporting as reports
from reconciler.upstream.reporting import Reporting, Told
from tests.faults.processes import MOMENTS, Moment
from tests.integration.conftest import Cli
from tests.upstream.conftest import SITES, Integration, Made, deadly, run_killed

PARTNER = "version: 1\narming_model: partner_triggered\n"
PANEL = Switches(rate_limits=False, arming_model="partner_triggered")
NO_KEYS = PANEL.changed({"idempotency": False})
"""A server that honours no Idempotency-Key: a repeat is seen."""

PATH = "/v1/sites/.*/arming-state"
HQ = Address("site", ("acme", "hq"))


@pytest.fixture
def partner(integration: Made) -> Integration:
    made = integration(PARTNER)
    made.served.sandbox.switches = NO_KEYS
    return made


def arrived(sandbox: Sandbox, external_id: str = "hq") -> list[str]:
    """The states that the site has gone through, as CHeKT's log has them: armed without its mode."""
    row = sandbox.store.find("site", "12345", external_id)
    assert row is not None
    rows: list[Any] = history(sandbox.store, row.id, sandbox.clock.now().timestamp())
    return [each["status"] for each in rows]


def logged(*states: str) -> list[str]:
    """``states`` as the log has them."""
    return ["armed" if state.startswith("armed_") else state for state in states]


def states(made: Integration, external_id: str = "hq") -> list[str]:
    return arrived(made.served.sandbox, external_id)


def outcomes(made: Integration, site: str = "hq") -> list[str]:
    rows = made.run("arming", "history", site, "--format", "json").json["reports"]
    return [row["outcome"] for row in rows]


def test_a_state_is_reported_with_who_and_how(partner: Integration) -> None:
    by = ("--user", "jane", "--source", "keypad")
    done = partner.run("arming", "report", "hq", "--state", "ARMED_AWAY", *by, "--format", "json")
    assert (done.code, done.json["outcome"], done.json["seconds"] < 5) == (0, "done", True)
    assert states(partner) == logged("armed_away")
    row = partner.served.sandbox.store.find("site", "12345", "hq")
    assert row is not None
    url = f"{partner.served.server.url}/sim/v0/sites/{row.id}/arming"
    [now] = httpx.get(url, trust_env=False).json()
    assert (now["by"], now["method"], now["since"]) == ("jane", "keypad", done.json["since"])
    assert "armed_away by jane (keypad)  done" in partner.run("arming", "history", "hq").out


def test_what_cannot_follow_is_refused_before_anything_is_sent(partner: Integration) -> None:
    assert partner.run("arming", "report", "hq", "--state", "disarmed").code == 0
    partner.served.forget()
    for state, more, said in (
        ("entry_delay", (), "disarmed is not followed by entry_delay"),
        ("armed_away", ("--at", "2020-01-01T00:00:00Z"), "older than what was reported last"),
        ("armed_away", ("--zone", "3"), "zones belong to arm_failure"),
        ("armed_away", ("--at", "+2h"), "is to begin only at"),
        ("entry_delay", ("--resync",), "entry_delay does not last"),
        ("open", (), "there is no state 'open'"),
        ("disarmed", ("--partition", "x"), "neither a number nor all"),
    ):
        refused = partner.run("arming", "report", "hq", "--state", state, *more)
        assert (refused.code, said in refused.err) == (1, True), refused.err
    again = partner.run("arming", "report", "hq", "--state", "disarmed")
    assert (again.code, "nothing was sent" in again.out) == (0, True)
    assert partner.served.calls() == []
    assert outcomes(partner) == ["done"]


def test_a_state_may_begin_as_far_ahead_as_the_help_says(partner: Integration) -> None:
    ahead = reports.AHEAD.total_seconds()
    assert f"at most {ahead:g} s ahead" in " ".join(partner.cli("arming", "report", "--help").out.split())
    report = ("arming", "report", "hq", "--state", "armed_away", "--at")
    assert partner.run(*report, f"+{ahead + 20:g}s").code == 1
    assert partner.run(*report, f"+{ahead - 20:g}s").code == 0


def test_a_name_in_another_encoding_is_refused(partner: Integration) -> None:
    refused = partner.run("arming", "report", "hq", "--state", "armed_away", "--user", "J\udcfcrgen")
    assert (refused.code, "hold what is no UTF-8" in refused.err) == (1, True)
    assert outcomes(partner) == []


def test_a_state_is_resynchronised_only_when_asked(partner: Integration) -> None:
    partner.served.sandbox.switches = NO_KEYS.changed({"invalid_transition": "accept"})
    for state in ("armed_stay", "entry_delay"):
        assert partner.run("arming", "report", "hq", "--state", state).code == 0
    assert partner.run("arming", "report", "hq", "--state", "armed_away").code == 1
    assert partner.run("arming", "report", "hq", "--state", "armed_away", "--resync").code == 0
    assert states(partner) == logged("armed_stay", "entry_delay", "armed_away")


BROKEN = {
    "time-out after effect": Fault("timeout", "POST", PATH, when="after", seconds=0.1),
    "time-out before effect": Fault("timeout", "POST", PATH, seconds=0.1),
    "500 after effect": Fault("status", "POST", PATH, when="after"),
    "500 before effect": Fault("status", "POST", PATH),
    "429": Fault("status", "POST", PATH, status=429, seconds=0.1),
    "connection lost": Fault("drop", "POST", PATH, when="after"),
}


@contextmanager
def alert_receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The URL of somebody who takes alerts, and those that were taken."""
    heard: list[dict[str, Any]] = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", heard
        server.shutdown()


def reported(
    made: Integration, told: list[Told], clock: Callable[[], datetime] | None = None
) -> tuple[list[ArmingReport], list[str]]:
    """What became of ``told``, with pauses that take no time, and the alerts that are open then."""
    pauses: list[float] = []

    def now() -> datetime:
        return (clock or (lambda: datetime.now(UTC)))() + timedelta(seconds=sum(pauses))

    runtime = Runtime({**os.environ}, Redactor(), now, sleep=pauses.append)
    with open_account(load(made.directory, env=os.environ), runtime, "partner") as account:
        reporting = Reporting(account)
        ended = [reporting.deliver(each) for each in map(reporting.queue, told) if each is not None]
        return ended, [alert.code for alert in account.ledger.open_alerts()]


def told(state: Reported, site: Address = HQ, **more: Any) -> Told:
    return Told(site, state, datetime.now(UTC), **more)


@pytest.mark.parametrize("name", BROKEN)
def test_a_report_without_an_answer_is_sent_again_until_there_is_one(partner: Integration, name: str) -> None:
    partner.served.sandbox.add_fault(BROKEN[name])
    [ended], alerts = reported(partner, [told(Reported.ARMED_AWAY)])
    assert (ended.status, alerts) == ("done", [])
    assert states(partner) == logged("armed_away")
    keys = {r.idempotency_key for r in partner.served.log() if r.path.endswith("arming-state")}
    assert keys == {ended.idempotency_key}, "a repeat is the same intent"


def test_a_report_that_never_gets_an_answer_is_unknown_and_people_are_told(partner: Integration) -> None:
    partner.served.sandbox.add_fault(Fault("status", "POST", PATH, count=0, when="after"))
    [lost], alerts = reported(partner, [told(Reported.ARMED_AWAY)])
    assert (lost.status, alerts) == ("unknown", ["report_failed"])
    partner.served.sandbox.faults.clear()
    [ended], alerts = reported(partner, [told(Reported.DISARMED)])
    assert (ended.status, alerts) == ("done", []), "the next state is clear again"
    assert states(partner) == logged("armed_away", "disarmed")


@contextmanager
def out_of_reach(made: Integration, how: str) -> Iterator[None]:
    """While CHeKT takes nothing: its host is gone, or it answers with a status."""
    if how == "no host":
        with socket.socket() as taken, pytest.MonkeyPatch.context() as patch:
            taken.bind(("127.0.0.1", 0))  # and not listening: a connection is refused
            patch.setenv("CHEKT_BASE_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
            yield
        return
    made.served.sandbox.add_fault(Fault("status", "POST", PATH, count=0, status=int(how), seconds=0.0))
    yield
    made.served.sandbox.faults.clear()


@pytest.mark.parametrize("how", ["no host", "429", "503"])
def test_a_lasting_state_that_nobody_took_goes_out_before_the_next_one(
    partner: Integration, how: str
) -> None:
    with out_of_reach(partner, how):
        [first], alerts = reported(partner, [told(Reported.ARMED_AWAY)])
        assert (first.status, bool(first.note), alerts) == ("queued", True, ["report_failed"])
        [second], alerts = reported(partner, [told(Reported.DISARMED)])
        assert (second.status, bool(second.note), alerts) == ("queued", True, ["report_failed"])
    assert states(partner) == []
    [third], alerts = reported(partner, [told(Reported.ARMED_STAY)])
    assert (third.status, alerts) == ("done", [])
    assert states(partner) == logged("armed_away", "disarmed", "armed_stay")
    assert outcomes(partner) == ["done"] * 3


def test_the_alert_of_a_state_that_was_put_off_is_open_until_it_went_out(partner: Integration) -> None:
    with alert_receiver() as (url, heard):
        settings = f"{PARTNER}alerts: [{{webhook: {{url: '{url}'}}}}]\n"
        (partner.directory / "reconciler.yaml").write_text(settings, encoding="utf-8")
        with out_of_reach(partner, "503"):
            for _ in range(2):
                reported(partner, [told(Reported.ARMED_AWAY)])
        failed = [each["status"] for each in heard if each["code"] == "report_failed"]
        assert failed == ["firing"], "another try neither ends nor repeats it"
        reported(partner, [told(Reported.ARMED_AWAY)])
        assert [each["status"] for each in heard if each["code"] == "report_failed"] == [
            "firing",
            "resolved",
        ]


def test_a_state_that_passes_is_not_kept_where_nobody_took_it(partner: Integration) -> None:
    with out_of_reach(partner, "429"):
        [ended], alerts = reported(partner, [told(Reported.ARMING_IN_PROGRESS)])
    assert (ended.status, alerts) == ("failed", ["report_failed"])


def test_a_command_says_that_its_state_is_queued_and_any_batch_sends_it(
    partner: Integration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "PAUSES", ())
    lines = tmp_path / "events.jsonl"
    lines.write_text('{"site": "depot", "state": "armed_away"}\n', encoding="utf-8")
    with out_of_reach(partner, "503"):
        one = partner.run("arming", "report", "hq", "--state", "armed_away")
        assert (one.code, "armed_away of site:acme/hq is queued and not reported yet" in one.err) == (1, True)
        assert "goes out before the next report of this site" in one.err
        many = partner.run("arming", "report", "--from", lines)
        assert (many.code, many.out.splitlines()[0]) == (1, "Reports: 2 queued.")
    assert "queued: " in partner.run("arming", "history", "hq").out
    lines.write_text("", encoding="utf-8")
    done = partner.run("arming", "report", "--from", lines)
    assert (done.code, done.out) == (0, "Reports: 2 done.\n")
    assert states(partner) == states(partner, "depot") == logged("armed_away")


def test_a_batch_counts_what_a_later_line_took_along_as_done(
    partner: Integration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "PAUSES", ())
    partner.served.sandbox.add_fault(Fault("status", "POST", PATH, status=503))
    lines = tmp_path / "events.jsonl"
    rows = [{"site": "hq", "state": state} for state in ("armed_away", "disarmed")]
    lines.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    done = partner.run("arming", "report", "--from", lines)
    assert (done.code, done.out) == (0, "Reports: 2 done.\n")
    assert states(partner) == logged("armed_away", "disarmed")


def test_a_late_report_alerts_while_it_is_tried_and_ends_that_when_it_arrives(partner: Integration) -> None:
    partner.served.sandbox.add_fault(Fault("status", "POST", PATH, count=3))
    [ended], alerts = reported(partner, [told(Reported.ARMED_AWAY)])
    assert (ended.status, alerts) == ("done", [])
    rows = partner.run("arming", "history", "hq", "--format", "json").json["reports"]
    assert rows[0]["seconds"] > 5


def test_people_are_told_of_a_late_report_and_of_its_arrival(partner: Integration) -> None:
    with alert_receiver() as (url, heard):
        settings = f"{PARTNER}alerts: [{{webhook: {{url: '{url}'}}}}]\n"
        (partner.directory / "reconciler.yaml").write_text(settings, encoding="utf-8")
        partner.served.sandbox.add_fault(Fault("status", "POST", PATH, count=3))
        [ended], _ = reported(partner, [told(Reported.ARMED_AWAY)])
    assert ended.status == "done"
    assert [(each["code"], each["status"]) for each in heard] == [
        ("report_late", "firing"),
        ("report_late", "resolved"),
    ]
    assert heard[0]["target"] == "site:acme/hq"
    assert "was not reported within 5 s" in heard[0]["message"]


def test_a_refused_report_fails_and_what_follows_on_it_is_judged_anew(partner: Integration) -> None:
    partner.served.sandbox.add_fault(Fault("status", "POST", PATH, status=403))
    first, second = told(Reported.ARMED_AWAY), told(Reported.DISARMED)
    ended, alerts = reported(partner, [first, second])
    assert [each.status for each in ended] == ["failed", "done"]
    assert alerts == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_report_whose_process_was_killed_is_sent_before_the_next_one(
    cli: Cli, project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, moment: Moment
) -> None:
    directory = project(sites_yaml=SITES, reconciler_yaml=PARTNER)
    with deadly() as (sandbox, variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert cli("apply", directory, "--yes").code == 0
        sandbox.switches = NO_KEYS
        run_killed(
            sandbox, variables, 2, moment, "arming", "report", "hq", directory, "--state", "armed_away"
        )
        assert cli("arming", "report", "hq", directory, "--state", "disarmed").code == 0
        assert arrived(sandbox) == logged("armed_away", "disarmed")
        rows = cli("arming", "history", "hq", directory, "--format", "json").json["reports"]
        assert [(row["state"], row["outcome"]) for row in rows] == [
            ("armed_away", "done"),
            ("disarmed", "done"),
        ]


@pytest.mark.parametrize("batch", [False, True], ids=["one report", "a batch"])
@pytest.mark.parametrize("partition", ["all", "1"])
def test_what_a_killed_process_did_not_send_is_not_taken_as_reported(
    partner: Integration, tmp_path: Path, partition: str, *, batch: bool
) -> None:
    runtime = Runtime(os.environ, Redactor(), lambda: datetime.now(UTC))
    with open_account(load(partner.directory, env=os.environ), runtime, "partner") as account:
        Reporting(account).queue(Told(HQ, Reported.ARMED_AWAY))
    again = tmp_path / "again.jsonl"
    row = {"site": "hq", "state": "armed_away", "partition": partition}
    again.write_text(json.dumps(row), encoding="utf-8")
    one = ("hq", "--state", "armed_away", "--partition", partition)
    done = partner.run("arming", "report", *(("--from", again) if batch else one))
    assert (done.code, outcomes(partner)) == (0, ["done"])
    assert states(partner) == logged("armed_away")


def test_what_a_process_left_behind_is_sent_by_the_next_batch(partner: Integration, tmp_path: Path) -> None:
    early = datetime.now(UTC) - timedelta(minutes=5)
    runtime = Runtime(os.environ, Redactor(), lambda: early)
    with open_account(load(partner.directory, env=os.environ), runtime, "partner") as account:
        Reporting(account).queue(Told(HQ, Reported.ARMED_AWAY, early))
    nothing = tmp_path / "none.jsonl"
    nothing.write_text("", encoding="utf-8")
    done = partner.run("arming", "report", "--from", nothing)
    assert (done.code, done.out) == (0, "Reports: 1 done.\n")
    assert states(partner) == logged("armed_away")


FLEET = 50
CYCLE = ("arming_in_progress", "armed_away", "entry_delay", "disarmed")


def fleet(count: int) -> str:
    sites = [f"kind: site\nid: s{number}\nname: S{number}\ntimezone: UTC\n" for number in range(count)]
    return "---\n".join(["kind: dealer\nid: acme\ndealer_id: 12345\n", *sites])


def piped(
    variables: Mapping[str, str], directory: Path, rows: list[dict[str, object]]
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", "arming", "report", "--from", "-", directory, "-f", "json"],
        env={**os.environ, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write("".join(json.dumps(row) + "\n" for row in rows))
    return process


def test_fifty_sites_report_side_by_side_each_in_order(integration: Made) -> None:
    made = integration(PARTNER, fleet(FLEET))
    made.served.sandbox.switches = PANEL
    made.served.sandbox.add_fault(Fault("status", "POST", PATH, nth=20, count=3, status=429, seconds=0.1))
    rows = [{"site": f"s{number}", "state": state} for state in CYCLE for number in range(FLEET)]
    process = piped(made.served.environment, made.directory, [*rows, {"site": "s1", "state": "entry_delay"}])
    out, err = process.communicate(timeout=60)
    document = json.loads(out)
    assert (process.returncode, document["counts"]) == (1, {"done": 4 * FLEET, "refused": 1}), err
    assert document["failures"][0]["line"] == 4 * FLEET + 1
    for number in range(FLEET):
        assert states(made, f"s{number}") == logged(*CYCLE)


def test_two_processes_never_overtake_each_other_at_one_site(partner: Integration) -> None:
    partner.served.sandbox.add_fault(Fault("slow", "POST", PATH, count=0, seconds=0.05))
    turns = ("armed_away", "disarmed") * 5
    both = [
        piped(
            partner.served.environment, partner.directory, [{"site": "hq", "state": state} for state in turns]
        )
        for _ in range(2)
    ]
    for process in both:
        out, err = process.communicate(timeout=60)
        assert json.loads(out)["counts"].keys() <= {"done", "unchanged"}, (out, err)
    rows = partner.run("arming", "history", "hq", "--format", "json").json["reports"]
    assert [row["outcome"] for row in rows] == ["done"] * len(rows)
    assert states(partner) == logged(*(row["state"] for row in rows)), "arrived in the order of the queue"
    assert all(one["state"] != other["state"] for one, other in pairwise(rows))


def test_a_line_is_reported_while_the_pipe_is_open_and_ctrl_c_ends_it(partner: Integration) -> None:
    process = piped(partner.served.environment, partner.directory, [{"site": "hq", "state": "armed_away"}])
    assert process.stdin is not None
    process.stdin.flush()
    until = time.monotonic() + 30
    while not partner.served.calls() and time.monotonic() < until:
        time.sleep(0.02)
    assert partner.served.calls() == [f"POST /v1/sites/{partner.served.site_id('hq')}/arming-state"]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, "Interrupted" in err) == (130, True)
    assert "What is queued and not sent stays in the ledger" in err
    assert states(partner) == logged("armed_away")


def test_a_line_that_is_wrong_is_told_and_the_others_go_on(partner: Integration, tmp_path: Path) -> None:
    lines = tmp_path / "events.jsonl"
    lines.write_text(
        '{"site": "hq", "state": "armed_away", "zones": ["003"]}\n'
        "no json\n"
        "[]\n\n"
        '{"site": "nowhere", "state": "disarmed"}\n'
        '{"site": "hq", "state": "disarmed", "color": "red"}\n'
        '{"site": "hq", "state": "disarmed", "at": "2026-11-20T18:00:00"}\n'
        '{"site": "hq"}\n'
        '{"site": "depot", "state": "arm_failure", "zones": ["003"], "user": "jane"}\n',
        encoding="utf-8",
    )
    done = partner.run("arming", "report", "--from", lines)
    assert (done.code, done.out.splitlines()[0]) == (1, "Reports: 1 done, 7 refused.")
    assert [line.split()[1] for line in done.out.splitlines()[1:]] == ["1", "2", "3", "5", "6", "7", "8"]
    assert "arm_failure (zones 003) by jane" in partner.run("arming", "history", "depot").out


@pytest.mark.parametrize(
    "broken",
    [
        b'{"site": "hq", "state": "disarmed", "user": "J\xfcrgen"}',
        b'{"site": "hq", "state": "disarmed", "user": "\\ud800"}',
        b'{"site": "hq", "site": "depot", "state": "disarmed"}',
        b"[" * 100_000,
    ],
    ids=["Latin-1", "half a surrogate pair", "a key twice", "nested deeply"],
)
def test_a_line_that_no_reader_can_trust_stops_no_other(
    partner: Integration, tmp_path: Path, broken: bytes
) -> None:
    lines = tmp_path / "events.jsonl"
    lines.write_bytes(
        b'{"site": "hq", "state": "armed_away"}\r\n' + broken + b'\n{"site": "depot", "state": "armed_away"}'
    )
    done = partner.run("arming", "report", "--from", lines)
    assert (done.code, done.out.splitlines()[0]) == (1, "Reports: 2 done, 1 refused.")
    assert done.out.splitlines()[1].startswith("  line 2  -  -  refused: it is not JSON: ")
    assert states(partner) == states(partner, "depot") == logged("armed_away")


def test_open_zones_are_sent_where_somebody_knows_the_field(partner: Integration) -> None:
    kept = partner.run("arming", "report", "hq", "--state", "arm_failure", "--zone", "003")
    assert (kept.code, "recorded and not sent" in kept.err) == (0, True)
    settings = f"{PARTNER}environments: {{embedded: {{report_zones_as: open_zones}}}}\n"
    (partner.directory / "reconciler.yaml").write_text(settings, encoding="utf-8")
    refused = partner.run("arming", "report", "hq", "--state", "arm_failure", "--zone", "003")
    assert (refused.code, "there is no field open_zones" in refused.err) == (1, True)


def test_on_a_real_host_the_endpoint_counts_by_its_grade_and_can_be_corrected(partner: Integration) -> None:
    live = f"environments:\n  live: {{base_url: '{partner.served.server.url}', sandbox: false}}\n"
    settings = partner.directory / "reconciler.yaml"
    settings.write_text(PARTNER + live, encoding="utf-8")
    partner.served.forget()
    refused = partner.run("arming", "report", "hq", "--state", "disarmed", "--env", "live")
    assert (refused.code, "is named only, live accepts documented or better" in refused.err) == (1, True)
    assert partner.served.calls() == []
    corrected = "endpoints: {arming_state: {report: POST /partner/v1/sites/{site_id}/arming-state}}\n"
    quoted = corrected.replace("POST", "'POST").replace("state}}\n", "state'}}\n")
    settings.write_text(PARTNER + live + quoted, encoding="utf-8")
    gone = partner.run("arming", "report", "hq", "--state", "disarmed", "--env", "live")
    assert gone.code == 1
    number = partner.served.site_id("hq")
    assert partner.served.calls()[-1] == f"POST /partner/v1/sites/{number}/arming-state"
    settings.write_text(PARTNER + quoted.replace("report", "tell"), encoding="utf-8")
    wrong = partner.run("validate")
    assert (wrong.code, "write endpoints.arming_state.report" in wrong.err) == (1, True)


@pytest.mark.parametrize(
    "command",
    [
        ("enforce", "--once"),
        ("override", "set", "site:acme/hq", "--state", "disarmed", "--until", "+1h", "--reason", "test"),
    ],
)
def test_where_the_partner_arms_the_other_model_commands_nothing(
    partner: Integration, command: tuple[str, ...]
) -> None:
    refused = partner.run(*command)
    assert (refused.code, "CHeKT forbids mixing both models" in refused.err) == (1, True)


def test_where_chekt_arms_nothing_is_reported(integration: Made) -> None:
    made = integration()
    refused = made.run("arming", "report", "hq", "--state", "disarmed")
    assert (refused.code, "this project is chekt_triggered" in refused.err) == (1, True)
    assert made.served.calls() == []


def test_a_ledger_on_a_git_branch_cannot_order_reports(partner: Integration) -> None:
    live = "ledger: git+branch://ledger\nenvironments:\n  live: {base_url: 'https://api.example.com'}\n"
    (partner.directory / "reconciler.yaml").write_text(PARTNER + live, encoding="utf-8")
    refused = partner.run("arming", "report", "hq", "--state", "disarmed", "--env", "live")
    assert (refused.code, "a git branch is too slow" in refused.err) == (1, True)


def test_the_embedded_sandbox_takes_reports_too(cli: Cli, project: Callable[..., Path]) -> None:
    directory = project(sites_yaml=SITES, reconciler_yaml=PARTNER)
    assert cli("apply", directory, "--yes").code == 0
    assert cli("arming", "report", "hq", directory, "--state", "armed_stay").code == 0
    assert cli("arming", "report", "hq", directory, "--state", "disarmed").code == 0
