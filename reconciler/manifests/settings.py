"""``reconciler.yaml``: what a project says beside its resources (DESIGN section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from reconciler.kinds.schedule import Duration, seconds
from reconciler.kinds.values import Identifier, Text, secret_schema
from reconciler.manifests.ledger_setting import DEFAULT_FILE, LedgerPlace, ledger_place
from reconciler.manifests.listen_settings import ListenSettings
from reconciler.manifests.setting_types import HookUrl, Seconds, Secret, SettingsModel, secret
from reconciler.model import Grade, SecretRef, Surface
from reconciler.urls import base_url, is_loopback

SETTINGS_FILE = "reconciler.yaml"
EMBEDDED = "embedded"
"""The default environment: a simulator in this process."""

ArmingModel = Literal["chekt_triggered", "partner_triggered"]


def _ledger(value: object) -> str | SecretRef:
    if not isinstance(value, str):
        return secret(value)
    try:
        ledger_place(value)
    except ValueError as exc:
        raise PydanticCustomError("ledger", "{reason}", {"reason": str(exc)}) from None
    return value


def _clearing(value: object) -> object:
    return "null" if value is None else value


BaseUrl = Annotated[str, AfterValidator(base_url)]
Count = Annotated[int, Field(ge=0)]
Percent = Annotated[float, Field(ge=0, le=100)]


class SafetySettings(SettingsModel):
    """How much one plan may change before it is refused. Caps are per kind."""

    max_delete_percent: Annotated[
        Percent,
        Field(description="Deletes and replaces as a share of the owned objects, from 5 owned objects up."),
    ] = 30
    max_delete_count: Annotated[Count, Field(description="Deletes and replaces of one kind.")] = 10
    max_update_percent: Annotated[
        Percent, Field(description="Updates as a share of the owned objects, from 5 owned objects up.")
    ] = 50


class OwnershipSettings(SettingsModel):
    """What counts as ours beside what the ledger records."""

    external_id_prefix: Annotated[
        Text | None,
        Field(description="Objects whose external id begins with this are ours, ledger or not."),
    ] = None


class RateSettings(SettingsModel):
    """Request limits in place of the documented ones."""

    per_minute: Annotated[int | None, Field(ge=1, description="Sustained requests a minute.")] = None
    burst: Annotated[int | None, Field(ge=1, description="Requests that may go out at once.")] = None


class TimeoutSettings(SettingsModel):
    """How long one request may take, in seconds."""

    connect: Annotated[Seconds, Field(description="Seconds to open a connection.")] = 10
    read: Annotated[Seconds, Field(description="Seconds to wait for an answer.")] = 30


class DealerSettings(SettingsModel):
    """What one dealer needs in this environment."""

    api_key: Annotated[Secret, Field(description="The dealer's API key, as a reference.")]


class AlertWebhook(SettingsModel):
    """A host that is sent every alert as JSON."""

    url: Annotated[
        HookUrl,
        Field(description="Where alerts are posted; as a reference where the URL itself is a secret."),
    ]
    secret: Annotated[
        Secret | None,
        Field(description="Signs every alert: X-Reconciler-Signature is sha256= and the body's HMAC in hex."),
    ] = None


class AlertSettings(SettingsModel):
    """Where alerts go: one of the two."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    webhook: Annotated[AlertWebhook | None, Field(description="A generic JSON webhook.")] = None
    apprise: Annotated[
        Secret | None,
        Field(description="An apprise URL, as a reference: mail, chat, SMS and some hundred services."),
    ] = None

    @model_validator(mode="after")
    def _one_of(self) -> AlertSettings:
        if (self.webhook is None) == (self.apprise is None):
            raise PydanticCustomError("alert", "write either webhook or apprise")
        return self


class EnvironmentSpec(SettingsModel):
    """One account on one host, as written under ``environments``."""

    base_url: Annotated[
        BaseUrl | None,
        Field(description="Root of the API. Without one: the simulator in this process (embedded only)."),
    ] = None
    surface: Annotated[Surface, Field(description="partner (/partner/v1) or dealer (/ext/v1).")] = "partner"
    accept: Annotated[
        Grade, Field(description="Weakest confidence in an endpoint that writes may rely on.")
    ] = "documented"
    sandbox: Annotated[
        bool | None,
        Field(description="Whether the host is our simulator. Left out: it is when on this machine."),
    ] = None
    seed: Annotated[
        Text | None,
        Field(description="JSON file of what people set up in the portal, for the embedded simulator."),
    ] = None
    rate: Annotated[RateSettings, Field(description="Request limits.")] = RateSettings()
    timeouts: Annotated[TimeoutSettings, Field(description="Time-outs of a request.")] = TimeoutSettings()
    dialect: Annotated[
        Literal["live", "page"],
        Field(description="Shape of dealer-surface answers: as clients see them, or as the pages say."),
    ] = "live"
    event_api_key: Annotated[
        Secret | None,
        Field(
            description="Key of the Event API, sent as X-API-KEY. Left out: the partner's token, as Bearer."
        ),
    ] = None
    report_zones_as: Annotated[
        Text | None,
        Field(
            description="Body field for the open zones of a reported arm_failure; the documents show none. "
            "Left out: they are recorded, and not sent."
        ),
    ] = None
    clear: Annotated[
        Literal["null", "empty"],
        BeforeValidator(_clearing),
        WithJsonSchema({"enum": ["null", "empty", None]}),
        Field(description="What is sent to clear a field: null or the empty text."),
    ] = "null"
    dealers: Annotated[
        dict[Identifier, DealerSettings], Field(description="By dealer id: what each dealer needs.")
    ] = {}
    variables: Annotated[
        dict[str, Any], Field(description="Template variables; they win over the project's.")
    ] = {}


