"""Applies under faults: random projects, edits, servers, faults and crashes, every one from a seed.

    python benchmarks/chaos.py --runs 1000              as many applies under faults
    python benchmarks/chaos.py --seconds 60 --seed 7    from a seed on, for so long
    python benchmarks/chaos.py --seed 7 --only 12       what story 12 of seed 7 does, told run by run
    python benchmarks/chaos.py --matrix                 every fault at every request on every server
    python benchmarks/chaos.py --sigkill                real processes, killed at every request

With --ledger postgresql any of them keeps its ledgers in a PostgreSQL server of its own.

A story is one account through several edits, renames and new external ids among them, on the partner or
the dealer surface, with lists whole or in pages. After each edit come one or more applies under faults, some
of which die on the way. Then comes the next edit, met by whatever that has come to, or one quiet apply:
after it the account must equal the manifests, nothing may exist twice or be lost, what others keep there
must be untouched, the ledger must own exactly what is declared, and no write may be open. Every story ends
with a quiet apply. Runs counts the applies under faults only, not the quiet ones.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from reconciler.kinds.surfaces import surfaces
from reconciler.manifests import Project
from reconciler.model import Surface
from reconciler.sandbox.credentials import DEALER_ID
from reconciler.sandbox.seed import set_up
from tests import ledgers
from tests.faults import wild
from tests.faults.matrix import BY_DESIGN, FAULTS, SERVERS, stage, strike
from tests.faults.processes import MOMENTS, killed
from tests.faults.projects import (
    AFTER,
    BEFORE,
    DEALER_AFTER,
    DEALER_BEFORE,
    NEIGHBOURS,
    NEIGHBOURS_OF_HQ,
    project,
)
from tests.faults.world import World
from tests.postgresql import join

EDITS = 6
DEALER_SHARE = 0.15
"""Of the stories, on the surface of one dealer."""
NO_PROJECT = "{kind: dealer, id: acme, dealer_id: 12345}\n"


@dataclass(frozen=True)
class Told:
    """What one story came to: applies under faults, of which ``killed`` died; quiet ones; what was wrong."""

    number: int
    runs: int
    killed: int
    quiet: int
    wrong: tuple[str, ...] = ()


def story(seed: int, number: int, *, tell: bool = False) -> Told:
    """Live through story ``number`` of ``seed``."""
    chance = random.Random(f"{seed}/{number}")
    directory = Path(tempfile.mkdtemp(prefix="chaos", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    surface: Surface = "dealer" if chance.random() < DEALER_SHARE else "partner"
    world = World(directory, switches=wild.server(chance), surface=surface)
    if surface == "dealer":
        site = {"external_id": "a", "name": "Site A", "timezone": "UTC"}
        world.sandbox.set_up(DEALER_ID, {"sites": [site]})
    elif chance.random() < 0.3:
        world.surfaces = surfaces("partner", sandbox=True, corrections=wild.ONE_BY_ONE)
    try:
        return _live(world, chance, number, tell=tell)
    finally:
        world.close()
        ledgers.remove(directory)


def _live(world: World, chance: random.Random, number: int, *, tell: bool) -> Told:
    base = project(world.directory / "project", NO_PROJECT, world.surface)
    plans = wild.Wild(chance, world.surface)
    runs = killed = quiet = 0
    for edit in range(EDITS):
        if edit:
            plans.edit()
        wanted = replace(base, resources=plans.resources(), digest=f"{number}/{edit}")
        hasty = 0 < edit < EDITS - 1 and chance.random() < 0.5
        if edit:
            for _ in range(chance.choice((1, 1, 2, 3))):
                if chance.random() < 0.5:
                    world.settle()
                died = _strike(world, wanted, chance, hasty=hasty, tell=tell)
                runs, killed = runs + 1, killed + died
        if hasty:
            continue  # the next edit meets whatever this one has come to
        world.settle()
        last = world.apply(wanted)
        quiet += 1
        world.settle()
        wrong = world.wrong(wanted)
        if tell:
            print(f"edit {edit}: quiet: {last}")
        if not last.clean or wrong:
            return Told(number, runs, killed, quiet, (f"edit {edit}: {last}", *wrong))
        if not edit:
            _move_in(world)
    return Told(number, runs, killed, quiet)


def _move_in(world: World) -> None:
    """Let others keep things in the account, and in our site."""
    site = world.sandbox.store.find("site", str(DEALER_ID), "a")
    assert site is not None
    world.sandbox.set_up(DEALER_ID, NEIGHBOURS)
    with world.sandbox.store.transaction():
        set_up(world.sandbox.store, world.time.stamp(), f"{DEALER_ID}/{site.id}", NEIGHBOURS_OF_HQ)
    world.neighbours = [row for row in world.rows() if "theirs" in (row.external_id or "")]


def _strike(world: World, wanted: Project, chance: random.Random, *, hasty: bool, tell: bool) -> bool:
    """One apply under faults; whether it died on the way."""
    struck = wild.faults(chance, world.sandbox.switches, hasty=hasty)
    world.sandbox.faults.clear()
    for fault in struck:
        world.sandbox.add_fault(fault)
    die_at = chance.randint(1, 60) if chance.random() < 0.3 else None
    run = world.apply(wanted, die_at=die_at)
    if tell:
        print(f"struck by {struck}, to die at {die_at}: {run}")
    return die_at is not None and run.boundaries >= die_at


def matrix() -> Iterator[str]:
    """Strike every request with every fault on every server, then die at every boundary; what was wrong."""
    texts = {"partner": (BEFORE, AFTER), "dealer": (DEALER_BEFORE, DEALER_AFTER)}
    with tempfile.TemporaryDirectory() as place:
        for surface in ("partner", "dealer"):
            home = Path(place) / surface
            home.mkdir()
            staged = stage(home, *texts[surface], "partner" if surface == "partner" else "dealer")
            for server, switches in SERVERS.items():
                open_door = switches.duplicate == "accept"
                for name, fault in FAULTS.items():
                    for nth, call in enumerate(staged.calls, 1):
                        if (name, call) in BY_DESIGN or (
                            name == "sent twice" and open_door and call[:4] == "POST"
                        ):
                            continue
                        case = strike(staged, home / "case", switches, [replace(fault, nth=nth)])
                        yield "" if case.good else f"{server}: {name} at {call}: {case.wrong} {case.quiet}"
                for at in range(1, staged.boundaries + 1):
                    case = strike(staged, home / "case", switches, die_at=at)
                    yield "" if case.good else f"{server}: dead at {at}: {case.wrong} {case.quiet}"


def sigkill() -> Iterator[str]:
    """Kill a real process before, after and once answered at every request; what was wrong after one more."""
    with tempfile.TemporaryDirectory() as place:
        staged = stage(Path(place), BEFORE, AFTER)
        for at, call in enumerate(staged.calls, 1):
            for moment in MOMENTS:
                wrong = killed(staged, Path(place) / "case", at, moment)
                yield f"killed {moment} {call}: {wrong}" if wrong else ""


def _told(cases: Iterable[str]) -> int:
    """Print what was wrong, and the count; the exit code."""
    begun = time.perf_counter()
    outcomes: Counter[bool] = Counter()
    for wrong in cases:
        outcomes[bool(wrong)] += 1
        if wrong:
            print(wrong, flush=True)
    print(f"{outcomes.total()} cases, {outcomes[True]} failed, {time.perf_counter() - begun:.0f} s")
    return min(outcomes[True], 1)


def _stories(seed: int, jobs: int, shared: Path) -> Iterator[Told]:
    if jobs == 1:
        yield from (story(seed, number) for number in count())
        return
    with ProcessPoolExecutor(jobs, initializer=_keep_ledgers, initargs=(shared,)) as pool:
        for first in count(0, 50 * jobs):
            numbers = range(first, first + 50 * jobs)
            yield from pool.map(story, [seed] * len(numbers), numbers, chunksize=10)


def _keep_ledgers(shared: Path) -> None:
    """Let this process, one of those that name ``shared``, find the ledgers' server."""
    if ledgers.on_postgresql():
        join(shared)


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000, help="applies under faults")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--ledger", choices=("file", "postgresql"), default="file")
    parser.add_argument("--only", type=int, help="one story, told run by run")
    parser.add_argument("--matrix", action="store_true", help="every fault at every request")
    parser.add_argument("--sigkill", action="store_true", help="real processes, killed at every request")
    return parser.parse_args(given)


