"""Every kind keeps the promises that the rooms above rely on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import reconciler.kinds
from reconciler.kinds import REGISTRY, Binding, Endpoint, Kind
from reconciler.model import GRADES

KINDS = pytest.mark.parametrize("kind", REGISTRY.values(), ids=lambda kind: kind.name)


def bindings(kind: Kind) -> list[Binding]:
    return [b for b in (kind.partner, kind.dealer, kind.simulated) if b is not None]


def endpoints(binding: Binding) -> list[Endpoint]:
    single = [binding.read, binding.create, binding.update, binding.delete]
    parts = [e for part in binding.parts for e in (part.read, part.update)]
    return [*binding.lists, *(e for e in single if e is not None), *parts]


def ancestors(kind: Kind) -> list[Kind]:
    return [] if kind.parent is None else [*ancestors(REGISTRY[kind.parent]), REGISTRY[kind.parent]]


def test_one_file_a_kind() -> None:
    files = {path.stem for path in Path(reconciler.kinds.__file__).parent.glob("*.py")}
    assert set(REGISTRY) == files - {"__init__", "kind", "operations", "surfaces", "values"}


@KINDS
def test_stands_after_its_parent_and_what_it_refers_to(kind: Kind) -> None:
    order = list(REGISTRY)
    needed = [*([kind.parent] if kind.parent else []), *(ref.kind for ref in kind.references)]
    assert all(order.index(name) < order.index(kind.name) for name in needed)


@KINDS
def test_fields_named_in_the_data_exist_in_the_spec(kind: Kind) -> None:
    fields = set(kind.spec.model_fields)
    named = (
        kind.secret | kind.local | kind.codecs.keys() | {ref.path.split(".")[0] for ref in kind.references}
    )
    named |= {path.split(".")[0] for path in kind.unordered} | (kind.immutable - {"external_id"})
    assert named <= fields
    for binding in bindings(kind):
        assert binding.fields.keys() <= fields
        assert binding.aliases.keys() <= binding.fields.keys() | {binding.remote_id}
        assert all(part.fields <= binding.fields.keys() for part in binding.parts)


@KINDS
def test_every_field_tells_an_editor_what_it_is(kind: Kind) -> None:
    assert all(info.description for info in kind.spec.model_fields.values())
    assert kind.spec.__doc__


@KINDS
def test_every_surface_can_find_an_object_again(kind: Kind) -> None:
    for binding in bindings(kind):
        assert binding.external_id or binding.match_by
        assert binding.lists or binding.read


@KINDS
def test_endpoint_paths_name_only_ids_the_client_has(kind: Kind) -> None:
    for binding in bindings(kind):
        known = {binding.remote_id} | {f"{parent.name}_id" for parent in ancestors(kind)}
        for endpoint in endpoints(binding):
            assert set(re.findall(r"{(\w+)}", endpoint.path)) <= known
            assert endpoint.grade in GRADES
        for collection in [*binding.lists, *([binding.create] if binding.create else [])]:
            assert f"{{{binding.remote_id}}}" not in collection.path


@KINDS
def test_only_the_simulator_serves_what_is_provisional(kind: Kind) -> None:
    for binding in bindings(kind):
        for endpoint in endpoints(binding):
            assert (endpoint.grade == "provisional") == endpoint.path.startswith("/sim/v0/")
            assert (binding is kind.simulated) == endpoint.path.startswith("/sim/v0/")


@KINDS
def test_what_no_endpoint_can_change_names_the_steps_for_a_person(kind: Kind) -> None:
    assert kind.portal
    assert all("{" not in step for step in kind.portal_steps("front-door", "hq"))
