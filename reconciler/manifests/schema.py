"""JSON Schema 2020-12 of manifests and of reconciler.yaml, for editors and for CI.

Made from REGISTRY and ``Settings``; the files in ``schemas/`` are this module's output.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from reconciler.kinds import REGISTRY, Kind
from reconciler.kinds.kind import LifecycleSpec
from reconciler.manifests.documents import CHILDREN
from reconciler.manifests.identity import identity_schema
from reconciler.manifests.settings import EnvironmentSpec, Settings
from reconciler.model import JsonObject

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NAME: dict[str, Any] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 200,
    "pattern": r"^[^\s/:*?\[\]]",
}


def manifest_schema() -> JsonObject:
    """The schema of one manifest document: the fields its ``kind`` allows."""
    definitions: dict[str, Any] = {"lifecycle": _model(LifecycleSpec, {})}
    for kind in REGISTRY.values():
        definitions[kind.name] = _document(kind, definitions, inline=False)
        if kind.parent is not None:
            definitions[f"inline_{kind.name}"] = _document(kind, definitions, inline=True)
    return {
        "$schema": DIALECT,
        "title": "Manifest of the CHeKT reconciler",
        "description": "One document of a manifest file: a resource, and the children written inside it.",
        "type": "object",
        "required": ["kind", "id"],
        "properties": {
            "kind": {"enum": list(REGISTRY), "description": "What the document describes."},
        },
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": name}}, "required": ["kind"]},
                "then": {"$ref": f"#/$defs/{name}"},
            }
            for name in REGISTRY
        ],
        "$defs": dict(sorted(definitions.items())),
    }


def settings_schema() -> JsonObject:
    """The schema of reconciler.yaml."""
    definitions: dict[str, Any] = {}
    body = _model(Settings, definitions)
    properties = body["properties"]
    properties["defaults"] = {
        "type": "object",
        "description": properties["defaults"]["description"],
        "additionalProperties": False,
        "properties": {kind.name: _defaults(kind, definitions) for kind in REGISTRY.values()},
    }
    properties["endpoints"] = {
        "type": "object",
        "description": properties["endpoints"]["description"],
        "additionalProperties": False,
        "properties": {name: _corrections() for name in REGISTRY},
        "examples": [{"site": {"update": "PUT /partner/v1/dealers/{dealer_id}/sites/{site_id}"}}],
    }
    definitions["EnvironmentSpec"]["description"] = str(EnvironmentSpec.__doc__)
    return {
        "$schema": DIALECT,
        "title": "Settings of a project of the CHeKT reconciler (reconciler.yaml)",
        **body,
        "$defs": dict(sorted(definitions.items())),
    }


def _document(kind: Kind, definitions: dict[str, Any], *, inline: bool) -> dict[str, Any]:
    """A kind as a document of its own, or as a child under its parent."""
    spec = _model(kind.spec, definitions)
    own = spec["properties"]
    for name in kind.required:
        own[name]["description"] += " Required, here or in the defaults of reconciler.yaml."
    properties: dict[str, Any] = {} if inline else {"kind": {"const": kind.name, "description": kind.title}}
    properties["id"] = {**_NAME, "description": "Your own stable name of it; unique under its parent."}
    if kind.parent is not None and not inline:
        properties[kind.parent] = _parent(kind.parent)
    properties |= own
    if kind.identity == "external_id":
        properties["external_id"] = {
            "type": "string",
            "minLength": 1,
            "maxLength": 200,
            "description": "Its external id in CHeKT; the id when left out.",
        }
    properties |= identity_schema(kind)
    for child in CHILDREN[kind.name]:
        properties[child.collection] = {
            "type": "array",
            "items": {"$ref": f"#/$defs/inline_{child.name}"},
            "description": f"Its {child.collection.replace('_', ' ')}; [] for none. "
            "One that is no longer listed is deleted.",
        }
    properties["lifecycle"] = _lifecycle(kind)
    return {
        "type": "object",
        "description": spec.get("description", kind.title),
        "additionalProperties": False,
        # A field the kind requires may come from the defaults of reconciler.yaml: it is not asked for here.
        "required": [*([] if inline else ["kind"]), "id"],
        "properties": properties,
    }


def _parent(name: str) -> dict[str, Any]:
    optional = " May be left out where there is only one." if REGISTRY[name].parent is None else ""
    steps = [name]
    while (above := REGISTRY[steps[0]].parent) is not None:
        steps.insert(0, above)
    path = "/".join(step.upper() for step in steps)
    form = "its id" if len(steps) == 1 else f"its id, or {path} where that names several"
    return {"type": "string", "minLength": 1, "description": f"The {name} it belongs to: {form}.{optional}"}


def _lifecycle(kind: Kind) -> dict[str, Any]:
    """The common lifecycle, with this kind's fields for ``ignore``."""
    return {
        "allOf": [
            {"$ref": "#/$defs/lifecycle"},
            {"properties": {"ignore": {"items": {"enum": list(kind.managed)}}}},
        ],
        "description": str(LifecycleSpec.__doc__),
    }


def _defaults(kind: Kind, definitions: dict[str, Any]) -> dict[str, Any]:
    own = _model(kind.spec, definitions)["properties"]
    lifecycle = {"$ref": "#/$defs/LifecycleSpec"}
    definitions.setdefault("LifecycleSpec", _model(LifecycleSpec, definitions))
    parent = {} if kind.parent is None else {kind.parent: _parent(kind.parent)}
    return {
        "type": "object",
        "description": f"Fields of every {kind.title.lower()} that does not write them.",
        "additionalProperties": False,
        "properties": {**parent, **own, "lifecycle": lifecycle},
    }


def _corrections() -> dict[str, Any]:
    return {
        "type": "object",
        "propertyNames": {"pattern": r"^(list|read|create|update|delete|[a-z_]+\.(read|update))$"},
        "additionalProperties": {"type": "string", "pattern": "^(GET|POST|PUT|PATCH|DELETE) /"},
    }


def _model(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a model without titles; the models inside it are added to ``definitions``."""
    schema = model.model_json_schema(ref_template="#/$defs/{model}")
    for name, inner in schema.pop("$defs", {}).items():
        definitions[name] = _tidy(inner)
    tidy: dict[str, Any] = _tidy(schema)
    return tidy


def _tidy(node: Any, *, names: bool = False) -> Any:
    """Without pydantic's titles, and without ``default: null``, which would mean "clear it" here.

    ``names``: the keys of ``node`` are names of fields, not words of JSON Schema.
    """
    if isinstance(node, Mapping):
        return {
            key: _tidy(value, names=not names and key == "properties")
            for key, value in node.items()
            if names or not (key == "title" or (key == "default" and value in (None, {}, [])))
        }
    if isinstance(node, list):
        return [_tidy(value) for value in node]
    return node.replace("``", "") if isinstance(node, str) else node
