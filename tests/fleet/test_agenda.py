"""What is due stays due until somebody has looked, whoever has the lane: two instants a site at most."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from reconciler.arming.project import Target
from reconciler.enforcer.memory import UNSEEN
from reconciler.enforcer.port import Observation
from reconciler.enforcer.rules import Verdict
from reconciler.enforcer.tick import Sight, Tick
from reconciler.enforcer.wanted import Timelines
from reconciler.fleet.agenda import Agenda
from reconciler.ledger import Ledger
from reconciler.ledger.postgres_store import PostgresStore
from tests.enforcer.rig import EVENING, MORNING, NIGHT, TUESDAY
from tests.enforcer.test_watch import numbered

SECOND = timedelta(seconds=1)
NEXT = [MORNING + TUESDAY, EVENING + TUESDAY]


def looked(target: Target, at: datetime, problem: str | None = None) -> Tick:
    """A round that looked at one target."""
    seen = Observation("disarmed", at, problem=problem)
    sight = Sight(target, Timelines().wanted(target, at), seen, Verdict("in_state", "in_state", ""), UNSEEN)
    return Tick((sight,), (), None)


def test_a_target_is_due_until_it_was_looked_at_after_its_transition(
    tmp_path: Path, store: PostgresStore
) -> None:
    one, other = numbered(tmp_path / "p", NIGHT, ["a", "b"])

    def due(ledger: Ledger, target: Target) -> list[datetime]:
        return [row.at for row in ledger.due_in("acme") if row.target == target.address]

    with Ledger(store.database()) as ledger:
        hold = ledger.take_lane("acme", "w1", 0)
        assert hold is not None
        agenda = Agenda(ledger, hold, [one, other])
        assert agenda.begin(EVENING - 30 * SECOND, EVENING) == {one.key: EVENING, other.key: EVENING}
        assert due(ledger, one) == due(ledger, other) == [EVENING, NEXT[0]]
        agenda.heard(looked(one, EVENING - 10 * SECOND))
        agenda.heard(looked(one, EVENING + SECOND, problem="no answer"))
        assert due(ledger, one) == [EVENING, NEXT[0]]
        agenda.heard(looked(one, EVENING + 2 * SECOND))
        assert (due(ledger, one), due(ledger, other)) == (NEXT, [EVENING, NEXT[0]])
        again = ledger.take_lane("acme", "w2", 60)
        assert again is not None
        late = EVENING + timedelta(minutes=5)
        assert Agenda(ledger, again, [one, other]).begin(late, late) == {other.key: EVENING}


def test_a_lane_whose_sites_or_schedules_changed_has_what_is_due_by_the_new_ones(
    tmp_path: Path, store: PostgresStore
) -> None:
    one, gone = numbered(tmp_path / "p", NIGHT, ["a", "gone"])
    [moved] = numbered(tmp_path / "q", NIGHT.replace("18:00", "17:00"), ["a"])
    with Ledger(store.database()) as ledger:
        for generation, found in enumerate(([one, gone], [moved]), 1):
            hold = ledger.take_lane("acme", "w1", 0)
            assert hold is not None
            assert hold.generation == generation
            Agenda(ledger, hold, found).begin(MORNING, MORNING)
        hour = timedelta(hours=1)
        assert [(row.target, row.at) for row in ledger.due_in("acme")] == [
            (one.address, EVENING - hour),
            (one.address, NEXT[0]),
        ]
