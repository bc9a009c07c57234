"""``schema``: the JSON schemas of what users write and programs read."""

from __future__ import annotations

import json
from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.errors import ConfigError
from reconciler.files import write_whole
from reconciler.model import JsonValue

FILES = {
    "manifest": "manifest.schema.json",
    "settings": "reconciler.schema.json",
    "plan": "plan.schema.json",
}


@click.command(
    epilog="""\b
Examples:
  reconciler schema manifest > manifest.schema.json
  reconciler schema --write schemas
In an editor with the YAML language server, begin a manifest with:
  # yaml-language-server: $schema=schemas/manifest.schema.json"""
)
@click.argument("name", type=click.Choice(tuple(FILES)), required=False)
@click.option(
    "--write", "directory", type=click.Path(path_type=Path), metavar="DIR", help="Write all of them into DIR."
)
@click.pass_obj
def schema(console: Console, name: str | None, directory: Path | None) -> None:
    """Print the JSON schema of manifests, of reconciler.yaml (settings) or of plans."""
    if (name is None) == (directory is None):
        raise ConfigError("name a schema or --write DIR", hint=f"the schemas are {', '.join(FILES)}")
    if directory is None:
        assert name is not None
        console.out(text(name))
        return
    directory.mkdir(parents=True, exist_ok=True)
    for each, file in FILES.items():
        write_whole(directory / file, text(each))
    console.out(f"Wrote {', '.join(FILES.values())} to {directory}.")


def text(name: str) -> str:
    """The schema called ``name`` as its file holds it."""
    from reconciler.manifests.schema import manifest_schema, settings_schema
    from reconciler.render.schema import plan_schema

    makers = {"manifest": manifest_schema, "settings": settings_schema, "plan": plan_schema}
    made: JsonValue = makers[name]()
    return json.dumps(made, ensure_ascii=False, indent=2) + "\n"
