"""Every rule of DESIGN section 8, on the sandbox: each test fails when its rule is taken out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from reconciler.arming.project import Target
from reconciler.arming.states import State
from reconciler.enforcer import pace
from reconciler.enforcer.port import Observation, Order, Reply
from reconciler.enforcer.tick import tick
from reconciler.errors import RemoteError
from reconciler.model import Address, LiveObject
from reconciler.places import Sites
from reconciler.sandbox import Fault
from tests import ledgers
from tests.enforcer.rig import EVENING, LATE, MORNING, NOON, TUESDAY, Rig, rig

MINUTE = timedelta(minutes=1)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        made.run(NOON)
        yield made


@pytest.fixture
def armed(site: Rig) -> Rig:
    """A site that the enforcer armed in the evening."""
    site.run(EVENING)
    assert (site.state, site.commands()) == ("armed_away", ["arm"])
    return site


def cron(site: Rig, start: datetime, minutes: int) -> None:
    """A run a minute."""
    for minute in range(minutes):
        site.run(start + minute * MINUTE)


@pytest.mark.parametrize("shape", ["live", "page"])
@pytest.mark.parametrize("partitions", [0, 2])
def test_a_site_is_armed_in_the_evening_and_disarmed_in_the_morning(
    tmp_path: Path, shape: str, partitions: int
) -> None:
    with rig(tmp_path, switches={"shape": shape}, partitions=partitions) as site:
        site.run(NOON)
        site.run(EVENING)
        assert set(site.states) == {"armed_away"}
        site.run(MORNING + TUESDAY)
        assert set(site.states) == {"disarmed"}
        each = max(1, partitions)
        assert site.commands() == ["arm"] * each + ["disarm"] * each
        assert [row.result for row in site.records()] == ["confirmed"] * 2 * each


def test_a_run_stays_for_the_transition_inside_its_horizon_and_meets_it_to_the_instant(site: Rig) -> None:
    site.run(EVENING - timedelta(seconds=40))
    (row,) = site.records()
    assert row.issued_at == EVENING
    assert row.lateness == 0
    assert site.clock.now() < EVENING + timedelta(seconds=5)


def test_a_run_ends_at_once_when_its_horizon_brings_nothing(site: Rig) -> None:
    done = site.run(EVENING - timedelta(seconds=70))
    assert done.ended_at == done.started_at


def test_a_run_that_outlasts_its_horizon_takes_on_the_next_one(tmp_path: Path) -> None:
    """The run that cron started meanwhile was turned away, and would have met the second transition."""
    every_day = "days: [mon, tue, wed, thu, fri, sat, sun]"
    with rig(tmp_path, windows=f"{{{every_day}, arm: '18:00', disarm: '18:01', mode: away}}") as site:
        site.run(NOON)
        site.run(EVENING - MINUTE, horizon=62)
        assert [row.issued_at for row in site.records()] == [EVENING, EVENING + MINUTE]


def test_arming_leaves_at_the_instant_and_a_disarm_is_read_fresh(armed: Rig) -> None:
    armed.sandbox.clear_requests()
    armed.run(MORNING + TUESDAY - timedelta(seconds=30))
    morning = MORNING + TUESDAY
    methods = [request.method for request in armed.sandbox.requests() if request.at >= morning]
    assert methods[:2] == ["GET", "POST"]
    armed.run(EVENING + TUESDAY - timedelta(seconds=30))
    methods = [request.method for request in armed.sandbox.requests() if request.at >= EVENING + TUESDAY]
    assert methods[0] == "POST"


def test_it_arms_late(site: Rig) -> None:
    site.run(EVENING + timedelta(hours=5))
    assert site.state == "armed_away"


def test_a_disarm_whose_window_has_ended_is_skipped(armed: Rig) -> None:
    armed.run(EVENING + TUESDAY + MINUTE)
    assert armed.commands() == ["arm"]


def test_a_late_disarm_needs_to_know_that_nobody_armed_since(armed: Rig) -> None:
    armed.clock.set(MORNING + TUESDAY + timedelta(hours=1))
    armed.by_hand("disarmed")
    armed.clock.set(MORNING + TUESDAY + timedelta(hours=2))
    armed.by_hand("armed_away")
    armed.run(NOON + TUESDAY)
    assert armed.rule == "armed_since"
    assert armed.commands() == ["arm"]


def test_what_a_person_armed_just_after_the_disarm_was_due_stays_armed(armed: Rig) -> None:
    """Cron is a few minutes late: the site was opened early, left and armed again meanwhile."""
    armed.clock.set(MORNING + TUESDAY - 10 * MINUTE)
    armed.by_hand("disarmed")
    armed.clock.set(MORNING + TUESDAY + 2 * MINUTE)
    armed.by_hand("armed_away")
    armed.run(MORNING + TUESDAY + 4 * MINUTE)
    assert (armed.rule, armed.state) == ("armed_since", "armed_away")


def test_a_late_disarm_of_a_site_untouched_since_before_it_was_due_is_sent(armed: Rig) -> None:
    armed.run(NOON + TUESDAY)
    assert armed.state == "disarmed"


def test_an_outage_that_ends_inside_the_run_delays_the_disarm(armed: Rig) -> None:
    armed.sandbox.add_fault(Fault("status", "GET", ".*/arming", status=503, count=0))
    morning = MORNING + TUESDAY
    armed.clock.at(morning + timedelta(seconds=30), armed.sandbox.faults.clear)
    armed.run(morning)
    assert armed.state == "disarmed"


def test_a_disarm_held_up_until_its_window_is_over_does_not_leave(armed: Rig) -> None:
    (target,) = armed.targets
    now = MORNING + TUESDAY
    armed.clock.set(now)
    with armed.ledger() as ledger, armed.opened(ledger) as (_, port, _):
        order = Order(target, State.DISARMED, "reconciler:nights@r", "key", not_after=now)
        late, prompt = port.command([order, replace(order, not_after=now + timedelta(seconds=1))])
    assert (late.outcome, prompt.outcome) == ("not_sent", "accepted")
    assert armed.commands() == ["arm", "disarm"]


def test_an_arming_held_up_until_its_window_is_over_does_not_leave(site: Rig) -> None:
    (target,) = site.targets
    over = MORNING + TUESDAY
    with site.ledger() as ledger, site.opened(ledger) as (watch, port, journal):
        site.clock.set(over - timedelta(seconds=1))

        class Slow:
            now, observe, open_zones = port.now, port.observe, port.open_zones

            def command(self, asked: Sequence[Order]) -> Sequence[Reply]:
                site.clock.set(over)
                return port.command(asked)

        done = tick(watch, site.clock.now(), Slow(), journal)
    (sight,) = done.sights
    assert sight.reply is not None
    assert (sight.target, sight.reply.outcome, site.commands()) == (target, "not_sent", [])


def test_an_override_that_comes_while_targets_are_read_counts(site: Rig) -> None:
    """What is wanted is decided again right before anything is sent."""
    with site.ledger() as ledger, site.opened(ledger) as (watch, port, journal):
        site.clock.set(EVENING)

        class Overridden:
            now, command, open_zones = port.now, port.command, port.open_zones

            def observe(self, asked: Sequence[Target]) -> Sequence[Observation]:
                seen = port.observe(asked)
                ledger.set_override(
                    Address.parse(asked[0].address),
                    None,
                    "disarmed",
                    until=LATE,
                    reason="party",
                    made_by="kim",
                    now=EVENING,
                )
                return seen

        tick(watch, site.clock.now(), Overridden(), journal)
    site.run(EVENING + MINUTE)
    assert (site.state, site.commands()) == ("disarmed", [])
    assert [row.result for row in site.records()] == ["not_sent"]


def test_a_disarm_is_sent_with_the_end_of_its_window(armed: Rig) -> None:
    orders: list[Order] = []
    armed.clock.set(MORNING + TUESDAY)
    with armed.ledger() as ledger, armed.opened(ledger) as (watch, port, journal):

        class Listening:
            now, observe = port.now, port.observe

            def command(self, asked: Sequence[Order]) -> Sequence[Reply]:
                orders.extend(asked)
                return port.command(asked)

        tick(watch, armed.clock.now(), Listening(), journal)
    (order,) = orders
    assert order.not_after == EVENING + TUESDAY - pace.LAST_DISARM


def test_a_site_armed_and_disarmed_by_hand_just_before_the_transition_is_armed(site: Rig) -> None:
    """The look taken ahead saw it armed; that must not pass for what it is at the transition."""
    site.clock.at(EVENING - timedelta(seconds=12), lambda: site.by_hand("armed_away"))
    site.clock.at(EVENING - timedelta(seconds=4), lambda: site.by_hand("disarmed"))
    site.run(EVENING - timedelta(seconds=40))
    assert site.state == "armed_away"


def test_a_429_that_asks_for_minutes_is_not_slept_out_inside_a_request(armed: Rig) -> None:
    armed.sandbox.add_fault(Fault("status", "GET", ".*/arming", status=429, seconds=120))
    morning = MORNING + TUESDAY
    armed.run(morning)
    assert armed.rule == "unreachable"
    assert armed.clock.now() < morning + timedelta(seconds=60)


@pytest.mark.parametrize("offset", [-7, 7])
def test_nothing_is_disarmed_by_a_clock_that_disagrees_with_the_servers(armed: Rig, offset: int) -> None:
    armed.sandbox.clock.advance(offset)
    armed.run(MORNING + TUESDAY)
    assert (armed.rule, armed.state) == ("clock", "armed_away")
    armed.sandbox.clock.advance(-offset)
    armed.run(MORNING + TUESDAY + MINUTE)
    assert armed.state == "disarmed"


def test_a_site_is_armed_by_a_clock_that_disagrees(site: Rig) -> None:
    site.sandbox.clock.advance(60)
    site.run(EVENING)
    assert site.state == "armed_away"


def test_without_its_ledger_it_arms_and_does_not_disarm(armed: Rig) -> None:
    armed.lose_ledger()
    armed.run(MORNING + TUESDAY)
    assert (armed.rule, armed.state) == ("not_seen_before", "armed_away")
    armed.run(MORNING + TUESDAY + MINUTE)
    assert armed.state == "armed_away", "one sighting after the disarm was due proves nothing"
    armed.by_hand("disarmed")
    armed.lose_ledger()
    armed.run(EVENING + TUESDAY)
    assert armed.state == "armed_away"


def test_with_its_ledger_of_days_ago_it_does_not_disarm(armed: Rig) -> None:
    """What was ordered since the copy was made, an override or a stop, is not in it."""
    backup = armed.directory / "backup"
    backup.mkdir()
    ledgers.copy(armed.directory, backup)
    order(armed, "armed_away", until=MORNING + timedelta(days=6), at=EVENING + MINUTE)
    armed.run(EVENING + 2 * MINUTE)
    armed.lose_ledger()
    ledgers.copy(backup, armed.directory)
    armed.run(NOON + timedelta(days=3))
    assert (armed.rule, armed.state) == ("not_seen_before", "armed_away")
    armed.run(EVENING + timedelta(days=3))
    armed.run(MORNING + timedelta(days=4))
    assert armed.state == "disarmed"


def test_a_weekend_without_a_look_is_no_gap_and_a_missed_period_is(tmp_path: Path) -> None:
    long = "{days: [mon], arm: '18:00', disarm: '08:00'}, {days: [tue, wed], arm: '00:00', disarm: '24:00'}"
    thursday = "{days: [thu], arm: '00:00', disarm: '08:00'}"
    with rig(tmp_path, windows=f"{long}, {thursday}") as site:
        site.run(NOON)
        site.run(EVENING)
        site.run(MORNING + timedelta(days=3))
        assert site.state == "disarmed"
        site.clock.set(EVENING + timedelta(days=3))
        site.by_hand("armed_away")
        site.run(MORNING + timedelta(days=10, minutes=1))
        assert (site.rule, site.state) == ("not_seen_before", "armed_away")


def order(site: Rig, state: str, *, until: datetime, at: datetime) -> None:
    """A person's override."""
    with site.ledger() as ledger:
        ledger.set_override(
            Address.parse("site:acme/hq"), None, state, until=until, reason="Evacuated", made_by="kim", now=at
        )


