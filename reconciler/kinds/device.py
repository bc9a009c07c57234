"""A camera or a bridge of a site (chekt-api/README.md sections 4.3 and 5.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.kind import Binding, Codec, Endpoint, Kind, Spec
from reconciler.kinds.values import Mac, Text, ZoneNumber, ZoneNumbers
from reconciler.model import JsonValue

_LIST = "/partner/v1/dealers/{dealer_id}/sites/{site_id}/devices"


class DeviceSpec(Spec):
    """A camera or a bridge."""

    device_type: Annotated[Literal["camera", "bridge"], Field(description="A change replaces the device.")]
    zone_number: Annotated[ZoneNumber, Field(description='Zone, zero-padded and in quotes: "001".')]
    additional_zone_numbers: Annotated[
        ZoneNumbers, Field(description='Further zones: a list, or "002,003".')
    ] = None
    name: Annotated[Text | None, Field(description="Name of the device.")] = None
    mac: Annotated[Mac | None, Field(description="MAC address, with or without separators.")] = None
    manufacturer: Annotated[Text | None, Field(description="Maker of the device.")] = None
    model: Annotated[Text | None, Field(description="Model of the device.")] = None
    serial_number: Annotated[Text | None, Field(description="Serial number of the device.")] = None


def _join_zones(value: JsonValue) -> JsonValue:
    assert isinstance(value, list)
    return ",".join(str(zone) for zone in value)


def _split_zones(value: JsonValue) -> JsonValue:
    return [zone.strip() for zone in value.split(",")] if isinstance(value, str) else value


def _from_dealer_surface(wire: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """A live camera or bridge under the partner's names: ``zone_numbers`` is one array there."""
    zones = wire.get("zone_numbers")
    if not isinstance(zones, list) or not zones:
        return wire
    padded = [str(zone).zfill(3) for zone in zones]
    return {**wire, "zone_number": padded[0], "additional_zone_numbers": padded[1:]}


DEVICE = Kind(
    name="device",
    collection="devices",
    title="Device",
    spec=DeviceSpec,
    parent="site",
    immutable=frozenset({"device_type", "external_id"}),
    read_only=frozenset({"device_id", "created_at"}),
    unordered=frozenset({"additional_zone_numbers"}),
    codecs={"additional_zone_numbers": Codec(encode=_join_zones, decode=_split_zones)},
    partner=Binding(
        remote_id="device_id",
        external_id="external_device_id",
        scope="devices",
        fields={name: name for name in DeviceSpec.model_fields},
        lists=(Endpoint("GET", _LIST, "inferred"),),
        read=Endpoint("GET", _LIST + "/{device_id}", "inferred"),
        create=Endpoint("POST", _LIST, "documented", bulk=True),
        update=Endpoint("PATCH", _LIST, "inferred", bulk=True),
        delete=Endpoint("DELETE", _LIST, "inferred", bulk=True),
    ),
    dealer=Binding(
        remote_id="device_id",
        external_id=None,
        fields={
            "device_type": "device_type",
            "name": "name",
            "zone_number": "zone_number",
            "additional_zone_numbers": "additional_zone_numbers",
            "mac": "mac",
            "model": "model",
            "serial_number": "serial_number",
        },
        aliases={"device_id": ("bridge_id",), "mac": ("mac_address",)},
        lists=(
            Endpoint(
                "GET",
                "/ext/v1/sites/{site_id}/cameras",
                "observed",
                constants={"device_type": "camera"},
            ),
            Endpoint(
                "GET",
                "/ext/v1/sites/{site_id}/bridges",
                "documented",
                constants={"device_type": "bridge"},
            ),
        ),
        match_by=("name", "zone_number"),
        reshape=_from_dealer_surface,
    ),
    portal=("In the dealer portal, open Sites, {parent}, Devices, {id}.", "Set the fields listed."),
)
