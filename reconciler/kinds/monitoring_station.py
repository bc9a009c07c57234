"""A monitoring station: the centre that receives a site's alarms (chekt-api/README.md section 4.5)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reconciler.kinds.kind import Binding, Endpoint, Kind, Spec
from reconciler.kinds.values import Text

_LIST = "/partner/v1/dealers/{dealer_id}/monitoring-stations"
_ONE = _LIST + "/{monitoring_station_id}"


class MonitoringStationSpec(Spec):
    """A monitoring station of a dealer."""

    name: Annotated[Text, Field(description="Name of the station.")]
    prefix: Annotated[Text | None, Field(description="Put before the account numbers of its sites.")] = None
    linecard: Annotated[Text | None, Field(description="Line card of the station's receiver.")] = None


MONITORING_STATION = Kind(
    name="monitoring_station",
    collection="monitoring_stations",
    title="Monitoring station",
    spec=MonitoringStationSpec,
    parent="dealer",
    read_only=frozenset({"monitoring_station_id", "created_at"}),
    partner=Binding(
        remote_id="monitoring_station_id",
        external_id="external_monitoring_station_id",
        scope="monitoring_stations",
        fields={"name": "name", "prefix": "prefix", "linecard": "linecard"},
        lists=(Endpoint("GET", _LIST, "named"),),
        read=Endpoint("GET", _ONE, "inferred"),
        create=Endpoint("POST", _LIST, "documented"),
        update=Endpoint("PATCH", _ONE, "inferred"),
        delete=Endpoint("DELETE", _ONE, "inferred"),
    ),
    portal=(
        "In the dealer portal of {parent}, open Settings, Monitoring Stations.",
        "Add or change the station {id} with the fields listed.",
    ),
)