def test_an_override_arms_again_what_was_disarmed_by_hand_in_the_same_window(armed: Rig) -> None:
    armed.run(EVENING + MINUTE)
    armed.clock.set(LATE)
    armed.by_hand("disarmed")
    armed.run(LATE + MINUTE)
    assert armed.rule == "by_hand"
    order(armed, "armed_away", until=LATE + 60 * MINUTE, at=LATE + 2 * MINUTE)
    armed.run(LATE + 3 * MINUTE)
    assert armed.state == "armed_away"


def test_an_override_disarms_what_was_armed_by_hand_before_it_and_not_what_is_after(armed: Rig) -> None:
    noon = NOON + TUESDAY
    armed.run(MORNING + TUESDAY)
    armed.clock.set(noon)
    armed.by_hand("armed_away")
    armed.run(noon + MINUTE)
    assert armed.rule == "armed_by_hand"
    order(armed, "disarmed", until=noon + 60 * MINUTE, at=noon + 2 * MINUTE)
    armed.run(noon + 3 * MINUTE)
    assert armed.state == "disarmed"
    armed.clock.set(noon + 5 * MINUTE)
    armed.by_hand("armed_away")
    for minute in (6, 59, 61, 90):
        armed.run(noon + minute * MINUTE)
    assert armed.state == "armed_away"


