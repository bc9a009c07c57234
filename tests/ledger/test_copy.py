"""``ledger copy``: what one ledger remembers, another one does, row by row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import run
from reconciler.intents import IntentDraft, IntentStatus
from reconciler.ledger import FileStore, Ledger, Store
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_store import PostgresStore
from reconciler.model import Address, Owned
from tests.ledger.repositories import BRANCH, KEY, NOW, SITE, Origin, git, store
from tests.ledger.test_arming_record import command
from tests.postgresql import Server

SETTINGS = "version: 1\nenvironments: {production: {base_url: 'https://api.example.com'}}\n"
OTHER = Address("site", ("acme", "depot"))

Ends = tuple[str, Callable[[], Store]]
"""What a ledger is called, and another run on it."""


@pytest.fixture
def home(origin: Origin) -> Path:
    """A project in a clone."""
    directory = origin.clone("home")
    (directory / "reconciler.yaml").write_text(SETTINGS, encoding="utf-8")
    return directory


@pytest.fixture
def ends(home: Path, postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, Ends]:
    monkeypatch.setenv("RECONCILER_LEDGER_KEY", KEY)
    schema = postgresql.schema()
    return {
        "file": ("kept/ledger.db", lambda: FileStore(home / "kept" / "ledger.db", "production")),
        "postgresql": (
            f"{postgresql.url}&schema={schema}",
            lambda: PostgresStore(Place(postgresql.url, schema), "production", {}),
        ),
        "branch": (f"git+branch://{BRANCH}", lambda: store(home)),
    }


def fill(ledger: Ledger) -> None:
    """One of most things."""
    ledger.bind("https://api.example.com")
    begun = ledger.begin_run("apply", "trace", "config", NOW)
    ledger.record(Owned(SITE, "17", "hq", secrets={"s": "digest"}))
    [done] = ledger.intend_all(begun, [IntentDraft(SITE, "create", None, "a")], NOW)
    ledger.settle(done, IntentStatus.DONE, "17", NOW)
    ledger.intend_all(begun, [IntentDraft(SITE, "update", None, "b", external_id="é%?\n")], NOW)
    ledger.end_run(begun, "partial", NOW)
    ledger.record_command(command())
    ledger.set_override(SITE, 2, "armed_away", until=NOW + timedelta(1), reason="r", made_by="kim", now=NOW)
    ledger.watch(str(SITE), None, '{"seen": 1}')
    ledger.open_alert("open_zone", str(SITE), None, "Zone 3 is open.", NOW)


def copy(home: Path, source: str, target: str, *more: str) -> int:
    return run(["ledger", "copy", source, target, str(home), *more], Console())


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("file", "postgresql"),
        ("postgresql", "file"),
        ("file", "branch"),
        ("branch", "postgresql"),
        ("postgresql", "branch"),
    ],
)
def test_what_one_remembers_the_other_does(
    home: Path, ends: dict[str, Ends], capsys: pytest.CaptureFixture[str], source: str, target: str
) -> None:
    (there, open_there), (here, open_here) = ends[source], ends[target]
    with open_there().open() as ledger:
        fill(ledger)
        digest = ledger.secret_digest("hidden")
    for _ in range(2):
        assert copy(home, there, here) == 0, "the second time they are compared"
        assert "production: the same in both: accounts 1, alerts 1, commands 1" in capsys.readouterr().out
    with open_there().open() as before, open_here().open() as after:
        for look in ("owned", "overrides", "watched", "open_alerts", "unsettled", "commands", "account"):
            old, new = getattr(before, look)(), getattr(after, look)()
            if look == "overrides":
                old, new = ([(o.target, o.partition, o.until) for o in each] for each in (old, new))
            assert new == old, look
        if "branch" not in (source, target):
            assert after.secret_digest("hidden") == digest
        begun = after.begin_run("apply", "trace-2", "config", NOW)
        assert begun > before.runs(1)[0].id, "new rows are numbered after those copied"
        [again] = after.intend_all(begun, [IntentDraft(SITE, "update", None, "b")], NOW)
        assert again.idempotency_key == before.unsettled()[0].idempotency_key


def test_all_environments_go_or_one_of_them(home: Path, ends: dict[str, Ends]) -> None:
    (there, _), (here, _) = ends["file"], ends["postgresql"]
    path = home / "kept" / "ledger.db"
    for name in ("production", "elsewhere"):
        with FileStore(path, name).open() as ledger:
            fill(ledger)
    assert copy(home, there, "one.db", "--env", "production") == 0
    with FileStore(home / "one.db", "elsewhere").open() as ledger:
        assert ledger.owned() == {}
    assert copy(home, there, here) == 0
    assert copy(home, here, "all.db") == 0
    with FileStore(home / "all.db", "elsewhere").open() as ledger:
        assert list(ledger.owned()) == [SITE]


def test_another_content_is_refused_and_left_as_it_is(
    home: Path, ends: dict[str, Ends], capsys: pytest.CaptureFixture[str]
) -> None:
    (there, open_there), (here, open_here) = ends["file"], ends["postgresql"]
    with open_there().open() as ledger:
        fill(ledger)
    with open_here().open() as ledger:
        ledger.record(Owned(OTHER, "18", "depot"))
    assert copy(home, there, here) == 1
    assert "remembers something else of production already" in capsys.readouterr().err
    with open_here().open() as ledger:
        assert list(ledger.owned()) == [OTHER]


def test_numbers_that_another_environment_has_taken_are_refused(
    home: Path, ends: dict[str, Ends], capsys: pytest.CaptureFixture[str]
) -> None:
    (there, open_there), (here, _) = ends["file"], ends["postgresql"]
    with open_there().open() as ledger:
        fill(ledger)
    with FileStore(home / "other.db", "dev").open() as ledger:
        fill(ledger)
    assert copy(home, "other.db", here) == 0
    assert copy(home, there, here) == 1
    assert "another environment in the ledger" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["production", "enforce:production"])
@pytest.mark.parametrize("end", ["file", "postgresql"])
def test_nothing_is_copied_while_a_run_goes_on(
    home: Path, ends: dict[str, Ends], capsys: pytest.CaptureFixture[str], end: str, name: str
) -> None:
    (there, open_there), (here, _) = ends["file"], ends["postgresql"]
    with open_there().open() as ledger:
        fill(ledger)
    with ends[end][1]().lock(name, command="apply", now=NOW):
        assert copy(home, there, here) == 1
    assert "is locked by `apply`" in capsys.readouterr().err
    assert copy(home, there, here) == 0


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("none.db", "b.db", "there is no ledger at none.db"),
        ("a.db", "a.db", "FROM and TO are one ledger"),
        ("mysql://a", "b.db", "mysql:// is no place for a ledger"),
        ("postgresql://u:hidden-word@h/d", "b.db", "a password is never written"),
        ("env:NOT_SET", "b.db", "NOT_SET"),
    ],
)
def test_what_names_no_ledger_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str], source: str, target: str, said: str
) -> None:
    assert copy(home, source, target) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "hidden-word" not in told
    assert git(home, "status", "--porcelain") == "?? reconciler.yaml", "and nothing is made"
