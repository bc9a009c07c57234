"""A CHeKT App: permissions, allow list and event subscriptions (chekt-api/README.md section 6).

CHeKT offers apps in its portal only, so on a real host every change is a person's work.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from reconciler.kinds.kind import Kind, Spec, simulated
from reconciler.kinds.values import NetworkSet, Text, Url, sorted_set

Permission = Literal[
    "devices:read",
    "devices:write",
    "events:read",
    "events:write",
    "alarms:write",
    "snapshots:read",
    "sites:read",
    "sites:write",
]
AppEvent = Literal[
    "alarm.created",
    "alarm.acknowledged",
    "alarm.dispatched",
    "alarm.resolved",
    "device.online",
    "device.offline",
    "device.firmware_updated",
    "snapshot.created",
    "verification.requested",
    "partition.armed",
    "relay.activated",
]


class AppWebhookSpec(Spec):
    """Where the app's events go. CHeKT issues the signing secret itself."""

    url: Annotated[Url, Field(description="Endpoint that receives the events.")]
    events: Annotated[list[AppEvent], AfterValidator(sorted_set), Field(description="Subscribed events.")]


class AppSpec(Spec):
    """A CHeKT App of a dealer."""

    name: Annotated[Text | None, Field(description="Display name; the id when left out.")] = None
    permissions: Annotated[
        list[Permission],
        AfterValidator(sorted_set),
        Field(description="Scopes. Removing one works at once; adding one waits for the dealer's approval."),
    ]
    ip_allow_list: Annotated[
        NetworkSet | None, Field(description="Addresses and networks the app may call from.")
    ] = None
    webhook: Annotated[AppWebhookSpec | None, Field(description="Event subscription.")] = None


APP = Kind(
    name="app",
    collection="apps",
    title="App",
    spec=AppSpec,
    parent="dealer",
    read_only=frozenset({"app_id", "created_at"}),
    unordered=frozenset({"permissions", "ip_allow_list", "webhook.events"}),
    simulated=simulated("app", AppSpec, "/sim/v0/dealers/{dealer_id}/apps"),
    portal=(
        "In the dealer portal of {parent}, open Settings, CHeKT Apps, {id} (create it if it is missing).",
        "Set the fields listed; a new permission takes effect when the dealer admin approves the app again.",
    ),
)
