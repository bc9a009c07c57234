"""A certificate as text for people, JSON for programs, and JUnit XML for CI systems."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from xml.etree import ElementTree as ET  # only written here, never read

from reconciler.certificate import Certificate, Evidence, Finding, Verdict
from reconciler.escape import visible
from reconciler.model import JsonObject
from reconciler.render.text import Style, plain
from reconciler.times import utc_text

FORMAT_VERSION = 1

_ROLES = {Verdict.PASSED: "create", Verdict.FAILED: "delete", Verdict.MANUAL: "manual"}


def verdict_line(certificate: Certificate) -> str:
    """How it ended, in one sentence."""
    counts = ", ".join(f"{certificate.count(verdict)} {verdict}" for verdict in Verdict)
    ending = "Certified" if certificate.passed else "Not certified"
    run, missing = len(certificate.findings), len(certificate.left_out)
    if missing:
        ending = f"Not a whole certification, {run} of {run + missing} requirements"
    return f"{ending}: {counts}."


def heading(certificate: Certificate) -> str:
    """Which site was certified, where."""
    site = f"{visible(str(certificate.site))} (site {visible(certificate.site_id)})"
    return f"Certification of {site} on {where(certificate)}: {certificate.model}"


def where(certificate: Certificate) -> str:
    """The host, and the environment that names it."""
    return f"{visible(certificate.host)} (environment {visible(certificate.environment)})"


def evidence_text(evidence: Evidence) -> str:
    """What was done or seen, in one line, with how often in a row."""
    times = f" ({evidence.count} times)" if evidence.count > 1 else ""
    return visible(evidence.text) + times


def to_text(certificate: Certificate, style: Style = plain) -> str:
    """A line a requirement, with the reason and the evidence of those that failed; ends with a newline."""
    blocks = [style("heading", heading(certificate))]
    blocks.append("\n".join(_told(finding, style) for finding in certificate.findings))
    blocks += [style("warning", visible(remark)) for remark in certificate.remarks]
    blocks.append(style("heading", verdict_line(certificate)))
    return "\n\n".join(blocks) + "\n"


def _told(finding: Finding, style: Style) -> str:
    word = style(_ROLES[finding.verdict], f"{finding.verdict:<6}")
    lines = [f"  {word}  {finding.name:<18} {finding.seconds:5.1f} s"]
    if finding.message:
        lines.append(f"          {visible(finding.message)}")
    lines += [f"          {number}. {visible(step)}" for number, step in enumerate(finding.steps, start=1)]
    if finding.verdict is Verdict.FAILED:
        lines += [style("quiet", f"            {line}") for line in _listed(finding)]
    return "\n".join(lines)


def _listed(finding: Finding) -> Iterator[str]:
    for each in finding.evidence:
        yield f"{clock_time(each.at)} {each.kind:<7} {evidence_text(each)}"


def clock_time(at: datetime) -> str:
    """The time of day of ``at`` in UTC, to the millisecond."""
    return at.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3]


def to_json(certificate: Certificate) -> str:
    """The whole certificate, indented, keys sorted, ending with a newline."""
    content: JsonObject = {
        "format_version": FORMAT_VERSION,
        "passed": certificate.passed,
        "environment": certificate.environment,
        "host": certificate.host,
        "arming_model": certificate.model,
        "site": str(certificate.site),
        "site_id": certificate.site_id,
        "started_at": utc_text(certificate.started_at, "milliseconds"),
        "finished_at": utc_text(certificate.finished_at, "milliseconds"),
        "summary": {verdict.value: certificate.count(verdict) for verdict in Verdict},
        "remarks": list(certificate.remarks),
        "left_out": list(certificate.left_out),
        "requirements": [_finding(finding) for finding in certificate.findings],
    }
    return json.dumps(content, ensure_ascii=False, sort_keys=True, indent=2) + "\n"


def _finding(finding: Finding) -> JsonObject:
    return {
        "name": finding.name,
        "title": finding.title,
        "proves": finding.proves,
        "demand": finding.demand,
        "verdict": finding.verdict.value,
        "message": finding.message,
        "steps": list(finding.steps),
        "started_at": utc_text(finding.started_at, "milliseconds"),
        "seconds": round(finding.seconds, 3),
        "evidence": [
            {
                "at": utc_text(each.at, "milliseconds"),
                "kind": each.kind,
                "text": each.text,
                "count": each.count,
            }
            for each in finding.evidence
        ],
    }


def to_junit(certificate: Certificate) -> str:
    """One suite with a case a requirement, as Jenkins, GitLab and GitHub's reporters read it.

    What is left to a person is skipped there, with its steps: no reader counts it as passed.
    """
    seconds = (certificate.finished_at - certificate.started_at).total_seconds()
    counts = {
        "tests": str(len(certificate.findings)),
        "failures": str(certificate.count(Verdict.FAILED)),
        "errors": "0",
        "time": f"{seconds:.3f}",
    }
    root = ET.Element("testsuites", {"name": "reconciler certify", **counts})
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": visible(str(certificate.site)),
            **counts,
            "skipped": str(certificate.count(Verdict.MANUAL)),  # Jenkins' schema has it here only
            "timestamp": f"{certificate.started_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",
            "hostname": visible(certificate.host),
        },
    )
    properties = ET.SubElement(suite, "properties")
    for name in ("environment", "model", "site_id"):
        told = {"name": name, "value": visible(str(getattr(certificate, name)))}
        ET.SubElement(properties, "property", told)
    if certificate.left_out:
        ET.SubElement(properties, "property", {"name": "left_out", "value": ", ".join(certificate.left_out)})
    for finding in certificate.findings:
        _case(suite, f"certification.{certificate.model}", finding)
    if certificate.remarks:
        ET.SubElement(suite, "system-err").text = "\n".join(map(visible, certificate.remarks))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, classname: str, finding: Finding) -> None:
    about = {"classname": classname, "name": finding.name, "time": f"{finding.seconds:.3f}"}
    case = ET.SubElement(suite, "testcase", about)
    steps = [f"{number}. {visible(step)}" for number, step in enumerate(finding.steps, start=1)]
    message = visible(finding.message)
    if finding.verdict is Verdict.FAILED:
        ET.SubElement(case, "failure", {"message": message, "type": "requirement not met"}).text = message
    elif finding.verdict is Verdict.MANUAL:
        ET.SubElement(case, "skipped", {"message": " ".join([message, *steps])})
    lines = [f"Proves: {visible(finding.proves)}", f"Demand: {visible(finding.demand)}", *_listed(finding)]
    ET.SubElement(case, "system-out").text = "\n".join(lines)
