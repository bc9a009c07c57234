"""SIGKILL at a request of a real process over a real socket: the next run finishes what it began.

At every write of a small project, before, after and once answered in turn;
``benchmarks/chaos.py --sigkill`` takes every moment of every request of the whole one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.matrix import stage
from tests.faults.processes import MOMENTS, Moment, killed
from tests.faults.projects import SMALL_AFTER, SMALL_BEFORE


def test_one_more_run_finishes_what_a_killed_one_began(tmp_path: Path) -> None:
    staged = stage(tmp_path, SMALL_BEFORE, SMALL_AFTER)
    writes = [
        n for n, call in enumerate(staged.calls, 1) if not call.startswith("GET") and "oauth" not in call
    ]
    cases = [(at, MOMENTS[number % len(MOMENTS)]) for number, at in enumerate(writes)]

    def wrong(case: tuple[int, Moment]) -> list[str]:
        at, moment = case
        found = killed(staged, tmp_path / f"{moment}-{at}", at, moment)
        return [f"killed {moment} {staged.calls[at - 1]}: {each}" for each in found]

    with ThreadPoolExecutor(3) as pool:  # most of it is waiting
        assert [each for found in pool.map(wrong, cases) for each in found] == []
