"""Ids for objects that have none yet in the manifests: readable, stable, unique among siblings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from reconciler.kinds import Kind
from reconciler.kinds.values import identifier
from reconciler.model import LiveObject

_LONGEST = 60
_SPOKEN = (
    ("name",),
    ("company_name",),
    ("first_name", "last_name"),
    ("url",),
    ("device_type", "zone_number"),
)
"""Fields an object is called by, the first that are set."""


def names(kind: Kind, siblings: Sequence[LiveObject]) -> dict[str, str]:
    """An id by remote id for all objects of one collection.

    The external id where it can be an id, else a slug of it or of the object's name; a second one of
    the same name has CHeKT's id behind it. The same objects get the same ids, whatever their order.
    """
    ordered = sorted(siblings, key=lambda live: (not _is_id(kind, live), len(live.remote_id), live.remote_id))
    taken: set[str] = set()
    found: dict[str, str] = {}
    for live in ordered:
        name = _name(kind, live)
        while name.casefold() in taken:
            name = f"{name}-{slug(live.remote_id)}"
        taken.add(name.casefold())
        found[live.remote_id] = name
    return found


def slug(text: str) -> str:
    """``text`` in lower case with dashes, letters and digits of any script; "" where nothing is left."""
    plain = unicodedata.normalize("NFC", text).lower()
    return re.sub(r"[\W_]+", "-", plain)[:_LONGEST].strip("-")


def _name(kind: Kind, live: LiveObject) -> str:
    if _is_id(kind, live):
        return str(live.external_id)
    spoken = [] if kind.identity in kind.spec.model_fields else [live.external_id or ""]
    for fields in _SPOKEN:
        values = [str(live.fields.get(name) or "") for name in fields]
        spoken.append(" ".join(values) if all(values) else "")
    slugs = (slug(re.sub(r"^https?://", "", text)) for text in spoken)
    return (
        next((name for name in slugs if name), "") or f"{kind.name.replace('_', '-')}-{slug(live.remote_id)}"
    )


def _is_id(kind: Kind, live: LiveObject) -> bool:
    """True when the external id can stand as the id. A url or an account's number is no name."""
    if live.external_id is None or kind.identity == "url" or not live.external_id.isprintable():
        return False
    try:
        return identifier(live.external_id) == live.external_id
    except ValueError:
        return False


def shared_external_ids(siblings: Sequence[LiveObject]) -> Mapping[str, Sequence[str]]:
    """Remote ids by external id, for those that several objects of one collection have."""
    by_id: dict[str, list[str]] = {}
    for live in siblings:
        if live.external_id is not None:
            by_id.setdefault(live.external_id, []).append(live.remote_id)
    return {external_id: ids for external_id, ids in by_id.items() if len(ids) > 1}
