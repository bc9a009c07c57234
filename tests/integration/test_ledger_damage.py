"""Whatever becomes of the ledger: an error, or everything is adopted again. Never a double or a delete."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.ledger.schema import SCHEMA_VERSION
from tests.integration.conftest import TWO_SITES, Cli, Served


@pytest.fixture
def directory(project: Callable[..., Path], served: Served, cli: Cli) -> Path:
    """A project that has been applied."""
    path = project(account_yaml=TWO_SITES)
    assert cli("apply", path, "--yes").code == 0
    return path


def file(directory: Path) -> Path:
    return directory / ".reconciler" / "ledger.db"


def deleted(path: Path) -> None:
    for each in path.parent.glob("ledger.db*"):
        each.unlink()


def cut(share: float) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


def zeroed(page: int) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[page * 4096 : (page + 1) * 4096] = bytes(4096)
        path.write_bytes(content)

    return spoil


def sql(*statements: str) -> Callable[[Path], None]:
    def run(path: Path) -> None:
        connection = sqlite3.connect(path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return run


def other_program(path: Path) -> None:
    deleted(path)
    sql("CREATE TABLE notes (text)")(path)


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))
    path.symlink_to(path.with_name("elsewhere.db"))


def folder(path: Path) -> None:
    deleted(path)
    path.mkdir()


def pipe(path: Path) -> None:
    deleted(path)
    os.mkfifo(path)


REFUSED: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "cut in the middle": (cut(0.5), "damaged", "backup"),
    "cut in its header": (cut(0.0005), "damaged", "backup"),
    "first page zeroed": (zeroed(0), "damaged", "backup"),
    "newer": (sql(f"PRAGMA user_version = {SCHEMA_VERSION + 1}"), "format", "Upgrade"),
    "another program's": (other_program, "another program", "ledger:"),
    "a link": (link, "symbolic link", "ledger:"),
    "a folder": (folder, "no file", "ledger:"),
    "a pipe": (pipe, "no file", "ledger:"),
    "another account's": (
        sql("UPDATE accounts SET account = 'https://api.example.com'"),
        "is about",
        "--env",
    ),
    "a row without an address": (
        sql("UPDATE owned SET address = 'hq' WHERE address LIKE 'site:%/hq'"),
        "not an address",
        "backup",
    ),
    "a row of broken text": (sql("UPDATE owned SET replaced = '[]'"), "no JSON object", "backup"),
    "an intent of no address": (
        sql("UPDATE intents SET address = id, status = 'unknown'"),
        "address",
        "backup",
    ),
    "an intent of no time": (
        sql("UPDATE intents SET intended_at = 'noon', status = 'open', settled_at = NULL"),
        "Intent",
        "backup",
    ),
}

ADOPTED: dict[str, Callable[[Path], None]] = {
    "deleted": deleted,
    "emptied": lambda path: os.truncate(path, 0),
    "of another environment": sql("UPDATE owned SET environment = 'production'"),
    "without its rows": sql("DELETE FROM owned"),
    "with ids that were mixed up": sql(
        "UPDATE owned SET remote_id = CASE remote_id WHEN '1' THEN '2' ELSE '1' END"
        " WHERE address LIKE 'site:%'"
    ),
    "with ids of nothing": sql("UPDATE owned SET remote_id = '999' WHERE address NOT LIKE 'dealer:%'"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_a_ledger_that_cannot_be_trusted_is_refused_before_anything_is_sent(
    how: str, directory: Path, cli: Cli, served: Served
) -> None:
    spoil, says, way_out = REFUSED[how]
    before = served.sandbox.state()["objects"]
    spoil(file(directory))
    for command in (("plan",), ("apply", "--yes"), ("destroy", "--yes"), ("ledger", "show", "--open")):
        name, *rest = command
        if name == "ledger" and how == "another account's":
            continue  # it is read without the account
        arguments = ("ledger", "show", directory) if name == "ledger" else (name, directory, *rest)
        refused = cli(*arguments, "--format", "json")
        error = refused.json["error"]
        assert (refused.code, error["code"]) == (1, "ledger"), command
        assert says in error["message"]
        assert way_out in error["hint"]
    assert served.sandbox.state()["objects"] == before


@pytest.mark.parametrize("how", ADOPTED)
def test_a_ledger_that_was_lost_is_built_again_by_adoption(
    how: str, directory: Path, cli: Cli, served: Served
) -> None:
    before = served.sandbox.state()["objects"]
    ADOPTED[how](file(directory))
    planned = cli("plan", directory, "--format", "json")
    assert set(planned.changes().values()) <= {"adopt"}, planned.out
    assert cli("apply", directory, "--yes").code == 0
    assert cli("plan", directory, "--detailed-exitcode").code == 0
    assert served.sandbox.state()["objects"] == before


def test_a_ledger_that_was_lost_deletes_nothing_even_where_manifests_went_too(
    directory: Path, cli: Cli, served: Served
) -> None:
    before = served.sandbox.state()["objects"]
    deleted(file(directory))
    (directory / "account.yaml").write_text(TWO_SITES.split("---", maxsplit=1)[0], encoding="utf-8")
    assert cli("apply", directory, "--yes").code == 0
    assert served.sandbox.state()["objects"] == before


def test_a_ledger_that_others_can_read_is_made_private_and_that_is_said(directory: Path, cli: Cli) -> None:
    path = file(directory)
    path.chmod(0o664)
    planned = cli("plan", directory)
    assert planned.code == 0
    assert "was open to other users" in planned.out  # a warning of the plan
    assert path.stat().st_mode & 0o777 == 0o600
    assert "open to other users" not in cli("plan", directory).out
