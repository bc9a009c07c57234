"""``fmt``: manifests in one layout."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.errors import ConfigError, ManifestError, Problem

PENDING = 2
"""Exit code of --check and --diff where something would change, as everywhere else here."""

STDIN = Path("-")


@click.command(
    epilog="""\b
Examples:
  reconciler fmt                    every manifest and reconciler.yaml below this directory
  reconciler fmt --check sites      change nothing; exit code 2 when something would change
  reconciler fmt --diff             show what would change
  reconciler fmt - < sites.yaml     from stdin to stdout"""
)
@click.argument("paths", metavar="[PATH...]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Change nothing; name what would change and exit with 2.")
@click.option("--diff", is_flag=True, help="Change nothing; show what would change and exit with 2.")
@click.pass_obj
def fmt(console: Console, paths: tuple[Path, ...], *, check: bool, diff: bool) -> int:
    """Lay manifests out the canonical way: order of keys, two spaces, quotes where they matter.

    Comments stay, and what the file says stays the same; a file of which that cannot be shown is left as
    it is. Left alone, and named, are templates and files with anchors, tags or directives. Broken YAML is an
    error, and the other files are laid out all the same.
    """
    problems: list[Problem] = []
    pending = 0
    for path in _files(console, paths or (Path(),)):
        try:
            pending += _one(console, path, check=check, diff=diff)
        except ManifestError as exc:
            problems += exc.problems
    if problems:
        raise ManifestError.of(problems)
    return PENDING if pending and (check or diff) else 0


def _files(console: Console, paths: Sequence[Path]) -> Iterator[Path]:
    """The files to lay out; of a directory every manifest and its settings."""
    from reconciler.manifests.files import TEMPLATE_SUFFIX, find
    from reconciler.manifests.settings import SETTINGS_FILE

    for path in paths:
        if path == STDIN or path.is_file():
            named = [path]
        elif path.is_dir():
            found = find(path)
            if found.problems:
                raise ManifestError.of(found.problems)
            settings = [SETTINGS_FILE] if (path / SETTINGS_FILE).is_file() else []
            named = [path / name for name in (*settings, *found.files)]
        else:
            raise ConfigError(f"{path} does not exist", hint="Name files or directories, or - for stdin.")
        for each in named:
            if each.name.endswith(TEMPLATE_SUFFIX):
                console.note(f"{each}: a template, left as it is")
            else:
                yield each


def _one(console: Console, path: Path, *, check: bool, diff: bool) -> bool:
    """Lay out one file; whether it was, or would be, changed."""
    from reconciler.files import write_whole
    from reconciler.manifests.files import decoded, read_text
    from reconciler.manifests.layout import formatted, why_left

    name = "stdin" if path == STDIN else str(path)
    text = decoded(sys.stdin.buffer.read(), name) if path == STDIN else read_text(path, name)
    if isinstance(text, Problem):
        raise ManifestError.of([text])
    new = formatted(name, text)
    if left := why_left(text):
        console.note(f"{name}: holds {left}, left as it is")
    if diff:
        before, after = text.splitlines(keepends=True), new.splitlines(keepends=True)
        lines = list(difflib.unified_diff(before, after, f"a/{path}", f"b/{path}"))
        if lines:
            console.out("".join(lines))
    elif path == STDIN and not check:
        console.out(new)
    elif new != text:
        console.out(f"{'Would lay out' if check else 'Laid out'} {path}")
        if not check:
            write_whole(path, new, mode=path.stat().st_mode & 0o777)
    return new != text
