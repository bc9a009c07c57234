"""The kinds of resource the reconciler knows, one file each, and the registry everything iterates.

To add a kind: write its file, add one line to ``REGISTRY`` (parents before children), regenerate the
schemas with ``reconciler schema --write schemas``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from reconciler.kinds.app import APP
from reconciler.kinds.calendar import CALENDAR
from reconciler.kinds.contact import CONTACT
from reconciler.kinds.dealer import DEALER
from reconciler.kinds.device import DEVICE
from reconciler.kinds.kind import Binding, Codec, Endpoint, Kind, Part, Reference, Spec
from reconciler.kinds.monitoring_station import MONITORING_STATION
from reconciler.kinds.schedule import SCHEDULE
from reconciler.kinds.site import SITE
from reconciler.kinds.webhook import WEBHOOK

REGISTRY: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            DEALER,
            CALENDAR,
            SCHEDULE,
            MONITORING_STATION,
            SITE,
            DEVICE,
            CONTACT,
            APP,
            WEBHOOK,
        )
    }
)
"""Every kind by name, parents and reference targets before what stands on them."""

__all__ = ["REGISTRY", "Binding", "Codec", "Endpoint", "Kind", "Part", "Reference", "Spec"]
