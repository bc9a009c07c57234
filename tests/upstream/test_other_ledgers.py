"""Answers and reports where the ledger is no file: on a git branch, and in a PostgreSQL database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.sandbox import Fault, Switches
from tests.integration.conftest import Cli, Served
from tests.ledger.repositories import KEY, Origin, make_origin
from tests.postgresql import Server
from tests.upstream.conftest import SITES, Integration, deadly, run_killed

BRANCH = "ledger: git+branch://reconciler-ledger\nenvironments:\n  production: {}\n"
PATCH = ".*/alarm-verifications/.*"


def answers_on(origin: Origin) -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in origin.file("production/answers.jsonl").splitlines()]
    return [(row["action"], row.get("status", "open")) for row in rows]


def test_answers_are_on_the_branch_before_they_are_sent_and_bind_every_runner(
    tmp_path: Path, served: Served, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECONCILER_LEDGER_KEY", KEY)
    origin = make_origin(tmp_path, sites_yaml=SITES, reconciler_yaml=BRANCH)
    monkeypatch.setenv("RECONCILER_ENV", "production")
    first, second = origin.clone("one"), origin.clone("two")
    assert cli("apply", first, "--yes").code == 0
    asked = Integration(first, served, cli).ask()
    served.sandbox.add_fault(Fault("timeout", "PATCH", PATCH, when="after", seconds=0.1))
    command = ("verification", "answer", "hq", asked["id"], "--verification-id", asked["verification_id"])
    how = ("--contact", "john", "--action", "dispatch", "--yes")
    assert cli(*command, first, *how).code == 1
    assert answers_on(origin) == [("dispatch", "unknown")]
    again = cli(*command, second, *how)
    assert (again.code, "may have been answered with dispatch" in again.err) == (1, True)
    settled = cli("verification", "resolve", "hq", asked["id"], second, "--happened")
    assert settled.code == 0, settled.err
    assert answers_on(origin) == [("dispatch", "done")]
    assert "it happened, says" in cli("verification", "list", first).out
    assert len(Integration(first, served, cli).taken(asked)) == 1


def test_an_answer_whose_runner_was_killed_is_known_to_the_next_runner(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECONCILER_LEDGER_KEY", KEY)
    monkeypatch.setenv("RECONCILER_ENV", "production")
    origin = make_origin(tmp_path, sites_yaml=SITES, reconciler_yaml=BRANCH)
    first, second = origin.clone("one"), origin.clone("two")
    with deadly() as (sandbox, variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert cli("apply", first, "--yes").code == 0
        how = ("--verification-id", "0b8e1f7a-3c52-4d3e-9f0a-5d2f6f1f7c11", "--contact", "john", "--yes")
        command = ("verification", "answer", "hq", 17, "--action", "dispatch", *how)
        run_killed(sandbox, variables, 2, "before", *command, first)
        assert answers_on(origin) == [("dispatch", "open")]
        heard = sandbox.heard
        again = cli(*command, second)
        assert (again.code, "may have been answered with dispatch" in again.err) == (1, True)
        assert sandbox.heard == heard


def test_machines_that_share_a_database_keep_a_sites_reports_in_order(
    tmp_path: Path, served: Served, cli: Cli, postgresql: Server
) -> None:
    ledger = f"{postgresql.url}&schema={postgresql.schema()}"
    settings = f"version: 1\narming_model: partner_triggered\nledger: {ledger}\n"
    machines = [tmp_path / "one", tmp_path / "two"]
    for machine in machines:
        machine.mkdir()
        (machine / "reconciler.yaml").write_text(settings, encoding="utf-8")
        (machine / "sites.yaml").write_text(SITES, encoding="utf-8")
    assert cli("apply", machines[0], "--yes").code == 0
    served.sandbox.switches = Switches(rate_limits=False, arming_model="partner_triggered")
    lines = "".join(
        f'{{"site": "{site}", "state": "{state}"}}\n'
        for state in ("armed_away", "disarmed") * 3
        for site in ("hq", "depot")
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "reconciler", "arming", "report", "--from", "-", machine, "-f", "json"],
            env={**os.environ, **served.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for machine in machines
    ]
    for process in both:
        out, err = process.communicate(lines, timeout=60)
        assert json.loads(out)["counts"].keys() <= {"done", "unchanged"}, (out, err)
    for site in ("hq", "depot"):
        rows = cli("arming", "history", site, machines[1], "--format", "json").json["reports"]
        assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
        assert {row["outcome"] for row in rows} == {"done"}
