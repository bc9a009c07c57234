"""What several parts of reconciler.yaml are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from reconciler.kinds.values import Url, secret_schema
from reconciler.manifests import secrets
from reconciler.model import SecretRef
from reconciler.urls import is_loopback


class SettingsModel(BaseModel):
    """A part of reconciler.yaml. Unknown settings are errors."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )


def secret(value: object) -> SecretRef:
    """The reference as written. Raises PydanticCustomError, never with the value in it."""
    if isinstance(value, SecretRef):
        return value
    try:
        return secrets.reference(value, "")
    except ValueError as exc:
        raise PydanticCustomError("secret", "{reason}", {"reason": str(exc)}) from None


def _hook_url(value: object) -> object:
    if isinstance(value, str) and value.startswith("http://") and not is_loopback(value):
        raise PydanticCustomError("hook_url", "plain http is refused except on this machine; write https://")
    return secret(value) if isinstance(value, Mapping) else value


Secret = Annotated[SecretRef, BeforeValidator(secret), WithJsonSchema(secret_schema("DIR"))]
HookUrl = Annotated[Url | Secret, BeforeValidator(_hook_url)]
"""Where something is posted: a URL, or a reference where the URL itself is a secret."""

Seconds = Annotated[float, Field(gt=0, le=3600)]
