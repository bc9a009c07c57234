"""The format of a plan in JSON (DESIGN section 6): the models that check it, and its JSON Schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from reconciler.model import Action, Grade, Surface

FORMAT_VERSION = 1

AddressText = Annotated[str, StringConstraints(pattern=r"^[^:]+:[^/]+(/[^/]+)*$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Place = Annotated[int, Field(ge=1)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SourceDocument(_Document):
    """Where a manifest declares the resource."""

    file: str
    line: Place
    column: Place


class EndpointDocument(_Document):
    """An API operation and the confidence in it."""

    method: str
    path: str
    grade: Grade


class FieldDocument(_Document):
    """One field that differs. Secrets are ``***`` on both sides."""

    path: str
    before: Any
    after: Any
    secret: bool
    ignored: Annotated[bool, Field(description="Shown because lifecycle.ignore names it; never applied.")]


class ChangeDocument(_Document):
    """What has to happen to one resource."""

    address: AddressText
    kind: str
    action: Annotated[Action, Field(strict=False)]
    fields: list[FieldDocument]
    precondition: Annotated[Digest | None, Field(description="Digest of the live object the plan saw.")]
    endpoint: Annotated[EndpointDocument | None, Field(description="The operation of lowest grade.")]
    endpoints: Annotated[list[EndpointDocument], Field(description="All operations, lowest grade first.")]
    reason: str
    source: SourceDocument | None
    steps: Annotated[list[str], Field(description="What a person does in the portal for a manual change.")]


class RequestsDocument(_Document):
    """Predicted requests, and seconds at the rate budget."""

    read: Count
    write: Count
    seconds: Annotated[float, Field(ge=0)]


class SummaryDocument(_Document):
    """How many changes of each action."""

    create: Count
    update: Count
    replace: Count
    delete: Count
    adopt: Count
    manual: Count


class ChangedSinceDocument(_Document):
    """The git revision the plan is limited by."""

    ref: str
    commit: Annotated[str, Field(description="Where ref and the checkout parted.")]
    addresses: Annotated[
        list[AddressText] | None,
        Field(description="What the manifests say otherwise since; null where the plan is of everything."),
    ]
    why: Annotated[str, Field(description="Why it is of everything.")]


class WeekDocument(_Document):
    """A week of arming that the plan changes, in words, for people."""

    title: str
    targets: str
    remark: str
    hours: Annotated[list[str], Field(description="The hours that differ, a sentence each.")]
    letters: Annotated[list[str], Field(description="Lines of a picture: - before, + after.")]


class PlanDocument(_Document):
    """A plan of the reconciler, as printed by ``plan --format json`` and saved by ``plan --out``."""

    format_version: Literal[1]
    environment: str
    surface: Surface
    created_at: Annotated[AwareDatetime, Field(strict=False)]
    expires_at: Annotated[AwareDatetime, Field(strict=False)]
    config_digest: str
    changes_digest: Annotated[
        Digest,
        Field(description="Of environment, surface and changes: the same plan made again has it again."),
    ]
    project: str
    targets: list[str]
    excludes: list[str]
    changed_since: ChangedSinceDocument | None
    changes: list[ChangeDocument]
    unmanaged: list[AddressText]
    warnings: list[str]
    weeks: Annotated[list[WeekDocument], Field(description="Left out where no week changes.")] = []
    requests: RequestsDocument
    summary: SummaryDocument
    digest: Annotated[Digest, Field(description="Of all the rest, so that an edit by hand is noticed.")]


def plan_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a plan, as published in ``schemas/plan.schema.json``."""
    schema = PlanDocument.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Reconciler plan"}
