"""Every command explains itself, is in the README, and fails in one manner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import COMMANDS, cli
from tests.integration.conftest import Cli

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def leaves() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with the words that call it."""
    context = click.Context(cli, obj=Console())

    def below(
        words: tuple[str, ...], command: click.Command
    ) -> Iterator[tuple[tuple[str, ...], click.Command]]:
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None
                yield from below((*words, name), child)
        else:
            yield words, command

    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield from below((name,), command)


LEAVES = list(leaves())
EVERY = pytest.mark.parametrize(("words", "command"), LEAVES, ids=[" ".join(words) for words, _ in LEAVES])


@EVERY
def test_its_help_says_what_it_does_and_shows_an_example(
    words: tuple[str, ...], command: click.Command, cli: Cli
) -> None:
    shown = cli(*words, "--help")
    assert shown.code == 0
    assert "Usage: reconciler" in shown.out
    assert f"reconciler {words[0]}" in shown.out
    assert "Example" in shown.out
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.help, option.name


@pytest.mark.parametrize("name", COMMANDS)
def test_it_is_in_the_readme(name: str) -> None:
    assert f"reconciler {name}" in README


@EVERY
def test_a_mistyped_option_is_an_error_with_the_way_out(
    words: tuple[str, ...], command: click.Command, cli: Cli
) -> None:
    refused = cli(*words, "--no-such-option")
    assert refused.code == 1
    said = refused.err or refused.out  # drift speaks JSON unless it is told otherwise
    assert "No such option" in said
    assert f"reconciler {' '.join(words)} --help" in said


def test_errors_are_json_where_json_was_asked_for(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("kind: site\nid: hq\nnmae: HQ\n", encoding="utf-8")
    refused = cli("validate", tmp_path, "--format", "json")
    assert refused.code == 1
    error = refused.json["error"]
    assert set(error) == {"code", "message", "address", "source", "hint", "errors"}
    assert error["code"] == "invalid_manifest"
    places = {(e["source"]["file"], e["source"]["line"]) for e in error["errors"]}
    assert ("m.yaml", 3) in places
    assert any("name" in e["hint"] for e in error["errors"])


@pytest.mark.parametrize("command", ["plan", "apply", "drift", "destroy", "enforce"])
def test_every_command_that_calls_the_account_takes_a_max_rate(cli: Cli, command: str) -> None:
    assert "--max-rate N" in cli(command, "--help").out
    refused = cli(command, "--max-rate", "0")
    assert "is not in the range x>=1" in refused.out + refused.err
