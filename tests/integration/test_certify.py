"""``reconciler certify`` as a command: what it prints, writes and returns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from reconciler.sandbox import DEALER_ID, dealer_key
from tests.integration.conftest import Cli, Served

EXAMPLE_OF = {"chekt_triggered": "certification", "partner_triggered": "certification-partner"}


@pytest.mark.parametrize("model", EXAMPLE_OF)
def test_the_example_is_certified_on_the_embedded_sandbox(
    example: Callable[[str], Path], cli: Cli, model: str, tmp_path: Path
) -> None:
    directory = example(EXAMPLE_OF[model])
    assert cli("apply", directory, "--yes").code == 0
    ran = cli("certify", directory, "--only", "open-zone", "--format", "json")
    assert ran.code == 0, ran.out + ran.err
    content = json.loads(ran.out)
    assert (content["passed"], content["arming_model"]) == (True, model)
    assert [each["name"] for each in content["requirements"]] == ["open-zone"]
    page = tmp_path / "report.html"
    ran = cli("certify", directory, "--only", "time-zones", "--format", "html", "--out", page)
    assert ran.code == 0
    assert "Not a whole certification, 1 of " in ran.out
    assert ran.out.endswith(": 1 passed, 0 failed, 0 manual.\n")
    assert page.read_text().startswith("<!doctype html>")
    assert cli("plan", directory, "--detailed-exitcode").code == 0


def test_a_served_sandbox_that_breaks_a_rule_is_not_certified(
    example: Callable[[str], Path], cli: Cli, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHEKT_API_KEY", dealer_key(DEALER_ID))
    directory = example("certification")
    assert cli("apply", directory, "--env", "served", "--yes").code == 0
    sandbox = served.sandbox
    sandbox.switches = sandbox.switches.changed({"flaws": ["arms_open"]})
    ran = cli("certify", directory, "--env", "served", "--only", "open-zone", "--format", "junit")
    assert ran.code == 1
    failure = ET.fromstring(ran.out).find("testsuite/testcase/failure")
    assert failure is not None, ran.out
    assert "armed" in failure.attrib["message"]


def test_what_cannot_be_certified_is_said_in_a_sentence(example: Callable[[str], Path], cli: Cli) -> None:
    directory = example("certification")
    ran = cli("certify", directory)
    assert ran.code == 1
    assert "site:acme/certification is not in the account" in ran.err
    ran = cli("certify", directory, "--format", "html", "--out", directory / "nowhere" / "page.html")
    assert (ran.code, "page.html cannot be written" in ran.err) == (1, True)
    ran = cli("certify", directory, "--only", "api-retry")
    assert (ran.code, "has no requirement 'api-retry'" in ran.err) == (1, True)
