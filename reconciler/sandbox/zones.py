"""Zones of a site: those of its devices, and what the admin endpoints say of them."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import JsonObject, JsonValue
from reconciler.sandbox.store import Row, Store


class Zone(NamedTuple):
    """One zone. ``status`` is open or closed; ``partition_id`` 0 belongs to every partition.

    ``entry``: a door through which people come in; it gives them the entry delay.
    """

    number: str
    name: str
    status: str
    bypassed: bool
    partition_id: int
    entry: bool = False


def zones_of(store: Store, site: Row) -> list[Zone]:
    """The zones by number. ``site.body["zones"]`` overrides what follows from the devices."""
    names: dict[str, str] = {}
    for device in store.within("device", f"{site.scope}/{site.id}"):
        for number in zone_numbers(device.body):
            names.setdefault(number, str(device.body.get("name") or f"Zone {number}"))
    said = site.body.get("zones")
    overrides: dict[str, JsonValue] = dict(said) if isinstance(said, dict) else {}
    return [
        _zone(number, names.get(number, f"Zone {number}"), overrides.get(number))
        for number in sorted({*names, *overrides})
    ]


def _zone(number: str, name: str, said: JsonValue) -> Zone:
    override = said if isinstance(said, dict) else {}
    partition_id = override.get("partition_id", 0)
    return Zone(
        number,
        str(override.get("name", name)),
        str(override.get("status", "closed")),
        bool(override.get("bypassed", False)),
        partition_id if isinstance(partition_id, int) else 0,
        bool(override.get("entry", False)),
    )


def zone_numbers(body: JsonObject) -> list[str]:
    """The zones of a device, its own first."""
    numbers = [str(body["zone_number"])] if body.get("zone_number") else []
    further = body.get("additional_zone_numbers")
    if isinstance(further, str):
        numbers += [number.strip() for number in further.split(",") if number.strip()]
    return numbers
