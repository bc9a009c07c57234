"""The table of requirements: what CHeKT's Arming Experience asks to be tested, and what tests it.

Source: the page /guides/partners/arming-experience, as chekt-api/README.md section 4.7 has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.certification import chekt_triggered as chekt
from reconciler.certification import partner_triggered as partner
from reconciler.certification.bench import Bench
from reconciler.manifests.settings import ArmingModel

Check: TypeAlias = Callable[[Bench], None]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing to be shown. ``checks``: the function by arming model; a model without one is not asked.

    ``proves``: what a pass shows. ``demand``: the page's sentence in our words.
    """

    name: str
    title: str
    proves: str
    demand: str
    checks: Mapping[ArmingModel, Check]


REQUIREMENTS: tuple[Requirement, ...] = (
    Requirement(
        "mode-transitions",
        "All mode transitions",
        "Away, Stay, Night and Disarmed each follow on each other, and both sides know within 5 s.",
        "Test every change between the modes; what cannot follow has to be refused.",
        {"chekt_triggered": chekt.transitions, "partner_triggered": partner.transitions},
    ),
    Requirement(
        "exit-delay",
        "Exit delay",
        "Arming in progress is seen while people leave, and a disarm in the middle calls it off.",
        "Test arming with an exit delay.",
        {"chekt_triggered": chekt.exit_delay, "partner_triggered": partner.exit_delay},
    ),
    Requirement(
        "entry-delay",
        "Entry delay",
        "Who enters has time to disarm, and nothing is armed meanwhile.",
        "Test entering an armed site.",
        {"chekt_triggered": chekt.entry_delay, "partner_triggered": partner.entry_delay},
    ),
    Requirement(
        "open-zone",
        "Open zone",
        "A site with an open zone does not become armed, and the failure is known.",
        "Test that arming fails, and is told as a failure, when a zone is open.",
        {"chekt_triggered": chekt.open_zone, "partner_triggered": partner.open_zone},
    ),
    Requirement(
        "user-codes",
        "User codes",
        "Only a user's code counts, and each change is kept under the name of who made it.",
        "Test user codes; who armed or disarmed has to be kept.",
        {"chekt_triggered": chekt.user_codes, "partner_triggered": partner.user_codes},
    ),
    Requirement(
        "network-failure",
        "Network failure",
        "A lost answer neither loses a change nor makes it twice.",
        "Test what happens when the network fails between both sides.",
        {"chekt_triggered": chekt.network_failure, "partner_triggered": partner.network_failure},
    ),
    Requirement(
        "synchronisation",
        "Synchronisation",
        "What comes twice counts once, and what was overtaken does not come back.",
        "Test the edge cases in which both sides could come to hold different states.",
        {"chekt_triggered": chekt.synchronisation, "partner_triggered": partner.synchronisation},
    ),
    Requirement(
        "webhook-retry",
        "Webhook retry",
        "An event that our receiver could not take comes again, signed, and counts once.",
        "CHeKT-triggered: test that webhooks are tried again when the endpoint is away.",
        {"chekt_triggered": chekt.webhook_retry},
    ),
    Requirement(
        "api-retry",
        "API retry",
        "A report that was not answered, or refused for a while, is sent again and counts once.",
        "Partner-triggered: test that API calls are tried again.",
        {"partner_triggered": partner.api_retry},
    ),
    Requirement(
        "time-zones",
        "Timestamps across time zones",
        "Both sides tell the same instant of a change, whatever the site's own clock shows.",
        "Test timestamps for sites in different time zones; they are in UTC.",
        {"chekt_triggered": chekt.time_zones, "partner_triggered": partner.time_zones},
    ),
    Requirement(
        "concurrency",
        "Concurrent arm and disarm",
        "Of an arm and a disarm at the same moment comes one state, the same on both sides.",
        "Test arming and disarming at the same time.",
        {"chekt_triggered": chekt.concurrency, "partner_triggered": partner.concurrency},
    ),
)


def asked_of(model: ArmingModel) -> tuple[Requirement, ...]:
    """The requirements of a project of ``model``, in order."""
    return tuple(each for each in REQUIREMENTS if model in each.checks)