class EnvironmentSettings(EnvironmentSpec):
    """The chosen environment, by ``name``, with ``CHEKT_BASE_URL`` applied."""

    name: str

    @property
    def is_sandbox(self) -> bool:
        """Whether writes go to our simulator: as written, else in process or on this machine."""
        if self.sandbox is not None:
            return self.sandbox
        return self.base_url is None or is_loopback(self.base_url)

    @property
    def is_embedded(self) -> bool:
        """Whether the simulator runs in this process."""
        return self.base_url is None


class Settings(SettingsModel):
    """Everything reconciler.yaml may say."""

    version: Annotated[Literal[1], Field(description="Version of this file's format.")] = 1
    arming_model: Annotated[
        ArmingModel,
        Field(
            description="Who owns arming state and schedules. One for the whole project: "
            "CHeKT forbids mixing."
        ),
    ] = "chekt_triggered"
    defaults: Annotated[
        dict[str, dict[str, Any]],
        Field(description="By kind: fields that a document of the kind has unless it writes them."),
    ] = {}
    safety: Annotated[SafetySettings, Field(description="Limits on what one plan may change.")] = (
        SafetySettings()
    )
    ownership: Annotated[OwnershipSettings, Field(description="Proof of ownership beside the ledger.")] = (
        OwnershipSettings()
    )
    variables: Annotated[dict[str, Any], Field(description="Template variables.")] = {}
    environments: Annotated[
        dict[Identifier, EnvironmentSpec | None],
        Field(description="The accounts this project can be applied to; embedded always exists."),
    ] = {}
    endpoints: Annotated[
        dict[str, dict[str, str]],
        Field(description='Corrected endpoints: kind, operation, "METHOD /path".'),
    ] = {}
    alerts: Annotated[
        list[AlertSettings],
        Field(
            description="Who is told when a site cannot be armed, an arming state is not reported in time, "
            "or the enforcer needs a person."
        ),
    ] = []
    listen: Annotated[
        ListenSettings | None,
        Field(description="The webhook receiver: where it listens and what it does with events."),
    ] = None
    ledger: Annotated[
        Text | SecretRef,
        BeforeValidator(_ledger),
        WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, secret_schema("DIR")]}),
        Field(
            description="Where the ledger is kept: an SQLite file, relative to DIR; "
            "git+branch://NAME[?remote=REMOTE&lease=10m], a branch of the repository DIR lies in; or "
            "postgresql://HOST/DATABASE[?schema=NAME], without a password.",
            examples=[DEFAULT_FILE, "git+branch://reconciler-ledger", "postgresql:///reconciler?schema=acme"],
        ),
    ] = DEFAULT_FILE
    plan_lifetime: Annotated[Duration, Field(description='How long a saved plan may be applied: "24h".')] = (
        "24h"
    )

    @property
    def ledger_place(self) -> LedgerPlace | SecretRef:
        """What ``ledger`` names, or where the URL of its database is kept."""
        return self.ledger if isinstance(self.ledger, SecretRef) else ledger_place(self.ledger)

    @property
    def ledger_text(self) -> str:
        """``ledger`` as it is written."""
        ref = self.ledger
        return f"{{{ref.store}: {ref.name}}}" if isinstance(ref, SecretRef) else ref

    @property
    def plan_life(self) -> timedelta:
        """``plan_lifetime`` as a length of time."""
        return timedelta(seconds=seconds(self.plan_lifetime))

    def environment(self, name: str) -> EnvironmentSpec | None:
        """The environment as written, the built-in one for ``embedded``, None where there is none."""
        if name == EMBEDDED:
            return self.environments.get(name) or EnvironmentSpec()
        return (self.environments[name] or EnvironmentSpec()) if name in self.environments else None


def environment_names(settings: Settings) -> list[str]:
    """The environments one may choose, sorted."""
    return sorted({*settings.environments, EMBEDDED})


def template_variables(
    settings: Settings, environment: EnvironmentSpec, given: Mapping[str, str]
) -> dict[str, Any]:
    """What templates see: the project's variables, the environment's over them, ``--var`` over both."""
    return {**settings.variables, **environment.variables, **given}
