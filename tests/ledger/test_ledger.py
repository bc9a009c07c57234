"""The ledger keeps what is owned, per environment, and refuses files it must not touch."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import LedgerError
from reconciler.intents import IntentDraft
from reconciler.ledger import Ledger
from reconciler.ledger.schema import SCHEMA_VERSION
from reconciler.model import Address, Owned, Replaced

SITE = Address("site", ("acme", "hq"))
DEVICE = Address("device", ("acme", "hq", "front-door"))

# Lone surrogates are no text that JSON from the API could bring in.
plain_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
steps = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="/:"), min_size=1, max_size=12)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | plain_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain_text, inner, max_size=3),
    max_leaves=5,
)
owned_rows = st.builds(
    Owned,
    address=st.builds(Address, steps, st.lists(steps, min_size=1, max_size=4).map(tuple)),
    remote_id=st.none() | plain_text,
    external_id=st.none() | plain_text,
    protect=st.booleans(),
    replaced=st.dictionaries(plain_text, st.builds(Replaced, json_values, json_values), max_size=3),
    secrets=st.dictionaries(plain_text, plain_text, max_size=3),
    attested=st.none() | st.dictionaries(plain_text, json_values, max_size=3),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".reconciler" / "ledger.db"


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(owned_rows, max_size=5, unique_by=lambda row: str(row.address)))
def test_what_was_recorded_is_what_is_owned(rows: list[Owned]) -> None:
    with Ledger.open(":memory:", "embedded") as ledger:
        for row in rows:
            ledger.record(row)
        assert ledger.owned() == {row.address: row for row in rows}
        assert list(ledger.owned()) == sorted(row.address for row in rows)


def test_a_record_replaces_the_one_before_and_forgetting_ends_it() -> None:
    with Ledger.open(":memory:", "embedded") as ledger:
        ledger.record(Owned(SITE, "17", "hq", protect=True))
        ledger.record(Owned(SITE, "18", "hq"))
        ledger.record(Owned(DEVICE, "5", "front-door"))
        ledger.forget(SITE)
        ledger.forget(SITE)
        assert ledger.owned() == {DEVICE: Owned(DEVICE, "5", "front-door")}


def test_an_attested_resource_is_owned_and_keeps_what_was_known() -> None:
    app = Address("app", ("acme", "viewer"))
    with Ledger.open(":memory:", "production") as ledger:
        ledger.attest(app, {"permissions": ["devices:read"]})
        assert ledger.owned()[app] == Owned(app, None, None, attested={"permissions": ["devices:read"]})
        ledger.record(Owned(SITE, "17", "hq", protect=True))
        ledger.attest(SITE, {"name": "HQ"})
        assert ledger.owned()[SITE] == Owned(SITE, "17", "hq", protect=True, attested={"name": "HQ"})


def test_environments_do_not_see_each_other(path: Path) -> None:
    with Ledger.open(path, "dev") as dev, Ledger.open(path, "production") as production:
        dev.record(Owned(SITE, "1", "hq"))
        production.record(Owned(SITE, "2", "hq"))
        dev.forget(SITE)
        assert dev.owned() == {}
        assert production.owned()[SITE].remote_id == "2"


def test_the_file_is_for_its_owner_only(path: Path) -> None:
    with Ledger.open(path, "embedded") as ledger:
        ledger.record(Owned(SITE, "1", "hq"))
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_ownership_survives_closing(path: Path) -> None:
    with Ledger.open(path, "embedded") as ledger:
        ledger.record(Owned(SITE, "1", "hq"))
        digest = ledger.secret_digest("swordfish")
    with Ledger.open(path, "embedded") as ledger:
        assert ledger.owned()[SITE].remote_id == "1"
        assert ledger.secret_digest("swordfish") == digest


def test_a_secret_digest_is_keyed_by_the_ledger_and_never_stores_the_secret(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "a.db", "dev") as one, Ledger.open(tmp_path / "b.db", "dev") as other:
        assert one.secret_digest("swordfish") == one.secret_digest("swordfish")
        assert one.secret_digest("swordfish") != one.secret_digest("Swordfish")
        assert one.secret_digest("swordfish") != other.secret_digest("swordfish")
    assert b"swordfish" not in (tmp_path / "a.db").read_bytes()


def _record_both_and_stop(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.record(Owned(SITE, "1", "hq"))
        with ledger.transaction():
            ledger.record(Owned(DEVICE, "2", "front-door"))
        raise KeyboardInterrupt


def test_a_transaction_is_whole_or_nothing(path: Path) -> None:
    with Ledger.open(path, "embedded") as ledger:
        with pytest.raises(KeyboardInterrupt):
            _record_both_and_stop(ledger)
        assert ledger.owned() == {}
        ledger.record(Owned(SITE, "1", "hq"))
        assert list(ledger.owned()) == [SITE]


def test_threads_and_connections_write_side_by_side(path: Path) -> None:
    addresses = [Address("site", ("acme", f"s{n}")) for n in range(40)]
    with Ledger.open(path, "dev") as one, Ledger.open(path, "dev") as other, ThreadPoolExecutor(8) as pool:
        barrier = threading.Barrier(8)

        def write(start: int) -> None:
            barrier.wait(10)
            for address in addresses[start::8]:
                (one if start % 2 else other).record(Owned(address, address.id, address.id))

        list(pool.map(write, range(8)))
        assert list(one.owned()) == sorted(addresses)


def test_what_is_written_outlasts_another_process_when_the_ledger_is_open_twice_in_this_one(
    path: Path,
) -> None:
    """SQLite's locks are the process's: a second handle must not take them from the first."""
    with Ledger.open(path, "dev") as first, Ledger.open(path, "dev"):
        other = f"from reconciler.ledger import Ledger; Ledger.open({str(path)!r}, 'dev').close()"
        subprocess.run([sys.executable, "-c", other], check=True)
        first.record(Owned(SITE, "1", "hq"))
        look = f"from reconciler.ledger import Ledger; print(len(Ledger.open({str(path)!r}, 'dev').owned()))"
        found = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True)
    assert found.stdout == "1\n"


def test_a_ledger_that_another_run_is_just_making_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    waits: list[float] = []

    def turn(seconds: float) -> None:
        waits.append(seconds)
        other.close()

    monkeypatch.setattr(time, "sleep", turn)
    with Ledger.open(path, "dev") as ledger:
        assert ledger.owned() == {}
    assert len(waits) == 1


def _sqlite(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "says", "way_out"),
    [
        (lambda path: path.write_bytes(b"not a database at all" * 100), "damaged", "backup"),
        (lambda path: _sqlite(path, "CREATE TABLE notes (a)"), "another program", "ledger:"),
        (lambda path: _sqlite(path, "PRAGMA application_id = 7"), "another program", "ledger:"),
        (
            lambda path: (
                Ledger.open(path, "dev").close(),
                _sqlite(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}"),
            ),
            f"format {SCHEMA_VERSION + 1}",
            "Upgrade",
        ),
        (lambda path: path.mkdir(), "cannot be opened", "write the file"),
    ],
    ids=["damaged", "foreign-tables", "foreign-mark", "newer", "directory"],
)
def test_a_file_that_is_no_ledger_of_ours_is_refused_and_left_alone(
    tmp_path: Path, spoil: object, says: str, way_out: str
) -> None:
    path = tmp_path / "ledger.db"
    assert callable(spoil)
    spoil(path)
    before = None if path.is_dir() else path.read_bytes()
    with pytest.raises(LedgerError) as caught:
        Ledger.open(path, "dev")
    assert says in caught.value.message
    assert str(path) in caught.value.message
    assert way_out in caught.value.hint
    assert before is None or path.read_bytes() == before


def test_damage_found_later_is_named_too(path: Path) -> None:
    with Ledger.open(path, "dev") as ledger, ledger.transaction():
        for number in range(500):
            ledger.record(Owned(Address("site", ("acme", f"s{number}")), str(number), "x" * 50))
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="damaged"), Ledger.open(path, "dev") as ledger:
        ledger.owned()


def _everything(path: Path) -> tuple[object, ...]:
    with Ledger.open(path, "dev") as ledger:
        return ledger.owned(), ledger.unsettled(), ledger.runs(10), ledger.resolutions(), ledger.commands()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of many pages."""
    path = tmp_path_factory.mktemp("whole") / "ledger.db"
    now = datetime(2026, 11, 20, tzinfo=UTC)
    with Ledger.open(path, "dev") as ledger, ledger.transaction():
        for number in range(100):
            ledger.record(Owned(Address("site", ("acme", f"s{number}")), str(number), f"s{number}"))
        run = ledger.begin_run("apply", "trace", "config", now)
        drafts = [IntentDraft(Address("site", ("acme", f"x{n}")), "create", None, "d") for n in range(30)]
        for intent in ledger.intend_all(run, drafts, now)[::2]:
            ledger.resolve(intent, None, happened=False, resolved_by="kim", now=now)
    return path


