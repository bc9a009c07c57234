"""Cameras, bridges, zones and audio devices on the dealer surface, read only (section 5.5)."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model import JsonObject
from reconciler.sandbox.call import Call
from reconciler.sandbox.media import camera_url, mac_of
from reconciler.sandbox.messages import Response, reply
from reconciler.sandbox.panel import SITE_PREFIX
from reconciler.sandbox.routing import Route
from reconciler.sandbox.store import Row
from reconciler.sandbox.timekeeping import iso
from reconciler.sandbox.zones import zone_numbers, zones_of

_SITE = "/ext/v1/sites/{site_id}"
_HEALTH = {"cpu_usage": 12.5, "memory_usage": 34.0, "temperature_celsius": 41.0, "battery_level": 100.0}
_CAPABILITIES = {"wifi": True, "ethernet": True, "cellular": False, "backup_battery": True}


def equipment_routes() -> Iterator[Route]:
    """What is installed at a site."""
    yield Route("GET", f"{_SITE}/cameras", cameras, "dealer")
    yield Route("GET", f"{_SITE}/bridges", bridges, "dealer")
    yield Route("GET", f"{_SITE}/zones", zones, "dealer")
    yield Route("GET", f"{_SITE}/audio-devices", audio_devices, "dealer")


def online(device: Row) -> bool:
    """Whether the device is reachable; the admin endpoints set ``is_online``."""
    return bool(device.body.get("is_online", 1))


def cameras(call: Call) -> Response:
    """A bare array in either shape: the pages show none."""
    site = call.own_site(SITE_PREFIX)
    found = _devices(call, site, "camera")
    return reply([_camera(call, row, channel) for channel, row in enumerate(found)])


def _camera(call: Call, row: Row, channel: int) -> JsonObject:
    mac = mac_of(row.body.get("mac"))
    link = camera_url(call.request.base_url, mac or f"02{row.id:010X}"[-12:], channel, call.now)
    camera: JsonObject = {
        "device_id": row.id,
        "name": row.body.get("name") or f"Camera {row.id}",
        "status": "online" if online(row) else "offline",
        "mjpeg_url": link,
        "zone_numbers": zone_numbers(row.body),
        "channel": channel,
    }
    return camera | ({"mac": mac} if mac is not None else {})


def bridges(call: Call) -> Response:
    """The envelope of the page in either shape: no client shows another."""
    site = call.own_site(SITE_PREFIX)
    found = [_bridge(call, row) for row in _devices(call, site, "bridge")]
    return reply({"data": {"bridges": found, "total_count": len(found)}})


def _bridge(call: Call, row: Row) -> JsonObject:
    mac = mac_of(row.body.get("mac"))
    pairs = ":".join(mac[at : at + 2] for at in range(0, 12, 2)) if mac is not None else ""
    page = call.switches.shape == "page"
    return {
        "bridge_id": f"bridge_{row.id}" if page else str(row.id),
        "serial_number": str(row.body.get("serial_number") or ""),
        "model": str(row.body.get("model") or ""),
        "firmware_version": "1.0.0",
        "status": "online" if online(row) else "offline",
        "connection_type": "ethernet",
        "ip_address": "192.0.2.10",
        "mac_address": pairs,
        "signal_strength": 100,
        "uptime_seconds": max(0, int(call.now - row.created_at)),
        "last_seen": iso(call.now),
        "capabilities": _CAPABILITIES,
        "health": _HEALTH,
    }


def zones(call: Call) -> Response:
    """Zone objects; ``zone_numbers`` is all that a client reads, name and status are ours."""
    site = call.own_site(SITE_PREFIX)
    return reply(
        [
            {"zone_numbers": [zone.number], "zone_name": zone.name, "status": zone.status}
            for zone in zones_of(call.store, site)
        ]
    )


def audio_devices(call: Call) -> Response:
    """Always none: the shape of one is unknown."""
    call.own_site(SITE_PREFIX)
    return reply([])


def _devices(call: Call, site: Row, device_type: str) -> list[Row]:
    rows = call.store.within("device", f"{site.scope}/{site.id}")
    return [row for row in rows if row.body.get("device_type") == device_type]
