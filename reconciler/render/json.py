"""A plan as canonical JSON, and back: the same plan always gives the same bytes."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice

from pydantic import ValidationError

from reconciler.errors import ConfigError, Problem, StalePlanError
from reconciler.escape import value_text
from reconciler.model import (
    Action,
    Address,
    Change,
    ChangedSince,
    EndpointUse,
    FieldChange,
    JsonObject,
    JsonValue,
    Plan,
    RequestEstimate,
    Source,
    ToldWeek,
)
from reconciler.planning.digest import changes_digest, digest, shown_sides
from reconciler.render.schema import (
    FORMAT_VERSION,
    ChangeDocument,
    ChangedSinceDocument,
    PlanDocument,
    WeekDocument,
)
from reconciler.times import utc_text

_MAX_DEPTH = 80
"""A manifest's values are nested 64 deep at most; a plan adds a few levels around them."""

_MAX_PROBLEMS = 20
"""Of a damaged plan; nobody mends one by hand."""

_AGAIN = "Make the plan again: reconciler plan --out FILE."


def to_json(plan: Plan) -> str:
    """``plan`` in the format of DESIGN section 6, indented, keys sorted, ASCII, ending with a newline."""
    content = _content(plan)
    content["digest"] = digest(content)
    return json.dumps(content, sort_keys=True, indent=2, allow_nan=False) + "\n"


def from_json(text: str) -> Plan:
    """The plan that ``to_json`` wrote.

    Raises ConfigError for text that is no plan of this version (truncated, foreign, newer), and
    StalePlanError for a plan whose content was changed after it was written.
    """
    content = _parsed(text)
    version = content.get("format_version")
    if type(version) is not int or "changes" not in content:
        raise ConfigError("this is not a plan of the reconciler", hint=_AGAIN)
    if version != FORMAT_VERSION:
        raise ConfigError(
            f"this plan has format version {version}; this reconciler reads version {FORMAT_VERSION}",
            hint="Apply it with the version that made it, or make the plan again with this one.",
        )
    document = _validated(content)
    written = content.pop("digest")
    if written != digest(content):
        raise StalePlanError("the plan was changed after it was written", hint=_AGAIN)
    try:
        plan = _plan(document)
    except OverflowError as exc:
        raise ConfigError("the plan has a time that no clock shows", hint=_AGAIN) from exc
    if len({change.address for change in plan.changes}) < len(plan.changes) or _content(plan) != content:
        raise StalePlanError(
            "the plan contradicts itself, so it was changed after it was written", hint=_AGAIN
        )
    return plan


def _parsed(text: str) -> JsonObject:
    try:
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"the plan is not JSON or was cut off: {exc}", hint=_AGAIN) from exc
    if not isinstance(content, dict):
        raise ConfigError("this is not a plan of the reconciler", hint=_AGAIN)
    if _depth(content) > _MAX_DEPTH:
        raise ConfigError(f"the plan is nested deeper than {_MAX_DEPTH} levels", hint=_AGAIN)
    return content


