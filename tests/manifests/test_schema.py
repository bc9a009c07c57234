"""The JSON Schemas: generated, up to date, and of one mind with the validator."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator

from reconciler.kinds import REGISTRY
from reconciler.manifests.core_yaml import read
from reconciler.manifests.nodes import Node, Page, Series, Table
from reconciler.manifests.schema import manifest_schema, settings_schema
from tests.manifests.strategies import Drawn, projects
from tests.manifests.test_load import DESIGN_EXAMPLE
from tests.manifests.test_settings import SETTINGS

SCHEMAS = Path(__file__).parents[2] / "schemas"
EXAMPLES = sorted(
    path
    for path in (Path(__file__).parents[2] / "examples").rglob("*.yaml")
    if "kubernetes" not in path.parts  # those are not ours to lay out
)

MANIFEST = Draft202012Validator(manifest_schema())
PROJECT = Draft202012Validator(settings_schema())


def documents(text: str) -> list[Any]:
    """The documents as JSON has them: names of partitions are texts there."""
    reading = read(Page.of("m.yaml", text))
    assert not reading.problems
    return [_json(document.root) for document in reading.documents]


def _json(node: Node) -> Any:
    if isinstance(node, Table):
        return {str(key): _json(value) for key, value in node.items()}
    return [_json(value) for value in node] if isinstance(node, Series) else node


@pytest.mark.parametrize(
    ("name", "schema"), [("manifest", manifest_schema()), ("reconciler", settings_schema())]
)
def test_the_files_are_what_the_generator_makes(name: str, schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    written = (SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8")
    assert json.loads(written) == schema, "regenerate with: reconciler schema --write schemas"


def test_the_example_of_the_design_is_valid() -> None:
    for document in documents(DESIGN_EXAMPLE):
        assert not list(MANIFEST.iter_errors(document))


def test_the_settings_of_the_tests_are_valid() -> None:
    (document,) = documents(SETTINGS)
    assert not list(PROJECT.iter_errors(document))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: "/".join(path.parts[-2:]))
def test_the_examples_are_valid(path: Path) -> None:
    schema = PROJECT if path.name == "reconciler.yaml" else MANIFEST
    for document in documents(path.read_text(encoding="utf-8")):
        assert not list(schema.iter_errors(document))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=projects())
def test_what_the_validator_accepts_the_schema_accepts(drawn: Drawn) -> None:
    for text in drawn.files(random.Random(5)).values():
        for document in documents(text):
            assert not [error.message for error in MANIFEST.iter_errors(document)]


@pytest.mark.parametrize(
    "text",
    [
        "kind: sit\nid: a\n",
        "id: a\n",
        "kind: site\nid: a\nadress1: x\n",
        "kind: site\nid: 7\n",
        "kind: site\nid: a\ndevices: null\n",
        "kind: site\nid: a\ndevices: [{kind: device, id: b}]\n",
        "kind: site\nid: a\ndevices: [{id: b, zone_number: 1}]\n",
        "kind: site\nid: a\nlifecycle: {ignore: [adress1]}\n",
        "kind: webhook\nid: a\nsecret: plain\n",
        "kind: schedule\nid: a\nwindows: [{days: [mon], arm: 8:00, disarm: '09:00'}]\n",
        "kind: dealer\nid: a\nexternal_id: x\n",
    ],
)
def test_what_is_wrong_the_schema_refuses(text: str) -> None:
    assert not MANIFEST.is_valid(documents(text)[0])


def test_every_field_of_every_kind_is_described() -> None:
    definitions: Any = manifest_schema()["$defs"]
    for kind in REGISTRY.values():
        properties = definitions[kind.name]["properties"]
        assert set(kind.spec.model_fields) <= set(properties)
        for name, field in properties.items():
            assert field.get("description"), f"{kind.name}.{name}"


def test_yaml_of_the_schema_tools_reads_the_same_files() -> None:
    assert len(list(yaml.safe_load_all(DESIGN_EXAMPLE))) == len(documents(DESIGN_EXAMPLE))
