"""A certificate for people, for programs and for CI systems."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from reconciler.certificate import Certificate, Evidence, Finding, Verdict
from reconciler.model import Address
from reconciler.render import render_certificate
from tests.render.test_html import ATTRIBUTES, Page

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script>\x1b[31m\u202e\x00]]>&"


def finding(name: str, verdict: Verdict, message: str = "", *steps: str) -> Finding:
    evidence = (
        Evidence(START, "request", f"GET /ext/v1/sites/1/arming: 200 {HOSTILE}", 3),
        Evidence(START + timedelta(seconds=1.25), "state", "disarmed"),
    )
    return Finding(name, name.title(), "Proves it.", "Do it.", verdict, message, steps, evidence, START, 1.5)


FINDINGS = (
    finding("mode-transitions", Verdict.PASSED),
    finding("exit-delay", Verdict.FAILED, f"armed too early {HOSTILE}"),
    finding("user-codes", Verdict.MANUAL, "somebody has to", "Enter a code.", f"See {HOSTILE}."),
)


def of(*findings: Finding, remarks: tuple[str, ...] = (), left_out: tuple[str, ...] = ()) -> Certificate:
    site = Address("site", ("acme", "certification"))
    end = START + timedelta(seconds=5)
    return Certificate(
        "dev", "api.chektdev.com", "chekt_triggered", site, "17", START, end, findings, remarks, left_out
    )


MIXED = of(*FINDINGS, remarks=(f"Look after it {HOSTILE}.",))


def test_only_a_whole_pass_is_a_certificate() -> None:
    assert of(FINDINGS[0]).passed
    assert not of(FINDINGS[0], FINDINGS[2]).passed
    assert not of(FINDINGS[0], FINDINGS[1]).passed


def test_text_tells_why_and_what_is_left_to_do() -> None:
    text = render_certificate(MIXED, "text")
    assert "Certification of site:acme/certification (site 17) on api.chektdev.com" in text
    assert "  failed  exit-delay           1.5 s\n          armed too early" in text
    assert "          1. Enter a code.\n          2. See" in text
    assert text.endswith("Not certified: 1 passed, 1 failed, 1 manual.\n")
    assert "09:00:01.250 state   disarmed" in text
    assert "\x1b" not in text
    assert render_certificate(of(FINDINGS[0]), "text").endswith("Certified: 1 passed, 0 failed, 0 manual.\n")


def test_a_choice_of_requirements_is_never_called_a_certification() -> None:
    part = of(FINDINGS[0], left_out=("exit-delay", "open-zone"))
    said = "Not a whole certification, 1 of 3 requirements: 1 passed, 0 failed, 0 manual."
    assert render_certificate(part, "text").endswith(f"\n{said}\n")
    assert said in render_certificate(part, "html")
    assert json.loads(render_certificate(part, "json"))["left_out"] == ["exit-delay", "open-zone"]
    root = ET.fromstring(render_certificate(part, "junit"))
    assert [each.get("value") for each in root.iter("property") if each.get("name") == "left_out"] == [
        "exit-delay, open-zone"
    ]


def test_json_holds_everything() -> None:
    content = json.loads(render_certificate(MIXED, "json"))
    assert (content["passed"], content["summary"]) == (False, {"passed": 1, "failed": 1, "manual": 1})
    assert [each["verdict"] for each in content["requirements"]] == ["passed", "failed", "manual"]
    assert content["requirements"][0]["evidence"][1] == {
        "at": "2026-03-02T09:00:01.250Z",
        "count": 1,
        "kind": "state",
        "text": "disarmed",
    }


ORDER = ("failure", "skipped", "system-out")
"""The children of a test case, in the only order that every schema of JUnit XML takes."""


def test_junit_is_read_by_ci_systems_and_counts_what_is_manual_as_skipped() -> None:
    text = render_certificate(MIXED, "junit")
    root = ET.fromstring(text)
    [suite] = root
    counts = {"tests": "3", "failures": "1", "errors": "0", "time": "5.000"}
    assert (root.tag, root.attrib) == ("testsuites", {"name": "reconciler certify", **counts})
    assert {**counts, "skipped": "1"}.items() <= suite.attrib.items()
    assert datetime.fromisoformat(suite.attrib["timestamp"]).tzinfo is None
    assert [each.tag for each in suite] == ["properties", *["testcase"] * 3, "system-err"]
    cases = suite.findall("testcase")
    assert [each.attrib["name"] for each in cases] == [each.name for each in FINDINGS]
    for case in cases:
        assert set(case.attrib) == {"classname", "name", "time"}
        float(case.attrib["time"])
        tags = [each.tag for each in case]
        assert tags == sorted(tags, key=ORDER.index)
        assert tags[-1] == "system-out"
    assert [[each.tag for each in case][:-1] for case in cases] == [[], ["failure"], ["skipped"]]
    failure, skipped = cases[1][0], cases[2][0]
    assert failure.attrib["type"]
    assert failure.attrib["message"].startswith("armed too early")
    assert "1. Enter a code." in skipped.attrib["message"]


def test_the_page_allows_itself_its_style_only_and_shows_everything() -> None:
    page = Page(render_certificate(MIXED, "html"))
    assert page.wrong == []
    assert page.having("script") == []
    assert next(each["content"] for each in page.having("meta") if "http-equiv" in each) == (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    assert {attribute for _, attributes in page.tags for attribute in attributes} <= ATTRIBUTES
    for each in FINDINGS:
        assert each.title in page.text
        assert each.name in page.values("id")
    assert {f"#{each.name}" for each in FINDINGS[1:]} == set(page.values("href"))
    opened = ["open" in each for each in page.having("details")]
    assert opened == [False, True, True]
    assert "alert('x')" in page.text
    assert "\\u202e" in page.text


@pytest.mark.parametrize("output_format", ["text", "json", "junit", "html"])
def test_the_same_certificate_gives_the_same_bytes(output_format: str) -> None:
    assert render_certificate(MIXED, output_format) == render_certificate(MIXED, output_format)
