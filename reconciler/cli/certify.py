"""``certify``: the testing requirements of CHeKT's Arming Experience, run on a site of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.console import Console
from reconciler.errors import ConfigError

if TYPE_CHECKING:
    from reconciler.certificate import Finding

FAILED = 1


@click.command(
    epilog="""\b
Examples:
  reconciler certify examples/certification
  reconciler certify --only exit-delay --only entry-delay
  reconciler certify --env dev --site site:acme/certification
  reconciler certify --format junit --out certification.xml      for a CI system
  reconciler certify --format html --out certification.html      for whoever signs it"""
)
@options.project
@click.option(
    "--site",
    metavar="ADDRESS",
    help="Site to test on; its id must hold 'certif'. Default: the only one that does.",
)
@click.option("--only", metavar="NAME", multiple=True, help="Only this requirement; may be repeated.")
@options.output_format("text", "json", "junit", "html")
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Write the report to FILE."
)
@options.lock_timeout
@click.pass_obj
def certify(
    console: Console,
    reading: options.Reading,
    site: str | None,
    only: tuple[str, ...],
    output_format: str,
    out: Path | None,
    lock_timeout: float,
) -> int:
    """Test arming in DIR's arming model against the sandbox or CHeKT's dev host; never in production.

    Arms, disarms and sets off the site, then puts it back. On the sandbox, people, doors and the network are
    simulated; elsewhere what needs a person is listed as manual. Exits with 0 when everything has passed.
    """
    from reconciler.certification import certify as run
    from reconciler.render import render_certificate

    _check_place(out)
    project = reading.load()
    certificate = run(project, console.runtime(lock_timeout), site, only, told=_progress(console))
    printed = output_format if out is None else "text"
    console.out(render_certificate(certificate, printed, colour=console.colour))
    if out is not None:
        from reconciler.files import write_whole

        write_whole(out, console.redactor(render_certificate(certificate, output_format)))
        console.note(f"Saved to {out}.")
    return 0 if certificate.passed else FAILED


def _check_place(out: Path | None) -> None:
    """Raises ConfigError for a report that could not be saved after a minute of testing."""
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise ConfigError(
            f"{out} cannot be written: there is no such directory, or it is one",
            hint="Name a file in a directory you can write.",
        )


def _progress(console: Console) -> Callable[[Finding], None]:
    def told(finding: Finding) -> None:
        if not console.json:
            console.note(f"{finding.verdict:<6} {finding.title} ({finding.seconds:.1f} s)")

    return told