def test_its_own_disarm_that_takes_effect_in_the_evening_is_no_change_by_hand(tmp_path: Path) -> None:
    """The disarm left late, after an outage; the panel obeys when the site should be armed again."""
    with rig(tmp_path, switches={"arming_delay": 25}) as site:
        site.run(NOON)
        site.run(EVENING)
        site.run(EVENING + TUESDAY - timedelta(seconds=15), horizon=55)
        cron(site, EVENING + TUESDAY + MINUTE, 3)
        assert site.commands() == ["arm", "disarm", "arm"]
        assert site.state == "armed_away"


def test_a_persons_override_disarms_even_a_target_never_seen_before(armed: Rig) -> None:
    armed.lose_ledger()
    armed.clock.set(LATE)
    with armed.ledger() as ledger:
        address = Address.parse("site:acme/hq")
        ledger.set_override(
            address, None, "disarmed", until=LATE + timedelta(hours=1), reason="r", made_by="kim", now=LATE
        )
    armed.run()
    assert armed.state == "disarmed"
    armed.run(LATE + timedelta(hours=1))
    assert armed.state == "armed_away"


def test_clearing_an_override_is_a_transition(armed: Rig) -> None:
    address = Address.parse("site:acme/hq")
    until = NOON + TUESDAY + timedelta(hours=3)
    armed.run(MORNING + TUESDAY)
    armed.clock.set(NOON + TUESDAY)
    with armed.ledger() as ledger:
        ledger.set_override(
            address, None, "armed_away", until=until, reason="r", made_by="kim", now=armed.clock.now()
        )
    armed.run(NOON + TUESDAY + MINUTE)
    assert armed.state == "armed_away"
    armed.clock.set(NOON + TUESDAY + 10 * MINUTE)
    with armed.ledger() as ledger:
        ledger.clear_override(address, None, armed.clock.now())
    armed.run(NOON + TUESDAY + 11 * MINUTE)
    assert armed.state == "disarmed"


