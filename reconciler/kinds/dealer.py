"""A dealer account: adopted by its CHeKT id, never created and never disconnected.

Connecting a dealer takes a dealer admin in a browser (chekt-api/README.md section 4.1).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reconciler.kinds.kind import Binding, Endpoint, Kind, Spec
from reconciler.kinds.values import Email, Text

_PATH = "/partner/v1/dealers/{dealer_id}"


class DealerSpec(Spec):
    """A dealer account that is already connected to the partner."""

    dealer_id: Annotated[int, Field(ge=1, description="CHeKT's id of the dealer, as the portal shows it.")]
    external_dealer_id: Annotated[
        Text | None, Field(description="The partner's own id, set when the dealer was connected.")
    ] = None
    company_name: Annotated[Text | None, Field(description="CHeKT may answer with its registered name.")] = (
        None
    )
    company_address1: Annotated[Text | None, Field(description="Street and number.")] = None
    company_address2: Annotated[Text | None, Field(description="Suite, floor.")] = None
    company_email: Annotated[Email | None, Field(description="Contact address of the company.")] = None
    company_phone_number: Annotated[Text | None, Field(description="Contact number of the company.")] = None


DEALER = Kind(
    name="dealer",
    collection="dealers",
    title="Dealer",
    spec=DealerSpec,
    identity="dealer_id",
    adopted=True,
    remote_id_field="dealer_id",
    external_id_field="external_dealer_id",
    read_only=frozenset({"dealer_id", "external_dealer_id", "created_at"}),
    local=frozenset({"external_dealer_id"}),
    partner=Binding(
        remote_id="dealer_id",
        external_id="external_dealer_id",
        scope="dealer",
        fields={
            "company_name": "company_name",
            "company_address1": "company_address1",
            "company_address2": "company_address2",
            "company_email": "company_email",
            "company_phone_number": "company_phone_number",
        },
        read=Endpoint("GET", _PATH, "inferred"),
        update=Endpoint("PATCH", _PATH, "inferred"),
    ),
    portal=(
        "In the dealer portal of {id}, open Settings, Company Profile.",
        "Set the fields listed.",
    ),
)
