"""``init`` and ``validate``: start a project, check a project."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from reconciler.cli import options
from reconciler.cli.console import Console
from reconciler.errors import ConfigError

STARTER = ("reconciler.yaml", "account.yaml", "schedules.yaml", ".gitignore")


@click.command(
    epilog="""\b
Examples:
  reconciler init my-sites       a project that plans and applies on the embedded sandbox"""
)
@options.directory_argument
@click.pass_obj
def init(console: Console, directory: Path) -> None:
    """Write a commented starter project into DIR. Existing files are never overwritten."""
    directory.mkdir(parents=True, exist_ok=True)
    taken = [name for name in STARTER if (directory / name).exists()]
    if taken:
        raise ConfigError(
            f"{directory} already holds {', '.join(taken)}; nothing was written",
            hint="choose another directory, or move the files away",
        )
    starter = resources.files("reconciler.cli") / "starter"
    for name in STARTER:
        text = (starter / name.lstrip(".")).read_text(encoding="utf-8")
        (directory / name).write_text(text, encoding="utf-8")
    shown = "" if directory == Path() else f" {directory}"
    console.out(f"Wrote {', '.join(STARTER)}.\nNext: reconciler plan{shown}")


@click.command(
    epilog="""\b
Examples:
  reconciler validate
  reconciler validate sites --env production --format json"""
)
@options.project
@options.output_format("text", "json")
@click.pass_obj
def validate(console: Console, reading: options.Reading, output_format: str) -> None:
    """Check the manifests in DIR: every error with its place, no account needed."""
    project = reading.load()
    kinds: dict[str, int] = {}
    for resource in project.resources:
        kinds[resource.address.kind] = kinds.get(resource.address.kind, 0) + 1
    if output_format == "json":
        result = {
            "valid": True,
            "environment": project.environment.name,
            "digest": project.digest,
            "resources": dict(sorted(kinds.items())),
            "warnings": list(project.warnings),
        }
        console.document(result)
        return
    console.warn(project.warnings)
    counted = ", ".join(f"{count} {name}" for name, count in sorted(kinds.items()))
    console.out(f"Valid: {len(project.resources)} resources ({counted}).")
