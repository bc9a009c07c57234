"""What an integration tells CHeKT that is no resource: one write each, and nothing to read it back by."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from reconciler.errors import UnsupportedError
from reconciler.kinds.kind import Endpoint
from reconciler.model import GRADES, Grade

OperationName = Literal["verification.answer", "arming_state.report", "event.send"]

OPERATIONS: Mapping[str, Endpoint] = MappingProxyType(
    {
        "verification.answer": Endpoint(
            "PATCH",
            "/partner/v1/dealers/{dealer_id}/sites/{site_id}/alarm-verifications/{verification_id}",
            "documented",
        ),
        "arming_state.report": Endpoint("POST", "/v1/sites/{site_id}/arming-state", "named"),
        "event.send": Endpoint("POST", "/partner/v1/events", "documented"),
    }
)
"""By subject and verb, as ``endpoints`` of reconciler.yaml names them (sections 4.7, 4.8, 4.10)."""

SUBJECTS = frozenset(name.partition(".")[0] for name in OPERATIONS)


def check_accepted(endpoint: Endpoint, accept: Grade, environment: str) -> None:
    """Raises UnsupportedError for an endpoint that less is known of than ``environment`` accepts."""
    if GRADES.index(endpoint.grade) > GRADES.index(accept):
        raise UnsupportedError(
            f"{endpoint} is {endpoint.grade} only, {environment} accepts {accept} or better",
            hint=f"Set environments.{environment}.accept: {endpoint.grade} to allow it, or "
            "correct the endpoint under `endpoints`.",
        )
