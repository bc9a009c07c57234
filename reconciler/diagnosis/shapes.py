"""In which of the documented shapes a host answers (chekt-api/README.md sections 3.2 to 3.7, 5.2 to 5.4)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from reconciler.chekt import wire
from reconciler.diagnosis.walk import Raw
from reconciler.model import JsonValue

Shape = Literal["live", "page"]
"""Of ``/ext/v1``: as clients see it, or as the documentation pages show it; what ``dialect`` may say."""

_SPACED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")
_TIMES = ("created_at", "updated_at", "arming_updated_at", "last_updated", "armed_at")
_LIVE_FIELDS = {"site_name", "is_partition_enabled", "dealer_name", "email_address", "external_contact_id"}
_PAGE_FIELDS = {"status", "updated_at", "phone", "notification_preferences", "role"}
RATE_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


def envelope(body: JsonValue) -> str:
    """Where the list of ``body`` stands, in words; empty where it holds none."""
    if wire.is_array(body):
        return "a bare array"
    if not wire.is_object(body):
        return ""
    for name, inner in body.items():
        if wire.is_array(inner):
            return f"an object with {name}"
        if wire.is_object(inner):
            below = next((key for key, value in inner.items() if wire.is_array(value)), None)
            if below is not None:
                return f"an object with {name}.{below}"
    return ""


def dealer_shape(body: JsonValue, objects: Sequence[Raw]) -> Shape | None:
    """The shape of a list of ``/ext/v1``, by its fields, else by its envelope; None where neither tells."""
    fields = {name for each in objects for name in each}
    live, page = len(fields & _LIVE_FIELDS), len(fields & _PAGE_FIELDS)
    if live != page:
        return "live" if live > page else "page"
    if wire.is_array(body):
        return "live"
    return "page" if wire.is_object(body) and wire.is_object(body.get("data")) else None


def ids(values: Iterable[JsonValue]) -> str:
    """The type of ids, in words; empty without any."""
    kinds = {_id(value) for value in values}
    return " and ".join(sorted(kinds))


def _id(value: JsonValue) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return "numbers"
    text = str(value)
    if text.isdigit():
        return "numbers as text"
    prefix = text.rpartition("_")[0]
    return f"text such as {prefix}_..." if prefix else "text"


def times(objects: Iterable[Raw]) -> str:
    """The spelling of times, in words; empty without any."""
    found = {_time(each[name]) for each in objects for name in _TIMES if each.get(name)}
    return " and ".join(sorted(found))


def _time(value: JsonValue) -> str:
    if isinstance(value, str) and _ISO.fullmatch(value):
        return "ISO 8601 with a zone"
    if isinstance(value, str) and _SPACED.fullmatch(value):
        return "date and time without a zone"
    return "Unix seconds" if isinstance(value, (int, float)) else "an unknown spelling"


def error(body: JsonValue) -> str:
    """The shape of an error, in words."""
    if not wire.is_object(body):
        return "no JSON object"
    inner = body.get("error")
    if wire.is_object(inner):
        return "error with code and message" if "code" in inner else "error with message and detail"
    if isinstance(inner, str):
        return "error, message and details beside each other"
    return "message alone" if "message" in body else "an unknown shape"


def contact_fields(objects: Iterable[Raw]) -> Shape | None:
    """Whether contacts have ``email_address`` and ``phone_number``, or ``email`` and ``phone``."""
    names = {name for each in objects for name in each}
    if names & {"email_address", "phone_number", "external_contact_id"}:
        return "live"
    return "page" if names & {"email", "phone", "type", "role"} else None


def arming(words: Iterable[str]) -> str:
    """How armed states are spelled, in words; empty where none of ``words`` is of an armed one."""
    armed = [word for word in words if word.startswith("armed")]
    if not armed:
        return ""
    return "with their mode (armed_away)" if any("_" in word for word in armed) else "simple (armed)"


def digest(body: JsonValue) -> str:
    """A digest of the shape of ``body``: its fields and their types, whatever the values and how many."""
    text = json.dumps(_outline(body), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _outline(value: JsonValue) -> JsonValue:
    if wire.is_object(value):
        return {name: _outline(inner) for name, inner in value.items()}
    if wire.is_array(value):
        return [_merged([_outline(each) for each in value])] if value else []
    return "null" if value is None else type(value).__name__


def _merged(outlines: Sequence[JsonValue]) -> JsonValue:
    """One outline for several: every field any of them has; null and an empty list say nothing."""
    telling = [each for each in outlines if each not in ("null", [])]
    if telling and all(isinstance(each, Mapping) for each in telling):
        fields: dict[str, JsonValue] = {}
        for each in telling:
            assert isinstance(each, Mapping)
            for name, inner in each.items():
                fields[name] = _merged([fields[name], inner]) if name in fields else inner
        return fields
    different = {json.dumps(each, sort_keys=True): each for each in telling or outlines}
    return next(iter(different.values())) if len(different) == 1 else sorted(different)
