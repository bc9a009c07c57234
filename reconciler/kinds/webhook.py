"""A partner webhook registration (chekt-api/README.md sections 4.9 and 7, system B).

Its identity is the ``url``; list, update and delete are inferred.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from reconciler.kinds.kind import Binding, Endpoint, Kind, Spec
from reconciler.kinds.values import TextSet, Url, secret_schema

_LIST = "/partner/v1/webhooks"
_ONE = _LIST + "/{webhook_id}"

SecretField = Annotated[Any, WithJsonSchema(secret_schema("this manifest"))]


class WebhookSpec(Spec):
    """A webhook endpoint registered for the partner."""

    url: Annotated[Url, Field(description="Endpoint that receives the events; identifies the registration.")]
    events: Annotated[TextSet, Field(description="Event names, such as site.armed.", min_length=1)]
    secret: Annotated[
        SecretField,
        Field(description="Signs the deliveries: {env: NAME}, {file: PATH} or {keyring: SERVICE/NAME}."),
    ]


WEBHOOK = Kind(
    name="webhook",
    collection="webhooks",
    title="Webhook",
    spec=WebhookSpec,
    identity="url",
    read_only=frozenset({"webhook_id", "created_at"}),
    unordered=frozenset({"events"}),
    secret=frozenset({"secret"}),
    partner=Binding(
        remote_id="webhook_id",
        external_id="url",
        fields={"url": "url", "events": "events", "secret": "secret"},
        lists=(Endpoint("GET", _LIST, "inferred"),),
        create=Endpoint("POST", _LIST, "documented"),
        update=Endpoint("PATCH", _ONE, "inferred"),
        delete=Endpoint("DELETE", _ONE, "inferred"),
    ),
    portal=(
        "In the portal, open Settings, Developer Settings, Webhooks, {id}.",
        "Set the fields listed.",
    ),
)
