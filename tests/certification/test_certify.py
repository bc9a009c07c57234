"""A certification passes on a sound account, fails where a rule is broken, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reconciler.certificate import Verdict
from reconciler.certification import REQUIREMENTS
from reconciler.errors import ConfigError, PlanError
from reconciler.sandbox import Fault
from tests.certification.rig import MODELS, Rig

Rigs = Callable[..., Rig]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rigs]:
    made: list[Rig] = []

    def make(model: str, environment: str | None = None, **switches: Any) -> Rig:
        made.append(Rig(tmp_path, model, switches, environment))
        return made[-1]

    yield make
    for each in made:
        each.close()


class Break(NamedTuple):
    """What an account does wrong: switches it has, faults on the way to it."""

    switches: dict[str, Any] = {}  # noqa: RUF012  # never changed
    faults: tuple[Fault, ...] = ()


def flaw(*names: str) -> Break:
    return Break({"flaws": names})


BREAKS: dict[str, dict[str, list[Break]]] = {
    "mode-transitions": {
        "chekt_triggered": [flaw("one_mode"), flaw("silent_field"), Break({"arming_delay": 9.0})],
        "partner_triggered": [
            flaw("one_mode"),
            Break({"invalid_transition": "accept"}),
            Break({"invalid_transition": "ignore"}),
        ],
    },
    "exit-delay": {
        "chekt_triggered": [flaw("no_exit_delay")],
        "partner_triggered": [flaw("no_exit_delay")],
    },
    "entry-delay": {
        "chekt_triggered": [flaw("no_entry_delay")],
        "partner_triggered": [flaw("no_entry_delay"), Break({"invalid_transition": "accept"})],
    },
    "open-zone": {
        "chekt_triggered": [flaw("arms_open")],
        "partner_triggered": [flaw("arms_open")],
    },
    "user-codes": {
        "chekt_triggered": [flaw("any_code"), flaw("no_user")],
        "partner_triggered": [flaw("no_user")],
    },
    "network-failure": {
        "chekt_triggered": [Break(faults=(Fault("drop", path=".*/actions/arm", count=0),))],
        "partner_triggered": [flaw("restamps"), Break({"idempotency": False, "flaws": ["logs_repeats"]})],
    },
    "synchronisation": {
        "chekt_triggered": [flaw("silent_field")],
        "partner_triggered": [flaw("logs_repeats"), Break({"stale_report": "accept"})],
    },
    "webhook-retry": {
        "chekt_triggered": [flaw("no_retry"), Break(faults=(Fault("forge", count=0),))],
    },
    "api-retry": {
        "partner_triggered": [Break({"idempotency": False, "flaws": ["logs_repeats"]})],
    },
    "time-zones": {
        "chekt_triggered": [flaw("local_times")],
        "partner_triggered": [flaw("local_times")],
    },
    "concurrency": {
        "chekt_triggered": [flaw("tells_overtaken")],
        "partner_triggered": [Break({"stale_report": "accept"})],
    },
}
"""By requirement and model: what breaks it. A check that cannot fail is none."""

ASKED = [(each.name, model) for each in REQUIREMENTS for model in MODELS if model in each.checks]
BROKEN = [
    pytest.param(name, model, each, id=f"{name} {model} {number}")
    for name, model in ASKED
    for number, each in enumerate(BREAKS.get(name, {}).get(model, []))
]


def told(certificate: Any) -> list[str]:
    return [f"{each.name}: {each.verdict} {each.message}" for each in certificate.findings]


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"shape": "page"},
        {
            "arming_states": "modes",
            "arming_in_progress": True,
            "open_zone": "failure",
            "invalid_transition": "422",
            "stale_report": "ignore",
            "arming_delay": 3.0,
        },
    ],
    ids=["default", "page", "otherwise"],
)
@pytest.mark.parametrize("model", MODELS)
def test_a_sound_account_passes_and_is_left_as_it_was(
    rig: Rigs, model: str, switches: dict[str, Any]
) -> None:
    at = rig(model, "page" if switches.get("shape") == "page" else None, **switches)
    before = at.state()
    certificate = at.run()
    assert certificate.passed, told(certificate)
    assert [each.name for each in certificate.findings] == [name for name, of in ASKED if of == model]
    assert at.state() == before
    assert certificate.remarks == ()


@pytest.mark.parametrize(("name", "model"), ASKED)
def test_every_requirement_has_something_that_breaks_it(name: str, model: str) -> None:
    assert BREAKS[name][model]


@pytest.mark.parametrize(("name", "model", "broken"), BROKEN)
def test_a_requirement_fails_where_its_rule_is_broken(
    rig: Rigs, name: str, model: str, broken: Break
) -> None:
    at = rig(model, **broken.switches)
    certificate = at.run(name, faults=broken.faults)
    assert [each.verdict for each in certificate.findings] == [Verdict.FAILED], told(certificate)
    assert certificate.findings[0].message
    assert not certificate.passed


def test_on_the_dev_host_what_needs_a_person_is_said_and_never_passes(rig: Rigs) -> None:
    certificate = rig("chekt_triggered", "dev").run()
    verdicts = {each.name: each.verdict for each in certificate.findings}
    manual = {
        *("mode-transitions", "exit-delay", "entry-delay", "open-zone", "user-codes"),
        *("network-failure", "synchronisation", "webhook-retry"),
    }
    assert {name for name, verdict in verdicts.items() if verdict is Verdict.MANUAL} == manual
    assert {name for name, verdict in verdicts.items() if verdict is Verdict.PASSED} == {
        "time-zones",
        "concurrency",
    }
    assert all(each.message and each.steps for each in certificate.findings if each.name in manual)
    seen = [each.text for each in certificate.findings[0].evidence if each.kind == "state"]
    assert [text.partition(",")[0] for text in seen] == ["armed", "disarmed"]  # what the API alone can show
    assert not certificate.passed


def test_where_the_partner_arms_the_dev_host_is_tested_whole(rig: Rigs) -> None:
    at = rig("partner_triggered", "dev")
    certificate = at.run()
    assert certificate.passed, told(certificate)
    replayed = next(each for each in certificate.findings if each.name == "api-retry").evidence
    assert any("as if no answer had come" in each.text for each in replayed)


@pytest.mark.parametrize("environment", ["production", "claimed"])
def test_no_certification_runs_anywhere_else(rig: Rigs, environment: str) -> None:
    at = rig("partner_triggered", environment)
    with pytest.raises(ConfigError, match="never runs there"):
        at.run()
    assert at.sandbox.requests() == []


def test_a_host_on_this_machine_that_is_no_sandbox_is_left_alone(rig: Rigs) -> None:
    at = rig("chekt_triggered", "page")
    at.hide_the_simulator()
    with pytest.raises(ConfigError, match="not the sandbox"):
        at.run()
    assert {each.method for each in at.sandbox.requests()} == {"GET"}


def test_only_a_site_named_for_it_is_used(rig: Rigs) -> None:
    at = rig("chekt_triggered")
    with pytest.raises(PlanError, match="not named for a certification"):
        at.run(site="site:acme/hq")
    with pytest.raises(PlanError, match="declares no"):
        at.run(site="site:acme/nowhere")
    with pytest.raises(ConfigError, match="not an address"):
        at.run(site="acme")
    with pytest.raises(PlanError, match="no requirement"):
        at.run("api-retry")
    at.rename("hq", "certified-too")
    with pytest.raises(PlanError, match="2 sites are"):
        at.run()
    assert at.sandbox.requests() == []


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("state", ["armed_away", "armed_night"])
def test_an_armed_site_is_armed_again(rig: Rigs, model: str, state: str) -> None:
    at = rig(model)
    at.put(state)
    assert at.run("open-zone").passed
    assert at.panel() == state


@pytest.mark.parametrize("state", ["alarm", "entry_delay", "unknown"])
def test_an_alarm_is_no_time_to_test(rig: Rigs, state: str) -> None:
    at = rig("chekt_triggered")
    at.put(state)
    before = at.state()
    with pytest.raises(PlanError, match="no time for a certification"):
        at.run()
    assert (at.panel(), at.state()) == (state, before)


@pytest.mark.parametrize("model", MODELS)
def test_ctrl_c_leaves_nothing_behind(rig: Rigs, model: str) -> None:
    at = rig(model)
    at.put("armed_stay")
    before = at.state()
    at.clock.interrupt_after(3)
    with pytest.raises(KeyboardInterrupt):
        at.run()
    assert (at.panel(), at.state()) == ("armed_stay", before)


@pytest.mark.parametrize("model", MODELS)
def test_a_site_with_partitions_is_armed_by_all_of_them(rig: Rigs, model: str) -> None:
    at = rig(model)
    at.part(2)
    assert at.run().passed


def test_webhooks_that_come_twice_late_or_out_of_order_do_no_harm(rig: Rigs) -> None:
    faults = [Fault("duplicate", count=5), Fault("reorder", count=2), Fault("late", seconds=2, count=2)]
    certificate = rig("chekt_triggered").run(faults=faults)
    assert certificate.passed, told(certificate)


def test_a_sandbox_that_dies_is_told_of_and_what_was_found_is_not_lost(rig: Rigs) -> None:
    at = rig("chekt_triggered")
    certificate = at.run("open-zone", "time-zones", told=lambda _: at.die())
    assert [each.verdict for each in certificate.findings] == [Verdict.PASSED, Verdict.FAILED]
    assert len(certificate.remarks) == 2


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sleeps", [1, 5, 20])
def test_what_a_killed_certification_found_is_put_back_by_the_next_one(
    rig: Rigs, model: str, sleeps: int
) -> None:
    """Nothing that it sends after some point of its work arrives, as if it had ended there."""
    at = rig(model, exit_delay=7.0)
    at.put("armed_stay")
    before = at.state()
    at.clock.call_after(sleeps, at.die)
    assert not at.run().passed
    at.revive()
    assert at.left()
    assert at.panel() != "armed_stay"
    certificate = at.run("open-zone")
    assert certificate.passed, told(certificate)
    assert any("put back to armed_stay first" in each for each in certificate.remarks)
    assert (at.panel(), at.state(), at.left()) == ("armed_stay", before, [])
    assert at.run("open-zone").remarks == ()


def test_a_certification_elsewhere_waits_until_what_was_found_is_put_back(rig: Rigs) -> None:
    at = rig("chekt_triggered")
    at.clock.call_after(5, at.die)
    at.run()
    at.revive()
    at.rename("certification", "certification-2")
    with pytest.raises(PlanError, match=r"before it had put back what it found .*site:acme/certification\)"):
        at.run()
    (left,) = at.left()
    left.write_text("{")
    with pytest.raises(PlanError, match="cannot be read"):
        at.run()
    left.unlink()
    at.run("open-zone")
    assert at.left() == []


@pytest.mark.parametrize("model", MODELS)
def test_a_certification_that_ends_by_itself_leaves_no_note_of_what_it_found(rig: Rigs, model: str) -> None:
    at = rig(model)
    seen: list[Any] = []
    at.run("open-zone", told=lambda _: seen.extend(at.left()))
    assert len(seen) == 1
    assert at.left() == []
