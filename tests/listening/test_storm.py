"""A real receiver is killed among deliveries good and bad: no good event is lost, none settles twice."""

from __future__ import annotations

from pathlib import Path

from tests.listening.storm import run


def test_a_storm_with_a_kill_in_its_middle(tmp_path: Path) -> None:
    told = run(tmp_path / "project", 600, kill=True, threads=8)
    assert told.faults == []
    assert told.events == told.received == 390
    assert told.answers.answered.total() == 600
    assert sum(told.counted.values()) >= 120
