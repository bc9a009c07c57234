"""The faults of the matrix, and one case of it: a struck apply, then a quiet one, then what must be so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.manifests import Project
from reconciler.model import Surface
from reconciler.sandbox import Fault, Sandbox, Switches
from reconciler.sandbox.credentials import DEALER_ID
from reconciler.sandbox.seed import set_up
from tests import ledgers
from tests.faults.projects import NEIGHBOURS, NEIGHBOURS_OF_HQ, project
from tests.faults.world import SETTLED, Run, Time, World

FAULTS: Mapping[str, Fault] = {
    "dropped before": Fault("drop"),
    "dropped after": Fault("drop", when="after"),
    "dropped after, key forgotten": Fault("drop", when="after", forget=True),
    "500 before": Fault("status", status=500),
    "500 after": Fault("status", status=500, when="after"),
    "429 with Retry-After": Fault("status", status=429, seconds=3),
    "429 without": Fault("status", status=429, seconds=0),
    "503 page before": Fault("page", status=503),
    "503 page after": Fault("page", status=503, when="after"),
    "200 page before": Fault("page", status=200),
    "200 page after": Fault("page", status=200, when="after"),
    "cut": Fault("cut"),
    "truncated": Fault("truncate"),
    "silent before": Fault("timeout", seconds=60),
    "silent after": Fault("timeout", when="after", seconds=60),
    "slow": Fault("slow", seconds=60),
    "401": Fault("status", status=401),
    "403": Fault("status", status=403),
    "404 after": Fault("status", status=404, when="after"),
    "409 after": Fault("status", status=409, when="after"),
    "410 after": Fault("status", status=410, when="after"),
    "token revoked": Fault("revoke"),
    "bulk entry fails": Fault("bulk_item", index=1, status=422),
    "bulk results shuffled": Fault("shuffle"),
    "stale list": Fault("stale", seconds=30),
    "another's answer": Fault("replay"),
    "sent twice": Fault("twice"),
}

READ_FAULTS = (
    "dropped before",
    "500 before",
    "429 with Retry-After",
    "200 page before",
    "cut",
    "401",
    "403",
    "token revoked",
    "stale list",
)
"""Those that a read can meet; the others come to the same as one of these."""

BY_DESIGN = {("another's answer", "PATCH /partner/v1/dealers/12345/sites/2/arming-settings")}
"""What no client can see through: an answer without an id that is another write's.

It is taken for the server's own value, and told as such. Keys made from the journal never collide, so no
server has a reason to give one.
"""

SERVERS: Mapping[str, Switches] = {
    "keys honoured": Switches(rate_limits=False),
    "keys ignored": Switches(rate_limits=False, idempotency=False),
    "duplicates accepted": Switches(rate_limits=False, duplicate="accept"),
    "keys ignored, duplicates accepted": Switches(
        rate_limits=False, idempotency=False, duplicate="accept", list_delay=3.0
    ),
}


@dataclass(frozen=True)
class Stage:
    """A project before and after an edit, and a directory in which the first has been applied."""

    template: Path
    surface: Surface
    after: Project
    calls: Sequence[str] = ()
    boundaries: int = 0

    def struck_by(self, name: str) -> list[int]:
        """The numbers of the requests, from 1, that the fault ``name`` can hit."""
        reads, writes = name in READ_FAULTS, name != "stale list"
        return [n for n, call in enumerate(self.calls, 1) if (reads if call.startswith("GET") else writes)]

    def world(
        self,
        directory: Path,
        switches: Switches = SERVERS["keys honoured"],
        sandbox: type[Sandbox] = Sandbox,
    ) -> World:
        """A world like the one that the first apply left."""
        time = Time()
        time.sleep(10 * SETTLED)
        world = World(
            directory,
            template=self.template,
            switches=switches,
            surface=self.surface,
            time=time,
            sandbox=sandbox,
        )
        world.neighbours = [row for row in world.rows() if "theirs" in (row.external_id or "")]
        return world


def stage(directory: Path, before: str, after: str, surface: Surface = "partner") -> Stage:
    """Apply ``before`` beside neighbours; find out how long the way from there to ``after`` is."""
    first = project(directory / "before", before, surface)
    then = project(directory / "after", after, surface)
    template = directory / "template"
    template.mkdir()
    world = World(template, switches=SERVERS["keys honoured"], surface=surface)
    world.sandbox.set_up(DEALER_ID, NEIGHBOURS)
    if surface == "dealer":
        world.sandbox.set_up(DEALER_ID, {"sites": [{"external_id": "hq", "name": "Headquarters"}]})
    run = world.apply(first)
    assert run.clean, run
    hq = world.sandbox.store.find("site", str(DEALER_ID), "hq")
    assert hq is not None
    with world.sandbox.store.transaction():
        set_up(world.sandbox.store, world.time.stamp(), f"{DEALER_ID}/{hq.id}", NEIGHBOURS_OF_HQ)
        if surface == "partner":
            url = "https://hooks.example.com/theirs"
            body = {"url": url, "events": ["site.armed"], "secret": "theirs"}
            world.sandbox.store.insert("webhook", "", url, body, world.time.stamp())
    world.close()
    rehearsed = directory / "rehearsal"
    rehearsed.mkdir()
    found = Stage(template, surface, then)
    rehearsal = found.world(rehearsed)
    run = rehearsal.apply(then)
    assert run.clean, run
    assert rehearsal.wrong(then) == []
    calls = [f"{record.method} {record.path}" for record in rehearsal.sandbox.requests()]
    rehearsal.close()
    return replace(found, calls=calls, boundaries=run.boundaries)


@dataclass(frozen=True)
class Case:
    """What came of one struck apply and a quiet one after it."""

    struck: Run
    quiet: Run
    wrong: list[str]

    @property
    def good(self) -> bool:
        return self.quiet.clean and not self.wrong


def strike(
    staged: Stage,
    directory: Path,
    switches: Switches,
    faults: Sequence[Fault] = (),
    *,
    die_at: int | None = None,
) -> Case:
    """Apply under ``faults``, or dying at a boundary; then once more when all is quiet."""
    directory.mkdir()
    world = staged.world(directory, switches)
    try:
        for fault in faults:
            world.sandbox.add_fault(fault)
        struck = world.apply(staged.after, die_at=die_at)
        world.settle()
        quiet = world.apply(staged.after)
        world.settle()
        return Case(struck, quiet, world.wrong(staged.after))
    finally:
        world.close()
        ledgers.remove(directory)