def test_a_change_by_hand_is_respected_until_the_next_transition(armed: Rig) -> None:
    armed.clock.set(LATE)
    armed.by_hand("disarmed")
    cron(armed, LATE + MINUTE, 3)
    assert (armed.rule, armed.state) == ("by_hand", "disarmed")
    armed.run(MORNING + TUESDAY)
    armed.run(EVENING + TUESDAY)
    assert armed.state == "armed_away"
    assert [row.result for row in armed.records()] == ["confirmed", "respected", "confirmed"]


def test_a_change_by_hand_is_undone_after_the_stated_time(tmp_path: Path) -> None:
    with rig(tmp_path, policy="{rearm_after: 30m}") as site:
        site.run(NOON)
        site.run(EVENING)
        site.clock.set(LATE)
        site.by_hand("disarmed")
        site.run(LATE + MINUTE)
        site.run(LATE + 29 * MINUTE)
        assert (site.rule, site.state) == ("rearm_after", "disarmed")
        site.run(LATE + 30 * MINUTE)
        assert site.state == "armed_away"


def test_a_change_by_hand_is_undone_where_the_schedule_enforces(tmp_path: Path) -> None:
    with rig(tmp_path, policy="enforce") as site:
        site.run(NOON)
        site.run(EVENING)
        site.clock.set(LATE)
        site.by_hand("disarmed")
        site.run(LATE + MINUTE)
        assert site.state == "armed_away"