@pytest.mark.parametrize("damage", ["cut", "zeroed"])
def test_a_damaged_ledger_tells_all_or_nothing(whole: Path, tmp_path: Path, damage: str) -> None:
    """Cut at any size it is refused, or empty; a lost page is noticed by whoever reads it."""
    content, known = whole.read_bytes(), _everything(whole)
    assert len(content) > 20 * 4096
    sizes = {
        *range(0, len(content), 1013),
        *range(4096, len(content), 4096),
        *range(len(content) - 40, len(content)),
    }
    pages = range(0, len(content), 4096)
    spoilt = (
        [content[:size] for size in sorted(sizes)]
        if damage == "cut"
        else [content[:at] + bytes(4096) + content[at + 4096 :] for at in pages]
    )
    refused = 0
    for number, each in enumerate(spoilt):
        path = tmp_path / f"{number}.db"
        path.write_bytes(each)
        try:
            found = _everything(path)
        except LedgerError:
            refused += 1
        else:
            assert found == known or not any(found), f"{len(each)} of {len(content)} bytes, {number}"
    assert refused > 10, "the pages of what is asked for; other tables lie on pages of their own"


def test_a_link_is_refused_and_what_it_names_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    (tmp_path / "ledger.db").symlink_to(tmp_path / "notes")
    with pytest.raises(LedgerError, match="symbolic link"):
        Ledger.open(tmp_path / "ledger.db", "dev")
    assert (tmp_path / "notes").read_text() == "mine"


