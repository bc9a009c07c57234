"""Render: a plan as text, JSON, Markdown or HTML, the end of an apply, a certificate. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from reconciler.model import Plan
from reconciler.writes import Report

if TYPE_CHECKING:  # only HTML needs the arming
    from reconciler.arming.weekly import WeekChange
    from reconciler.certificate import Certificate


def render_plan(
    made: Plan,
    output_format: str,
    *,
    colour: bool = False,
    weeks: Sequence[WeekChange] = (),
    mask: Callable[[str], str] = str,
) -> str:
    """``made`` as ``text``, ``json``, ``markdown`` or ``html``.

    ``colour`` is for text only; ``weeks``, the arming weeks it changes, for the pictures of HTML; the others
    show those that ``made`` tells of itself. ``mask`` hides secrets in HTML, in which they could not be found
    any more.
    """
    from reconciler.render import html, json, markdown, masking, text  # noqa: PLC0415  each pulls in its own

    match output_format:
        case "json":
            return json.to_json(made)
        case "markdown":
            return markdown.fitted(made)
        case "html":
            return html.to_html(masking.masked(made, mask), weeks)
        case _:
            return text.to_text(made, text.ansi if colour else text.plain)


def render_report(done: Report, output_format: str, *, colour: bool = False) -> str:
    """The end of an apply as ``text`` or ``json``; ``colour`` is for text only."""
    from reconciler.render.report import to_json, to_text  # noqa: PLC0415
    from reconciler.render.text import ansi, plain  # noqa: PLC0415

    return to_json(done) if output_format == "json" else to_text(done, ansi if colour else plain)


def render_certificate(certificate: Certificate, output_format: str, *, colour: bool = False) -> str:
    """``certificate`` as ``text``, ``json``, ``junit`` or ``html``; ``colour`` is for text only."""
    from reconciler.render import certificate as words  # noqa: PLC0415  each pulls in its own
    from reconciler.render import html_certificate, text  # noqa: PLC0415

    match output_format:
        case "json":
            return words.to_json(certificate)
        case "junit":
            return words.to_junit(certificate)
        case "html":
            return html_certificate.to_html(certificate)
        case _:
            return words.to_text(certificate, text.ansi if colour else text.plain)
