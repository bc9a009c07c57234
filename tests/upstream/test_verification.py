"""An alarm verification is answered once, whatever happens to the answer on its way."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.ledger import Delivery, Ledger
from reconciler.sandbox import Fault, Switches
from reconciler.upstream.ages import age_warning, spoken_age
from tests.faults.processes import MOMENTS, Moment
from tests.integration.conftest import Cli, Result
from tests.upstream.conftest import SITES, Integration, Made, deadly, run_killed

PATH = ".*/alarm-verifications/.*"


def answer(
    made: Integration,
    asked: Mapping[str, Any],
    *options: object,
    action: str = "disregard",
    contact: str = "john",
) -> Result:
    """The command line that answers ``asked`` at hq."""
    named = ("--verification-id", asked["verification_id"], "--contact", contact, "--action", action, "--yes")
    return made.run("verification", "answer", "site:acme/hq", asked["id"], *named, *options)


def outcomes(made: Integration) -> list[str]:
    rows = made.run("verification", "list", "--format", "json").json["answers"]
    return [row["outcome"] for row in rows]


def test_an_answer_is_sent_as_the_contact_with_the_exact_time_and_kept(integration: Made) -> None:
    made = integration()
    asked = made.ask()
    before = datetime.now(UTC)
    done = answer(made, asked, "--asked-at", before.isoformat(), "--format", "json")
    assert (done.code, done.json["warning"]) == (0, "")
    [taken] = made.taken(asked)
    row = made.served.sandbox.store.find("contact", f"12345/{made.served.site_id('hq')}", "john")
    assert row is not None
    assert taken["contact_id"] == row.id
    assert (taken["action"], taken["verification_id"]) == ("disregard", asked["verification_id"])
    assert taken["responded_at"] == done.json["answer"]["responded_at"]
    assert len(taken["responded_at"]) == len("2026-11-20T18:00:05.123Z")
    at = datetime.fromisoformat(taken["responded_at"])
    assert before - timedelta(milliseconds=1) <= at <= datetime.now(UTC)
    [kept] = made.run("verification", "list", "--format", "json").json["answers"]
    assert kept == done.json["answer"]
    assert (kept["outcome"], kept["answer_id"]) == ("done", str(taken["id"]))
    assert 0 <= kept["age_seconds"] < 60


def test_a_second_answer_is_refused_and_shows_the_first(integration: Made) -> None:
    made = integration()
    made.served.sandbox.switches = Switches(rate_limits=False, second_answer="accept")
    asked = made.ask()
    assert answer(made, asked, action="dispatch").code == 0
    for other in (
        asked,
        {**asked, "verification_id": str(asked["verification_id"]).upper()},
        {**asked, "id": 99},
    ):
        again = answer(made, other, contact="jane", action="disregard")
        assert again.code == 1
        assert "was answered with dispatch for contact:acme/hq/john" in again.err
    assert len(made.taken(asked)) == 1


Broken = tuple[Fault, list[str], int]

BROKEN: dict[str, Broken] = {
    "time-out after effect": (Fault("timeout", "PATCH", PATH, when="after", seconds=0.1), ["unknown"], 1),
    "time-out before effect": (Fault("timeout", "PATCH", PATH, seconds=0.1), ["unknown"], 0),
    "500 after effect": (Fault("status", "PATCH", PATH, when="after"), ["unknown"], 1),
    "500 before effect": (Fault("status", "PATCH", PATH), ["unknown"], 0),
    "connection lost": (Fault("drop", "PATCH", PATH, when="after"), ["unknown"], 1),
    "answer cut": (Fault("cut", "PATCH", PATH), ["unknown"], 1),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_answer_of_unknown_outcome_is_shown_as_unknown_and_never_repeated(
    integration: Made, name: str
) -> None:
    fault, kept, taken = BROKEN[name]
    made = integration()
    made.served.sandbox.switches = Switches(rate_limits=False, second_answer="accept", idempotency=False)
    asked = made.ask()
    made.served.sandbox.add_fault(fault)
    lost = answer(made, asked, "--format", "json")
    assert (lost.code, lost.json["error"]["code"]) == (1, "ambiguous")
    assert "verification resolve" in lost.json["error"]["hint"]
    assert outcomes(made) == kept
    again = answer(made, asked, contact="jane", action="dispatch")
    assert (again.code, "nobody knows whether that took effect" in again.err) == (1, True)
    assert len(made.taken(asked)) == taken


def process(
    made: Integration, asked: Mapping[str, Any], *options: str, **streams: int
) -> subprocess.Popen[str]:
    """A run of its own that answers ``asked`` at hq."""
    named = ("--verification-id", asked["verification_id"], "--contact", "john", "--action", "disregard")
    command = ("verification", "answer", "hq", str(asked["id"]), str(made.directory), *named, *options)
    return subprocess.Popen(
        [sys.executable, "-m", "reconciler", *command],
        env={**os.environ, **made.served.environment},
        text=True,
        **streams,
    )


def test_who_interrupts_an_answer_on_its_way_is_told_that_it_may_have_arrived(integration: Made) -> None:
    made = integration()
    asked = made.ask()
    made.served.sandbox.add_fault(Fault("slow", "PATCH", PATH, seconds=3))
    running = process(made, asked, "--yes", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until = time.monotonic() + 30
    while not any(call.startswith("PATCH") for call in made.served.calls()) and time.monotonic() < until:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert "nobody knows whether the disregard for verification" in err
    assert (running.returncode, "verification resolve" in err) == (1, True)
    assert outcomes(made) == ["unknown"]


def test_a_uuid_of_another_site_is_named_as_that(integration: Made) -> None:
    made = integration()
    asked = made.ask()
    assert answer(made, asked).code == 0
    uuid = asked["verification_id"]
    named = ("--verification-id", uuid, "--contact", "mary", "--action", "dispatch", "--yes")
    again = made.run("verification", "answer", "depot", asked["id"], *named)
    first = (
        f"{uuid} is the UUID of verification {asked['id']} of site:acme/hq, which was answered with disregard"
    )
    assert (again.code, first in again.err) == (1, True)


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_answer_whose_run_was_killed_is_unknown_until_a_person_says(
    tmp_path: Path, cli: Cli, project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, moment: Moment
) -> None:
    directory = project(sites_yaml=SITES)
    with deadly() as (sandbox, variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert cli("apply", directory, "--yes").code == 0
        site = sandbox.store.find("site", "12345", "hq")
        assert site is not None
        uuid = "0b8e1f7a-3c52-4d3e-9f0a-5d2f6f1f7c11"
        with sandbox.store.transaction():
            body: dict[str, Any] = {"verification_id": uuid, "site_id": site.id}
            row = sandbox.store.insert("verification", f"12345/{site.id}", None, body, 0.0)
        command = ("verification", "answer", "hq", row.id, directory, "--contact", "john", "--yes")
        ids = ("--verification-id", uuid, "--action", "dispatch")
        run_killed(sandbox, variables, 2, moment, *command, *ids)
        known = cli("verification", "list", directory, "--format", "json").json["answers"]
        outcome = "done" if moment == "answered" and known[0]["outcome"] == "done" else "unknown"
        assert [each["outcome"] for each in known] == [outcome]
        assert cli(*command, *ids).code == 1, "never twice"
        taken = sandbox.store.get("verification", row.id)
        assert taken is not None
        arrived: Any = taken.body.get("answers", [])
        assert len(arrived) == (0 if moment == "before" else 1)
        if moment == "before":
            settled = cli("verification", "resolve", "hq", row.id, directory, "--did-not-happen")
            assert (settled.code, "it did not happen, says" in settled.out) == (0, True)
            assert cli(*command, *ids).code == 0


def test_what_was_refused_may_be_answered_again(integration: Made) -> None:
    made = integration()
    asked = made.ask()
    wrong = answer(made, {**asked, "verification_id": "0b8e1f7a-3c52-4d3e-9f0a-5d2f6f1f7c11"})
    assert (wrong.code, "another verification's id" in wrong.err) == (1, True)
    assert answer(made, asked).code == 0
    assert outcomes(made) == ["failed", "done"]
    assert len(made.taken(asked)) == 1


def test_a_conflict_is_taken_for_an_answer_given_elsewhere_and_not_sent_again_unasked(
    integration: Made,
) -> None:
    made = integration()
    asked = made.ask()
    made.served.sandbox.add_fault(Fault("status", "PATCH", PATH, status=409))
    refused = answer(made, asked, "--format", "json")
    error = refused.json["error"]
    assert (refused.code, error["code"]) == (1, "already_answered")
    assert "has most likely been answered elsewhere, so CHeKT refused the disregard" in error["message"]
    assert "plan again" not in error["hint"]
    assert "verification resolve" in error["hint"]
    again = answer(made, asked, contact="jane", action="dispatch")
    assert (again.code, "most likely since it was answered elsewhere" in again.err) == (1, True)
    assert (made.taken(asked), outcomes(made)) == ([], ["unknown"])
    assert made.run("verification", "resolve", "hq", asked["id"], "--did-not-happen").code == 0
    assert answer(made, asked).code == 0
    assert len(made.taken(asked)) == 1


@pytest.mark.parametrize(
    ("contact", "said"),
    [
        ("contact:acme/depot/mary", "belongs to site:acme/depot, not to site:acme/hq"),
        ("mary", "there is no contact mary in site:acme/hq"),
        ("jhon", "Write one of contact:acme/hq/john."),
    ],
)
def test_nobody_answers_for_another_site(integration: Made, contact: str, said: str) -> None:
    made = integration()
    asked = made.ask()
    refused = answer(made, asked, contact=contact)
    assert (refused.code, said in refused.err) == (1, True)
    assert made.taken(asked) == []
    assert outcomes(made) == []


def test_a_contact_the_ledger_does_not_know_is_looked_up(integration: Made) -> None:
    made = integration()
    asked = made.ask()
    for file in (made.directory / ".reconciler").glob("ledger.db*"):
        file.unlink()
    assert answer(made, asked, contact="contact:acme/hq/jane").code == 0
    [taken] = made.taken(asked)
    row = made.served.sandbox.store.find("contact", f"12345/{made.served.site_id('hq')}", "jane")
    assert row is not None
    assert taken["contact_id"] == row.id


@pytest.mark.parametrize(
    ("number", "uuid", "said"),
    [
        ("17", None, "Write --verification-id UUID"),
        ("0b8e1f7a-3c52-4d3e-9f0a-5d2f6f1f7c11", None, "Write the number as VERIFICATION"),
        ("seventeen", None, "is neither a number nor a UUID"),
        ("17", "x", "is no UUID"),
    ],
)
def test_both_ids_are_needed_and_each_is_its_own(
    integration: Made, number: str, uuid: str | None, said: str
) -> None:
    made = integration()
    named = () if uuid is None else ("--verification-id", uuid)
    refused = made.run(
        "verification", "answer", "hq", number, *named, "--contact", "john", "--action", "dispatch", "--yes"
    )
    assert (refused.code, said in refused.err) == (1, True)
    assert made.served.calls() == []


def received(made: Integration, data: Mapping[str, Any], at: datetime, number: int = 1) -> None:
    """Puts a delivery into the inbox, as the listener does."""
    event = {
        "id": f"evt_{number}",
        "type": "verification.requested",
        "created_at": at.isoformat(),
        "data": data,
    }
    body = json.dumps(event).encode()
    delivery = Delivery("app:x", "app", f"evt_{number}", f"evt_{number}", event["type"], at, body)
    with Ledger.open(made.directory / ".reconciler" / "ledger.db", "embedded") as book:
        book.receive(delivery, [])


@pytest.mark.parametrize("named", ["id", "verification_id"])
def test_the_other_id_and_the_age_are_taken_from_what_the_listener_received(
    integration: Made, named: str
) -> None:
    made = integration()
    other, asked = made.ask("depot"), made.ask()
    at = datetime.now(UTC) - timedelta(minutes=3)
    received(made, other, at, 1)
    received(made, {"nothing": 1}, at, 2)
    received(made, asked, at, 3)
    received(made, asked, at, 4)
    done = made.run(
        *("verification", "answer", "hq", asked[named]),
        *("--contact", "john", "--action", "dispatch", "--yes", "--format", "json"),
    )
    assert done.code == 0, done.out
    assert 180 <= done.json["answer"]["age_seconds"] < 240
    assert "an answer is due within 2 minutes" in done.json["warning"]
    assert len(made.taken(asked)) == 1


def test_a_number_of_no_known_site_gives_no_uuid(integration: Made) -> None:
    made = integration()
    other = made.ask("depot")
    received(made, {name: other[name] for name in ("id", "verification_id")}, datetime.now(UTC))
    named = ("--contact", "john", "--action", "disregard", "--yes")
    refused = made.run("verification", "answer", "hq", other["id"], *named)
    assert (refused.code, "Write --verification-id UUID" in refused.err) == (1, True)
    assert made.taken(other) == []


def test_an_inbox_that_names_the_uuid_alone_is_not_guessed_from(integration: Made) -> None:
    made = integration()
    asked = made.ask()
    received(
        made, {"verification_id": asked["verification_id"], "site_id": asked["site_id"]}, datetime.now(UTC)
    )
    command = (
        "verification",
        "answer",
        "hq",
        asked["id"],
        "--contact",
        "john",
        "--action",
        "dispatch",
        "--yes",
    )
    refused = made.run(*command)
    assert (refused.code, "Write --verification-id UUID" in refused.err) == (1, True)
    assert made.run(*command, "--verification-id", asked["verification_id"]).code == 0


def test_without_a_terminal_nothing_is_sent_unasked(integration: Made) -> None:
    made = integration()
    asked = made.ask()
    named = ("--verification-id", asked["verification_id"], "--contact", "john", "--action", "dispatch")
    refused = made.run("verification", "answer", "hq", asked["id"], *named)
    assert (refused.code, "nothing was sent" in refused.err) == (1, True)
    assert made.taken(asked) == []


AT = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, ""),
        (120, ""),
        (121, "asked 2 min 1 s ago and an answer is due within 2 minutes"),
        (300, "within 2 minutes"),
        (301, "CHeKT may have dispatched by itself already"),
        (600, "CHeKT may have dispatched by itself already"),
        (601, "call the monitoring centre"),
        (None, "nobody here knows when this was asked"),
    ],
)
def test_an_answer_is_warned_of_by_its_age(seconds: int | None, said: str) -> None:
    asked_at = None if seconds is None else AT
    warning = age_warning(asked_at, AT + timedelta(seconds=seconds or 0))
    assert said in warning
    assert bool(warning) == bool(said)


def test_the_warning_stands_before_the_answer_and_refuses_nothing(integration: Made) -> None:
    made = integration()
    asked = made.ask()
    late = (datetime.now(UTC) - timedelta(minutes=7)).isoformat()
    done = answer(made, asked, "--asked-at", late)
    assert (done.code, "CHeKT may have dispatched by itself already" in done.err) == (0, True)
    assert "7 min" in made.run("verification", "list").out


def test_the_age_is_told_again_where_the_question_was_left_open(integration: Made) -> None:
    made = integration()
    asked = made.ask()
    asked_at = datetime.now(UTC) - timedelta(minutes=3)
    person, terminal = pty.openpty()
    running = process(
        made, asked, "--asked-at", asked_at.isoformat(), stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    heard = b""
    while b"Only 'yes' is accepted" not in heard:
        heard += os.read(person, 4096)
    assert heard.count(b"Warning: it was asked 3 min") == 1
    time.sleep(1.2)  # the age is spoken in seconds
    os.write(person, b"yes\n")
    while b"Answered" not in heard:
        heard += os.read(person, 4096)
    assert running.wait(30) == 0
    os.close(person)
    assert heard.count(b"Warning: it was asked 3 min") == 2


def test_ages_are_spoken() -> None:
    assert [spoken_age(timedelta(seconds=s)) for s in (-1, 59, 190, 7500)] == [
        "0 s",
        "59 s",
        "3 min 10 s",
        "2 h 5 min",
    ]


def test_below_the_accepted_grade_nothing_is_sent_to_a_real_host(integration: Made) -> None:
    made = integration()
    asked = made.ask()
    live = f"{{base_url: '{made.served.server.url}', sandbox: false, accept: observed}}"
    settings = made.directory / "reconciler.yaml"
    settings.write_text(f"version: 1\nenvironments:\n  live: {live}\n", encoding="utf-8")
    refused = answer(made, asked, "--env", "live")
    assert (refused.code, "documented only, live accepts observed or better" in refused.err) == (1, True)
    assert made.taken(asked) == []
    settings.write_text(
        f"version: 1\nenvironments:\n  live: {live.replace('observed', 'documented')}\n", encoding="utf-8"
    )
    assert answer(made, asked, "--env", "live").code == 0


def test_secrets_are_masked_in_the_debug_log(integration: Made) -> None:
    made = integration()
    asked = made.ask()
    named = (
        "--verification-id",
        asked["verification_id"],
        "--contact",
        "john",
        "--action",
        "dispatch",
        "--yes",
    )
    done = made.cli("--debug", "verification", "answer", "hq", asked["id"], made.directory, *named)
    assert done.code == 0
    assert "authorization: ***" in done.err.lower()
    assert made.served.environment["CHEKT_CLIENT_SECRET"] not in done.err


def test_the_embedded_sandbox_answers_too(cli: Cli, project: Callable[..., Path]) -> None:
    directory = project(sites_yaml=SITES)
    assert cli("apply", directory, "--yes").code == 0
    uuid = "0b8e1f7a-3c52-4d3e-9f0a-5d2f6f1f7c11"
    named = ("--verification-id", uuid, "--contact", "john", "--action", "dispatch", "--yes")
    refused = cli("verification", "answer", "hq", 17, directory, *named)
    assert (refused.code, "verification not found" in refused.err) == (1, True)