@pytest.mark.parametrize("policy", ["respect_until_next", "enforce", "{rearm_after: 1m}"])
def test_what_a_person_arms_outside_the_windows_stays_armed(tmp_path: Path, policy: str) -> None:
    with rig(tmp_path, policy=policy) as site:
        site.run(NOON)
        site.by_hand("armed_away")
        cron(site, NOON + MINUTE, 3)
        assert (site.rule, site.state, site.commands()) == ("armed_by_hand", "armed_away", [])


def test_two_counter_actions_within_ten_minutes_stop_it_until_a_person_resumes(tmp_path: Path) -> None:
    with rig(tmp_path, policy="enforce") as site:
        site.run(NOON)
        site.run(EVENING)
        for minute in (1, 4):
            site.clock.set(LATE + minute * MINUTE)
            site.by_hand("disarmed")
            site.run()
        assert (site.rule, site.state) == ("stopped", "disarmed")
        site.run(MORNING + TUESDAY)
        site.run(EVENING + TUESDAY)
        assert (site.rule, site.state, site.commands()) == ("stopped", "disarmed", ["arm", "arm"])


def test_counter_actions_further_apart_do_not_stop_it(tmp_path: Path) -> None:
    with rig(tmp_path, policy="enforce") as site:
        site.run(NOON)
        site.run(EVENING)
        for minute in (1, 12, 23):
            site.clock.set(LATE + minute * MINUTE)
            site.by_hand("disarmed")
            site.run()
        assert site.state == "armed_away"


@pytest.mark.parametrize("state", ["alarm", "entry_delay", "arming_in_progress", "unknown"])
@pytest.mark.parametrize("due", [EVENING, MORNING + TUESDAY])
def test_nothing_is_commanded_from_an_alarm_an_entry_delay_or_a_state_not_settled(
    site: Rig, state: str, due: datetime
) -> None:
    site.sandbox.switches = site.sandbox.switches.changed({"shape": "page"})
    if due != EVENING:
        site.run(EVENING)
    before = site.commands()
    site.clock.set(due - timedelta(seconds=5))
    site.by_hand(state)
    site.run(due)
    assert site.commands() == before
    armed_since = site.clock.now() > due + pace.CLOCK_TOLERANCE
    site.by_hand("disarmed" if due == EVENING else "armed_away")
    site.run(due + MINUTE)
    assert site.state == ("armed_away" if due == EVENING or armed_since else "disarmed")


@pytest.mark.parametrize("way", ["error", "failure"])
def test_an_open_zone_is_retried_on_the_stated_schedule_and_never_bypassed(tmp_path: Path, way: str) -> None:
    with rig(tmp_path, switches={"shape": "page", "open_zone": way}) as site:
        site.run(NOON)
        site.zone("open")
        cron(site, EVENING, 80)
        sent = [request for request in site.sandbox.requests() if request.path.endswith("/actions/arm")]
        minutes = [round((request.at - EVENING) / MINUTE) for request in sent]
        late = 1 if way == "failure" else 0  # the failure shows only when the time to confirm is over
        assert minutes[:5] == [0, 1 + late, 3 + 2 * late, 8 + 3 * late, 18 + 4 * late]
        assert all(b - a in (15, 16) for a, b in itertools.pairwise(minutes[4:]))
        assert "Dock Door" in site.sight.memory.trouble
        assert site.state == "disarmed"
        site.zone("closed")
        cron(site, EVENING + 80 * MINUTE, 17)
        assert site.state == "armed_away"


