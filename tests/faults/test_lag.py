"""What was made a moment ago and is in no list yet stays ours, whatever the next edit says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.sandbox import Switches
from tests.faults.projects import project
from tests.faults.world import World

LAGGING = Switches(rate_limits=False, idempotency=False, duplicate="accept", list_delay=5.0)

BASE = """
{kind: dealer, id: acme, dealer_id: 12345}
---
{kind: site, id: hq, dealer: acme, name: Headquarters, timezone: UTC, devices: [], contacts: []}
---
"""
MADE = (
    BASE + "{kind: site, id: shed, dealer: acme, name: Shed, timezone: UTC,"
    " contacts: [{id: kim, first_name: Kim, last_name: Lee}]}\n"
)
NEXT = {
    "declared no more": BASE.rstrip("-\n") + "\n",
    "made anew": MADE.replace("id: shed,", "id: shed, external_id: shed-2,"),
    "called otherwise": MADE.replace("id: shed,", "id: barn, external_id: shed, moved_from: shed,"),
    "a child called otherwise": MADE.replace("id: kim,", "id: kimberly, external_id: kim, moved_from: kim,"),
    "a child made anew": MADE.replace("id: kim,", "id: kim, external_id: kim-2,"),
}


@pytest.mark.parametrize("edit", NEXT)
def test_what_lists_do_not_show_yet_is_neither_lost_nor_left_behind(tmp_path: Path, edit: str) -> None:
    """Wherever the run that makes it ends; the next one comes at once, with another manifest."""
    told(tmp_path, MADE, NEXT[edit], every=5)


HOOK = (
    BASE + "{kind: webhook, id: feed, url: 'https://hooks.example.com/feed', events: [site.armed],"
    " secret: {env: HOOK}}\n"
)


def test_a_secret_that_an_earlier_run_may_have_sent_is_not_taken_for_that_of_today(tmp_path: Path) -> None:
    """The next run finds the object, and its manifest names another secret; nobody can read which it has."""
    told(tmp_path, HOOK, HOOK.replace("env: HOOK", "env: OTHER_HOOK"), every=1)


def told(tmp_path: Path, first: str, second: str, *, every: int) -> None:
    """Apply ``first`` and die at some boundaries; apply ``second`` at once, then once more in peace."""
    base, made = project(tmp_path / "base", BASE.rstrip("-\n")), project(tmp_path / "made", first)
    then = project(tmp_path / "then", second)
    at = 1
    while True:
        place = tmp_path / str(at)
        place.mkdir()
        world = World(place, switches=LAGGING)
        assert world.apply(base).clean
        world.settle()
        run = world.apply(made, die_at=at)
        world.apply(then)
        world.settle()
        assert world.apply(then).clean, at
        world.settle()
        wrong = world.wrong(then)
        world.close()
        assert wrong == [], at
        if run.error is None:
            return
        at += every