def test_files_that_others_can_read_are_made_private_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    told: list[str] = []
    with Ledger.open(path, "dev", told.append) as one:
        one.record(Owned(SITE, "1", "hq"))
        assert told == []
        for each in tmp_path.iterdir():
            each.chmod(0o644)
        Ledger.open(path, "dev", told.append).close()
        assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}
    assert [text.split()[2] for text in told] == [f"{path}", f"{path}-wal", f"{path}-shm"]


def test_a_file_of_somebody_else_that_others_can_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path, "dev").close()
    path.chmod(0o666)

    def not_the_owner(*_: object, **__: object) -> None:
        """What the system says to everybody but the owner."""
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "chmod", not_the_owner)
    with pytest.raises(LedgerError, match="open to other users, and this one cannot change that") as caught:
        Ledger.open(path, "dev")
    assert caught.value.hint == f"Let its owner run: chmod 600 {path}"


def test_a_row_edited_by_hand_is_named(path: Path) -> None:
    with Ledger.open(path, "dev") as ledger:
        ledger.record(Owned(SITE, "1", "hq"))
        _sqlite(path, "UPDATE owned SET replaced = '{'")
        with pytest.raises(LedgerError, match="site:acme/hq"):
            ledger.owned()


@pytest.fixture
def as_another_user() -> Iterator[None]:
    """Root may write everything; these tests run as somebody who may not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def closed_directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        Ledger.open(directory / "ledger.db", "dev").close()
        (directory / "ledger.db").chmod(0o444)
        directory.chmod(0o555)
        yield directory
        directory.chmod(0o755)


@pytest.mark.parametrize("name", ["ledger.db", "missing.db", "missing/ledger.db"])
def test_a_read_only_place_is_refused_with_the_way_out(
    closed_directory: Path, as_another_user: None, name: str
) -> None:
    with pytest.raises(LedgerError, match="cannot be opened for writing") as caught:
        Ledger.open(closed_directory / name, "dev")
    assert "Let this user write" in caught.value.hint


def test_rows_of_one_account_are_never_read_as_another_ones(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db", "production") as ledger:
        ledger.bind("https://api.one.example")
        ledger.bind("https://api.two.example")  # nothing is owned yet
        ledger.record(Owned(Address("site", ("acme", "hq")), "1", "hq"))
        with pytest.raises(LedgerError, match=r"about https://api\.two\.example"):
            ledger.bind("https://api.one.example")
        ledger.bind("https://api.two.example")
    with Ledger.open(tmp_path / "ledger.db", "dev") as other:
        other.bind("https://api.one.example")