def test_a_lost_answer_is_followed_by_the_same_command_under_the_same_key(site: Rig) -> None:
    site.sandbox.add_fault(Fault("drop", "POST", ".*/arm", when="after"))
    site.run(EVENING)
    keys = {r.idempotency_key for r in site.sandbox.requests() if r.method == "POST"}
    assert len(keys) == 1
    assert (site.state, site.commands()) == ("armed_away", ["arm"])
    assert [row.result for row in site.records()] == ["confirmed"]


def test_a_command_sent_again_while_the_panel_is_slow_takes_effect_once(tmp_path: Path) -> None:
    with rig(tmp_path, switches={"arming_delay": 20.0}) as site:
        site.run(NOON)
        site.sandbox.add_fault(Fault("drop", "POST", ".*/arm", when="after"))
        site.run(EVENING)
        posts = [request for request in site.sandbox.requests() if request.method == "POST"]
        assert [request.replayed for request in posts] == [False, True]
        assert (site.state, site.commands()) == ("armed_away", ["arm"])


@pytest.mark.parametrize(
    "fault", [Fault("status", "POST", status=429, seconds=2), Fault("drop", "POST", ".*/arm")]
)
def test_a_command_that_did_not_get_through_is_sent_again_inside_the_run(site: Rig, fault: Fault) -> None:
    site.sandbox.add_fault(fault)
    site.run(EVENING)
    assert site.state == "armed_away"
    assert site.clock.now() < EVENING + MINUTE


def test_an_outage_is_sat_out_and_the_site_armed_late(site: Rig) -> None:
    site.sandbox.add_fault(Fault("status", status=503, count=0))
    cron(site, EVENING, 7)
    assert site.rule == "unreachable"
    site.sandbox.faults.clear()
    site.run(EVENING + 8 * MINUTE)
    assert site.state == "armed_away"


def test_a_disarm_that_did_not_show_is_not_sent_again_where_somebody_may_have_armed(armed: Rig) -> None:
    """The panel obeyed, and a person armed before anybody looked."""
    morning = MORNING + TUESDAY
    armed.sandbox.switches = armed.sandbox.switches.changed({"arming_delay": 0.0})
    armed.clock.at(morning + timedelta(seconds=0.5), lambda: armed.by_hand("armed_away"))
    cron(armed, morning, 10)
    assert armed.commands() == ["arm", "disarm"]
    assert armed.rule == "disarm_unconfirmed"


def test_a_dry_run_judges_and_leaves_no_trace(site: Rig) -> None:
    before = site.memories()
    site.run(EVENING, send=False)
    assert site.sight.verdict.kind == "command"
    assert (site.commands(), site.records(), site.memories()) == ([], [], before)


def test_the_record_says_what_was_seen_decided_and_by_what(armed: Rig) -> None:
    (row,) = armed.records()
    (target,) = armed.targets
    assert (row.schedule, row.revision) == ("nights", target.revision)
    assert (row.state_before, row.decided, row.state_after) == ("disarmed", "armed_away", "armed")
    assert row.due == EVENING
    assert "window" in row.reason
    (request,) = (r for r in armed.sandbox.requests() if r.method == "POST")
    history = armed.admin("GET", f"/sites/{armed.site_id}/arming/history")
    assert f"reconciler:nights@{target.revision}" in str(history)
    assert request.idempotency_key


def test_a_site_whose_external_id_two_sites_share_is_not_guessed_at(site: Rig) -> None:
    class Listing:
        def list(self, kind: str, parents: tuple[str, ...]) -> Sequence[LiveObject]:
            return [LiveObject(kind, number, "hq", {}) for number in ("1", "2")]

    with pytest.raises(RemoteError, match="not in the account"):
        Sites(site.project, {}, Listing()).place("site:acme/hq")
