"""A person to reach for a site (chekt-api/README.md sections 4.4 and 5.3)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reconciler.kinds.kind import Binding, Codec, Endpoint, Kind, Spec
from reconciler.kinds.values import Email, Flag, Phone, Text
from reconciler.model import JsonValue

_LIST = "/partner/v1/dealers/{dealer_id}/sites/{site_id}/contacts"
_ONE = _LIST + "/{contact_id}"
_DEALER_LIST = "/ext/v1/sites/{site_id}/contacts"
_DEALER_ONE = _DEALER_LIST + "/{contact_id}"

Short = Annotated[Text, Field(max_length=45)]


class ContactSpec(Spec):
    """A person to reach for a site."""

    first_name: Annotated[Short, Field(description="Given name.")]
    last_name: Annotated[Short, Field(description="Family name.")]
    phone_number: Annotated[
        Phone | None, Field(description="With country code; a mobile number, for SMS.")
    ] = None
    email: Annotated[Email | None, Field(description="Email address.")] = None
    title: Annotated[Short | None, Field(description="Role of the person. Dealer surface only.")] = None
    slot_number: Annotated[
        Short | None,
        Field(description="Slot in the monitoring centre's system. Dealer surface only."),
    ] = None
    sms_alarm_enabled: Annotated[
        Flag | None, Field(description="Send alarms by SMS. Dealer surface only.")
    ] = None
    email_alarm_enabled: Annotated[
        Flag | None, Field(description="Send alarms by email. Dealer surface only.")
    ] = None


def _encode_flag(value: JsonValue) -> JsonValue:
    return 1 if value else 0


_FLAG = Codec(encode=_encode_flag, decode=lambda value: value)

CONTACT = Kind(
    name="contact",
    collection="contacts",
    title="Contact",
    spec=ContactSpec,
    parent="site",
    immutable=frozenset({"external_id"}),
    read_only=frozenset({"contact_id", "created_at", "sms_validation", "last_validation"}),
    codecs={"sms_alarm_enabled": _FLAG, "email_alarm_enabled": _FLAG},
    partner=Binding(
        remote_id="contact_id",
        external_id="external_contact_id",
        scope="site_contacts",
        fields={
            "first_name": "first_name",
            "last_name": "last_name",
            "phone_number": "phone_number",
            "email": "email",
        },
        lists=(Endpoint("GET", _LIST, "named"),),
        read=Endpoint("GET", _ONE, "inferred"),
        create=Endpoint("POST", _LIST, "documented"),
        update=Endpoint("PATCH", _ONE, "inferred"),
        delete=Endpoint("DELETE", _ONE, "inferred"),
    ),
    dealer=Binding(
        remote_id="contact_id",
        external_id="external_contact_id",
        fields={
            "first_name": "first_name",
            "last_name": "last_name",
            "phone_number": "phone_number",
            "email": "email_address",
            "title": "title",
            "slot_number": "slot_number",
            "sms_alarm_enabled": "sms_alarm_enabled",
            "email_alarm_enabled": "email_alarm_enabled",
        },
        aliases={"email": ("email",), "phone_number": ("phone",)},
        lists=(Endpoint("GET", _DEALER_LIST, "observed"),),
        read=Endpoint("GET", _DEALER_ONE, "documented"),
        create=Endpoint("POST", _DEALER_LIST, "observed"),
        update=Endpoint("PUT", _DEALER_ONE, "observed"),
        delete=Endpoint("DELETE", _DEALER_ONE, "observed"),
        match_by=("first_name", "last_name"),
        full_update=True,
    ),
    portal=(
        "In the dealer portal, open Sites, {parent}, Contacts, {id}.",
        "Set the fields listed.",
    ),
)