def _once(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    """An object; readers differ on which of two equal keys counts, so there may be no such two."""
    content = dict(pairs)
    if len(content) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {value_text(twice)} is written twice")
    return content


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _no_number(digits)


def _depth(content: JsonValue) -> int:
    """How many objects and arrays stand inside each other."""
    depth, level = 0, [content]
    while level:
        depth += 1
        inside: list[JsonValue] = []
        for value in level:
            if isinstance(value, dict):
                inside.extend(value.values())
            elif isinstance(value, list):
                inside.extend(value)
        level = [value for value in inside if isinstance(value, (dict, list))]
    return depth


def _validated(content: JsonObject) -> PlanDocument:
    try:
        return PlanDocument.model_validate(content)
    except ValidationError as exc:
        problems = [
            Problem(f"{'.'.join(map(str, each['loc'])) or 'plan'}: {each['msg']}")
            for each in islice(exc.errors(include_url=False, include_context=False), _MAX_PROBLEMS)
        ]
        raise ConfigError(
            f"the plan is damaged, at {problems[0].message}", hint=_AGAIN, problems=problems
        ) from exc


def _plan(document: PlanDocument) -> Plan:
    return Plan(
        environment=document.environment,
        surface=document.surface,
        created_at=_utc(document.created_at),
        expires_at=_utc(document.expires_at),
        config_digest=document.config_digest,
        changes=tuple(_change(each) for each in document.changes),
        unmanaged=tuple(Address.parse(each) for each in document.unmanaged),
        warnings=tuple(document.warnings),
        requests=RequestEstimate(document.requests.read, document.requests.write, document.requests.seconds),
        project=document.project,
        targets=tuple(document.targets),
        excludes=tuple(document.excludes),
        changed_since=_changed_since(document.changed_since),
        weeks=tuple(map(_week, document.weeks)),
    )


def _content(plan: Plan) -> JsonObject:
    weeks: JsonObject = {"weeks": [_week_content(week) for week in plan.weeks]} if plan.weeks else {}
    return {
        **weeks,
        "format_version": FORMAT_VERSION,
        "environment": plan.environment,
        "surface": plan.surface,
        "created_at": _instant(plan.created_at),
        "expires_at": _instant(plan.expires_at),
        "config_digest": plan.config_digest,
        "changes_digest": changes_digest(plan),
        "project": plan.project,
        "targets": list(plan.targets),
        "excludes": list(plan.excludes),
        "changed_since": _changed_since_content(plan.changed_since),
        "changes": [_change_content(change) for change in plan.changes],
        "unmanaged": [str(address) for address in plan.unmanaged],
        "warnings": list(plan.warnings),
        "requests": {
            "read": plan.requests.read,
            "write": plan.requests.write,
            "seconds": float(plan.requests.seconds),
        },
        "summary": {action.value: plan.count(action) for action in Action},
    }


def _week_content(week: ToldWeek) -> JsonObject:
    return {
        "title": week.title,
        "targets": week.targets,
        "remark": week.remark,
        "hours": list(week.hours),
        "letters": list(week.letters),
    }


def _week(document: WeekDocument) -> ToldWeek:
    hours, letters = tuple(document.hours), tuple(document.letters)
    return ToldWeek(document.title, document.targets, document.remark, hours, letters)


def _changed_since_content(since: ChangedSince | None) -> JsonObject | None:
    if since is None:
        return None
    told = since.addresses
    return {
        "ref": since.ref,
        "commit": since.commit,
        "addresses": None if told is None else [str(address) for address in told],
        "why": since.why,
    }


def _changed_since(document: ChangedSinceDocument | None) -> ChangedSince | None:
    if document is None:
        return None
    told = document.addresses
    addresses = None if told is None else tuple(map(Address.parse, told))
    return ChangedSince(document.ref, document.commit, addresses, document.why)


def _change_content(change: Change) -> JsonObject:
    endpoints = _endpoints(change.endpoints)
    return {
        "address": str(change.address),
        "kind": change.kind,
        "action": change.action.value,
        "fields": [_field_content(field) for field in change.fields],
        "precondition": change.precondition,
        "endpoint": endpoints[0] if endpoints else None,
        "endpoints": endpoints,
        "reason": change.reason,
        "source": change.source.to_json() if change.source is not None else None,
        "steps": list(change.steps),
    }


def _field_content(field: FieldChange) -> JsonObject:
    before, after = shown_sides(field)
    return {
        "path": field.path,
        "before": before,
        "after": after,
        "secret": field.secret,
        "ignored": field.ignored,
    }


def _endpoints(uses: Sequence[EndpointUse]) -> list[JsonValue]:
    return [{"method": use.method, "path": use.path, "grade": use.grade} for use in uses]


def _change(document: ChangeDocument) -> Change:
    source = document.source
    return Change(
        Address.parse(document.address),
        document.action,
        tuple(
            FieldChange(each.path, each.before, each.after, secret=each.secret, ignored=each.ignored)
            for each in document.fields
        ),
        precondition=document.precondition,
        endpoints=tuple(EndpointUse(each.method, each.path, each.grade) for each in document.endpoints),
        reason=document.reason,
        source=Source(source.file, source.line, source.column) if source is not None else None,
        steps=tuple(document.steps),
    )


def _instant(moment: datetime) -> str:
    return utc_text(moment, "auto")


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
