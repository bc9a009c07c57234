"""A person's command on a site that workers arm: nobody overwrites what it changed."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import run
from reconciler.enforcer.memory import Memory, from_json, to_json
from reconciler.errors import LeaseLostError, LockedError
from reconciler.fleet.own_lane import own_lane
from reconciler.ledger import Hold, Ledger
from reconciler.ledger.lane_store import LaneStore
from reconciler.ledger.postgres_session import Place
from reconciler.ledger.postgres_store import PostgresStore
from reconciler.redaction import Redactor
from reconciler.runtime import Runtime
from tests.enforcer.rig import SITE, project
from tests.postgresql import Server

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
RUNTIME = Runtime({}, Redactor(), lambda: NOW)


def test_a_stop_is_lifted_between_two_turns_of_a_worker(
    tmp_path: Path, postgresql: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = postgresql.schema()
    url = f"{postgresql.url}&schema={schema}"
    settings = "environments: {far: {surface: dealer, base_url: 'http://127.0.0.1:9'}}"
    project(tmp_path / "p")
    (tmp_path / "p" / "reconciler.yaml").write_text(
        f"version: 1\n{settings}\nledger: {url}\n", encoding="utf-8"
    )
    store = PostgresStore(Place(postgresql.url, schema), "far", {})
    with Ledger(store.database()) as ledger:
        ledger.enforce_from("a-project", NOW)
        ledger.declare_lanes(["acme"], NOW)
        hold = ledger.take_lane("acme", "w1", 60)
        assert hold is not None
        with LaneStore(store, hold).open() as lane:
            lane.watch(SITE, None, to_json(Memory(stopped="it was undone twice")))
        ledger.look_next("acme", NOW + timedelta(days=1), 0)

        def go_on(hold: Hold = hold) -> None:
            with LaneStore(store, hold).open() as lane:
                lane.watch(SITE, None, to_json(Memory(stopped="it was undone twice", numbered=7)))
            ledger.release_lane(hold)

        worker = threading.Timer(1.0, go_on)
        worker.start()
        assert run(["enforce", "resume", SITE, str(tmp_path / "p"), "--env", "far"], Console()) == 0
        worker.join()
        found = from_json(ledger.watched()[SITE, None])
        assert (found.stopped, found.numbered) == ("", 7)
        assert ledger.waiting_lanes(datetime.now(tz=UTC), 1) == ["acme"], "it is looked at, at once"
    store.close()
    assert "is commanded again" in capsys.readouterr().out


def test_a_lane_that_stays_at_work_is_not_waited_for_without_end(store: PostgresStore) -> None:
    with Ledger(store.database()) as ledger:
        hold = ledger.take_lane("acme", "w1", 60)
        assert hold is not None
        with (
            pytest.raises(LockedError, match="at work in the lane of acme"),
            own_lane(store, "acme", RUNTIME, 0.3),
        ):
            pass
        assert ledger.release_lane(hold)
        with own_lane(store, "acme", RUNTIME, 0.3) as own:
            own.watch(SITE, None, "{}")
        with LaneStore(store, hold).open() as late, pytest.raises(LeaseLostError):
            late.watch(SITE, None, "late")
