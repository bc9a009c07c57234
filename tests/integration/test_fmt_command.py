"""``reconciler fmt``: files, folders and stdin; what it writes and what it only tells."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import Cli, Served

UGLY = "id: acme   # ours\nkind: dealer\ndealer_id:  12345\n"
TIDY = "kind: dealer\nid: acme   # ours\ndealer_id: 12345\n"


@pytest.fixture
def ugly(project: Callable[..., Path]) -> Path:
    directory = project(a_yaml=UGLY, reconciler_yaml="version:  1\n")
    (directory / "b.yaml.j2").write_text("{% set a = 1 %}\nid:   x\n", encoding="utf-8")
    return directory


def test_every_file_of_a_folder_is_laid_out_once(cli: Cli, ugly: Path) -> None:
    first = cli("fmt", ugly)
    assert (first.code, first.out.count("Laid out")) == (0, 2)
    assert "b.yaml.j2: a template, left as it is" in first.err
    assert (ugly / "a.yaml").read_text() == TIDY
    assert (ugly / "reconciler.yaml").read_text() == "version: 1\n"
    assert cli("fmt", ugly).out == ""


@pytest.mark.parametrize(("option", "said"), [("--check", "Would lay out"), ("--diff", "+kind: dealer")])
def test_check_and_diff_change_nothing_and_exit_with_2(cli: Cli, ugly: Path, option: str, said: str) -> None:
    told = cli("fmt", option, ugly)
    assert told.code == 2
    assert said in told.out
    assert (ugly / "a.yaml").read_text() == UGLY
    assert cli("fmt", ugly).code == cli("fmt", option, ugly).code == 0


@pytest.mark.parametrize("before", ["", "\ufeff"], ids=["plain", "byte-order mark"])
def test_stdin_goes_to_stdout(cli: Cli, monkeypatch: pytest.MonkeyPatch, before: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((before + UGLY).encode())))
    assert cli("fmt", "-").out == TIDY


def test_stdin_that_is_no_text_is_an_error_with_its_place(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"kind: site\nid: \xff\n")))
    refused = cli("fmt", "-")
    assert (refused.code, refused.out) == (1, "")
    assert "stdin:2:5: stdin: not UTF-8 text" in refused.err


def test_a_file_that_is_left_alone_is_named_with_the_reason(cli: Cli, ugly: Path) -> None:
    (ugly / "a.yaml").write_text("id:   a\nname: &n x\n", encoding="utf-8")
    told = cli("fmt", "--check", ugly / "a.yaml")
    assert (told.code, told.out) == (0, "")
    assert "a.yaml: holds anchors, left as it is" in told.err


def test_a_broken_file_is_an_error_and_stays_while_the_others_are_laid_out(cli: Cli, ugly: Path) -> None:
    (ugly / "0.yaml").write_text("kind: [\n", encoding="utf-8")
    refused = cli("fmt", ugly)
    assert refused.code == 1
    assert "0.yaml:" in refused.err
    assert (ugly / "0.yaml").read_text() == "kind: [\n"
    assert (ugly / "a.yaml").read_text() == TIDY


def test_what_import_writes_has_the_layout(
    cli: Cli, served: Served, example: Callable[[str], Path], tmp_path: Path
) -> None:
    assert cli("apply", example("quickstart"), "--yes").code == 0
    assert cli("import", "--into", tmp_path / "mine", "--dealer", "acme=12345").code == 0
    assert cli("fmt", "--check", tmp_path / "mine").code == 0
