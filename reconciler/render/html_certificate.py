"""A certificate as one self-contained HTML page, in the style of the plan's; it has no script."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from reconciler.certificate import Certificate, Evidence, Finding, Verdict
from reconciler.render import certificate as words
from reconciler.render.html_change import text
from reconciler.render.html_page import page
from reconciler.render.html_style import STYLE
from reconciler.times import utc_text

_WEIGHT = (Verdict.FAILED, Verdict.MANUAL, Verdict.PASSED)
"""The order in which a reader should look."""

_OWN_STYLE = """
.passed { --tone: var(--create); } .failed { --tone: var(--delete); }
.verdict { color: var(--tone); font-weight: 600; }
.group > summary .verdict { color: var(--tone); }
.change.failed { background: var(--grave); box-shadow: inset .4rem 0 var(--tone); }
.counts { display: flex; flex-wrap: wrap; gap: .35rem; margin: .75rem 0; padding: 0; list-style: none; }
.evidence { border-collapse: collapse; table-layout: fixed; width: 100%; margin-top: .6rem;
  font-size: .875rem; }
.evidence th, .evidence td { text-align: left; vertical-align: top; padding: .15rem .75rem .15rem 0; }
.evidence th { font-weight: 400; color: var(--soft); font-variant-numeric: tabular-nums; }
.evidence thead th { width: 7.25rem; } .evidence thead th:last-child { width: auto; }
.evidence td { overflow-wrap: anywhere; } .evidence td:nth-child(2) { color: var(--soft); }
.message { margin: .35rem 0 0; font-weight: 600; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  .evidence, .evidence tbody, .evidence tr, .evidence th, .evidence td { display: inline; width: auto; }
  .evidence tr { display: block; margin-top: .35rem; } .evidence thead { display: none; }
  .evidence th, .evidence td:nth-child(2) { padding: 0 .5rem 0 0; width: auto; }
  .evidence td:last-child { display: block; padding: 0; }
}
"""


def to_html(certificate: Certificate) -> str:
    """``certificate`` as a page: the verdict, what has not passed, then every requirement's evidence."""
    title = f"Certification of {text(str(certificate.site))}"
    body = [
        f'<header class="page"><h1>{title}</h1>{_about(certificate)}</header>',
        _remarks(certificate.remarks),
        _counts(certificate),
        "<main>",
        _open_ends(certificate),
        *map(_section, certificate.findings),
        "</main>",
    ]
    return page(title, body, style=STYLE + _OWN_STYLE)


def _about(certificate: Certificate) -> str:
    where = text(words.where(certificate))
    model = certificate.model.replace("_", "-").replace("chekt", "CHeKT")
    return (
        f"<p>{model} · site {text(certificate.site_id)} · {where} · {_time(certificate.started_at)}</p>"
        f'<p class="limited">{text(words.verdict_line(certificate))}</p>'
    )


def _time(moment: datetime) -> str:
    return f'<time datetime="{utc_text(moment)}">{utc_text(moment)[:-4].replace("T", " ")} UTC</time>'


def _remarks(remarks: Sequence[str]) -> str:
    if not remarks:
        return ""
    rows = "".join(f"<li>{text(remark)}</li>" for remark in remarks)
    return (
        '<section class="warnings" aria-labelledby="remarks"><h2 id="remarks">Look after this</h2>'
        f"<ul>{rows}</ul></section>"
    )


def _counts(certificate: Certificate) -> str:
    chips = "".join(
        f'<li class="chip {verdict.value}"><b>{certificate.count(verdict)}</b> {verdict.value}</li>'
        for verdict in _WEIGHT
        if certificate.count(verdict)
    )
    return f'<ul class="counts" aria-label="Requirements">{chips}</ul>'


def _open_ends(certificate: Certificate) -> str:
    """What has not passed, by name, before anything else."""
    left = [
        finding for verdict in _WEIGHT[:2] for finding in certificate.findings if finding.verdict is verdict
    ]
    if not left:
        return ""
    rows = "".join(
        f'<li><b class="verdict {finding.verdict.value}">{finding.verdict.value}</b> '
        f'<a href="#{finding.name}">{text(finding.title)}</a></li>'
        for finding in left
    )
    return (
        '<section class="going" aria-labelledby="left"><h2 id="left">Not passed '
        f"({len(left)})</h2><ul>{rows}</ul></section>"
    )


def _section(finding: Finding) -> str:
    verdict = finding.verdict.value
    opened = "" if finding.verdict is Verdict.PASSED else " open"
    message = f'<p class="message">{text(finding.message)}</p>' if finding.message else ""
    steps = "".join(f"<li>{text(step)}</li>" for step in finding.steps)
    return (
        f'<details class="group"{opened}><summary><h2>{text(finding.title)}</h2>'
        f'<span><b class="verdict {verdict}">{verdict}</b> · {finding.seconds:.1f} s</span></summary>'
        f'<article class="change {verdict}" id="{finding.name}">{message}'
        + (f'<ol class="steps">{steps}</ol>' if steps else "")
        + f'<p class="why">{text(finding.proves)}</p>'
        f'<p class="why">Asked for: {text(finding.demand)}</p>'
        f"{_evidence(finding.evidence)}</article></details>"
    )


def _evidence(evidence: Sequence[Evidence]) -> str:
    if not evidence:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{words.clock_time(each.at)}</th><td>{each.kind}</td>'
        f"<td>{text(words.evidence_text(each))}</td></tr>"
        for each in evidence
    )
    head = '<tr><th scope="col">UTC</th><th scope="col">Evidence</th><th scope="col">What</th></tr>'
    return f'<table class="evidence"><thead>{head}</thead><tbody>{rows}</tbody></table>'
