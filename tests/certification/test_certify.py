"""A certification passes on a sound account, fails where a rule is broken, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reconciler.certificate import Verdict
from reconciler.certification import REQUIREMENTS
from reconciler.sandbox import Fault
from tests.certification.rig import MODELS, Rig

Rigs = Callable[..., Rig]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rigs]:
    made: list[Rig] = []

    def make(model: str, **switches: Any) -> Rig:
        made.append(Rig(tmp_path, model, switches))
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
        "partner_triggered": [flaw("one_mode"), Break({"invalid_transition": "accept"})],
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
        {"arming_states": "modes", "arming_in_progress": True, "open_zone": "failure"},
        {"invalid_transition": "422", "stale_report": "ignore", "arming_delay": 3.0},
    ],
    ids=["default", "page", "modes", "lenient"],
)
@pytest.mark.parametrize("model", MODELS)
def test_a_sound_account_passes_and_is_left_as_it_was(
    rig: Rigs, model: str, switches: dict[str, Any]
) -> None:
    at = rig(model, **switches)
    if switches.get("shape") == "page":
        settings = at.directory / "reconciler.yaml"
        settings.write_text(settings.read_text() + "environments: {embedded: {dialect: page}}\n")
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