def main() -> int:
    asked = _arguments(sys.argv[1:])
    os.environ[ledgers.SWITCH] = asked.ledger
    with tempfile.TemporaryDirectory() as shared:
        _keep_ledgers(Path(shared))
        return _run(asked, Path(shared))


def _run(asked: argparse.Namespace, shared: Path) -> int:
    gc.freeze()
    begun = time.perf_counter()
    if asked.matrix or asked.sigkill:
        return _told(matrix() if asked.matrix else sigkill())
    if asked.only is not None:
        told = story(asked.seed, asked.only, tell=True)
        print(told)
        return min(len(told.wrong), 1)
    runs = killed = quiet = failed = stories = 0
    shown = begun
    for told in _stories(asked.seed, asked.jobs, shared):
        stories, runs = stories + 1, runs + told.runs
        killed, quiet = killed + told.killed, quiet + told.quiet
        if told.wrong:
            failed += 1
            print(f"FAILED: --seed {asked.seed} --only {told.number}", *told.wrong, sep="\n  ", flush=True)
        now = time.perf_counter()
        done = runs >= asked.runs or now - begun >= asked.seconds
        if done or now - shown > 60:
            shown = now
            print(
                f"{runs} applies under faults ({killed} killed) in {stories} stories, {quiet} quiet ones: "
                f"{failed} stories failed; {runs / (now - begun):.1f} runs/s",
                flush=True,
            )
        if done:
            return min(failed, 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
