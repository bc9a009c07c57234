"""A monitored building, its security type (the arming-settings singleton) and its arming schedule.

chekt-api/README.md sections 4.2, 4.6 and 5.2.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from reconciler.kinds.kind import Binding, Codec, Endpoint, Kind, Part, Reference, Spec
from reconciler.kinds.values import Identifier, Text, TimeZone
from reconciler.model import JsonValue

_LIST = "/partner/v1/dealers/{dealer_id}/sites"
_ONE = _LIST + "/{site_id}"
_ARMING_SETTINGS = _ONE + "/arming-settings"

SECURITY_TYPES = ("panel_primary_bridge", "panel_individual_bridge", "video", "alarm_com")
"""Names of the security types 1 to 4, in order (chekt-api/README.md section 4.6)."""


def security_type(value: Any) -> Any:
    """The name of a security type given by name or by number."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 4:
        return SECURITY_TYPES[value - 1]
    if value in SECURITY_TYPES:
        return value
    raise ValueError(f"write one of {', '.join(SECURITY_TYPES)}, or 1 to 4")


def _encode_security_type(value: JsonValue) -> JsonValue:
    return SECURITY_TYPES.index(str(value)) + 1


SecurityType = Annotated[
    str,
    BeforeValidator(security_type),
    WithJsonSchema({"enum": [*SECURITY_TYPES, 1, 2, 3, 4]}),
]


class ArmingSpec(Spec):
    """Which schedule arms the site: one for the whole site, or one a partition."""

    schedule: Annotated[Identifier | None, Field(description="Schedule of the whole site.")] = None
    partitions: Annotated[
        dict[int, Identifier] | None,
        Field(description="Schedule by CHeKT's partition id.", min_length=1),
    ] = None

    @model_validator(mode="after")
    def _one_of(self) -> ArmingSpec:
        if (self.schedule is None) == (self.partitions is None):
            raise ValueError("write either schedule or partitions")
        return self


class SiteSpec(Spec):
    """A monitored building."""

    name: Annotated[Text, Field(description="Name of the site.")]
    timezone: Annotated[TimeZone, Field(description="IANA time zone; schedules run in it.")]
    site_id: Annotated[
        int | None,
        Field(ge=1, description="CHeKT's id, to take over a site on the dealer surface."),
    ] = None
    monitoring_station: Annotated[
        Identifier | None,
        Field(description="Id of the monitoring station that receives its alarms."),
    ] = None
    account_number: Annotated[Text | None, Field(description="Account at the station, in quotes.")] = None
    address1: Annotated[Text | None, Field(description="Street and number.")] = None
    address2: Annotated[Text | None, Field(description="Suite, floor.")] = None
    security_type: Annotated[
        SecurityType,  # a site always has one: it cannot be cleared
        Field(
            default=None,
            description="How devices are watched and alarms handled; must suit the installed devices. "
            "1 panel_primary_bridge, 2 panel_individual_bridge, 3 video, 4 alarm_com.",
        ),
    ]
    arming: Annotated[
        ArmingSpec | None,
        Field(description="The schedule by which the site is armed and disarmed."),
    ] = None


SITE = Kind(
    name="site",
    collection="sites",
    title="Site",
    spec=SiteSpec,
    parent="dealer",
    remote_id_field="site_id",
    references=(
        Reference("monitoring_station", "monitoring_station", by_remote_id=True),
        Reference("arming.schedule", "schedule"),
        Reference("arming.partitions.*", "schedule"),
    ),
    read_only=frozenset({"site_id", "external_monitoring_station_id", "is_activated", "created_at"}),
    local=frozenset({"arming"}),
    codecs={"security_type": Codec(encode=_encode_security_type, decode=lambda value: value)},
    partner=Binding(
        remote_id="site_id",
        external_id="external_site_id",
        scope="sites",
        fields={
            "name": "name",
            "timezone": "timezone",
            "monitoring_station": "monitoring_station_id",
            "account_number": "account_number",
            "address1": "address1",
            "address2": "address2",
            "security_type": "security_type",
        },
        lists=(Endpoint("GET", _LIST, "documented"),),
        read=Endpoint("GET", _ONE, "inferred"),
        create=Endpoint("POST", _LIST, "documented"),
        update=Endpoint("PATCH", _ONE, "inferred"),
        delete=Endpoint("DELETE", _ONE, "inferred"),
        parts=(
            Part(
                "arming_settings",
                frozenset({"security_type"}),
                read=Endpoint("GET", _ARMING_SETTINGS, "documented"),
                update=Endpoint("PATCH", _ARMING_SETTINGS, "documented"),
            ),
        ),
    ),
    dealer=Binding(
        remote_id="site_id",
        external_id="account_reference_id",
        fields={"name": "site_name", "account_number": "account_number"},
        aliases={"name": ("name",)},
        lists=(Endpoint("GET", "/ext/v1/sites", "observed"),),
    ),
    portal=("In the dealer portal, open Sites, {id}, Site Settings.", "Set the fields listed."),
)
