"""What holds for every project: order and spelling do not matter, and nothing ends in a traceback."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import Problem, ReconcilerError
from reconciler.kinds import REGISTRY
from reconciler.manifests import Project, load
from reconciler.manifests.core_yaml import read
from reconciler.manifests.nodes import Page, Series, Table
from reconciler.model import Address
from tests.manifests.strategies import Drawn, flow, projects, write


@pytest.fixture(name="folder", scope="module")
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _loaded(folder: Path, files: dict[str, str]) -> Project:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        return load(write(Path(name), files), env={})


def _problems(directory: Path) -> Sequence[Problem]:
    """What is wrong in ``directory``; any exception but our own passes."""
    try:
        load(directory, env={}, allow_empty=True)
    except ReconcilerError as error:
        return error.problems or [Problem(error.message)]
    return ()


def _facts(project: Project) -> list[object]:
    """The resources without their places."""
    return [
        (
            resource.address,
            dict(resource.fields),
            resource.external_id,
            resource.remote_id,
            resource.parent,
            resource.lifecycle,
            resource.declares,
            resource.references,
        )
        for resource in project.resources
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=projects(), seed=st.integers())
def test_order_split_and_spelling_do_not_matter(folder: Path, drawn: Drawn, seed: int) -> None:
    one = _loaded(folder, drawn.files(random.Random(0)))
    two = _loaded(folder, drawn.files(random.Random(seed)))
    assert _facts(one) == _facts(two)
    assert one.digest == two.digest


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=projects())
def test_every_resource_stands_after_what_it_needs(folder: Path, drawn: Drawn) -> None:
    project = _loaded(folder, drawn.files(random.Random(1)))
    seen: set[Address] = set()
    for resource in project.resources:
        kind = REGISTRY[resource.address.kind]
        assert resource.parent is None or resource.parent in seen
        assert seen.issuperset(resource.references)
        assert kind.remote_id_field not in resource.fields
        assert set(resource.fields) <= set(kind.managed) | {"arming"}
        seen.add(resource.address)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=projects())
def test_every_written_field_has_its_place(folder: Path, drawn: Drawn) -> None:
    files = drawn.files(random.Random(2))
    for resource in _loaded(folder, files).resources:
        lines = files[resource.source.file].split("\n")
        for name in resource.fields:
            place = resource.positions[name]
            assert place.file == resource.source.file
            before, after = (
                lines[place.line - 1][: place.column - 1],
                lines[place.line - 1][place.column - 1 :],
            )
            in_block = lines[place.line - 2].startswith(f"{name}:") and after.startswith("- ")
            assert before.endswith(f"{name}: ") or in_block, (name, place)


TOKENS = st.sampled_from(
    (
        *("kind: ", "site", "id: ", "dealer", "name: ", "timezone: ", "Asia/Seoul", "devices: ", "windows: "),
        *(
            "---\n",
            "- ",
            "\n",
            "\n  ",
            "    ",
            "{",
            "}",
            "[",
            "]",
            ", ",
            ": ",
            "? ",
            "! ",
            "!!int ",
            "&a ",
            "*a",
        ),
        *(
            '"',
            "'",
            "#",
            "|\n",
            ">\n",
            "%",
            "@",
            "\t",
            "\x00",
            "\u2028",
            "\ud7ff",
            "null",
            "~",
            "001",
            "1e999",
        ),
        *(
            "schedule",
            "arm: ",
            '"18:00"',
            "calendars: ",
            "secret: ",
            "lifecycle: ",
            "<<: ",
            "{{ x }}",
            "{% if x %}",
        ),
    )
)


@settings(max_examples=200, deadline=None)
@given(text=st.lists(TOKENS, max_size=30).map("".join) | st.text(max_size=60))
@pytest.mark.parametrize("name", ["m.yaml", "t.yaml.j2", "reconciler.yaml"])
def test_no_text_ends_in_a_traceback(folder: Path, name: str, text: str) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as directory:
        (Path(directory) / name).write_text(text, encoding="utf-8", newline="")
        for problem in _problems(Path(directory)):
            assert problem.message
            assert problem.source is None or min(problem.source[1:]) >= 1


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=60))
def test_no_bytes_end_in_a_traceback(folder: Path, content: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as directory:
        (Path(directory) / "m.yaml").write_bytes(content)
        assert all(problem.message for problem in _problems(Path(directory)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-100, 100) | st.sampled_from(("a", "18:00", "no", "001", "")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=12,
)
NAMES = st.sampled_from(sorted({name for kind in REGISTRY.values() for name in kind.spec.model_fields}))


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(REGISTRY)),
    fields=st.dictionaries(NAMES | st.sampled_from(("lifecycle", "external_id", "devices", "sites")), VALUES),
)
def test_no_value_of_any_field_ends_in_a_traceback(
    folder: Path, kind: str, fields: dict[str, object]
) -> None:
    drawn = Drawn(({"kind": kind, "id": "x", **fields}, {"kind": "dealer", "id": "d", "dealer_id": 1}))
    with tempfile.TemporaryDirectory(dir=folder) as directory:
        write(Path(directory), drawn.files(random.Random(3)))
        assert all(problem.message and problem.source for problem in _problems(Path(directory)))


@settings(max_examples=200, deadline=None)
@given(value=VALUES)
def test_yaml_gives_back_what_json_wrote(value: object) -> None:
    page = Page.of("m.yaml", f"# é\n{flow(value)}\n")
    reading = read(page)
    assert not reading.problems
    assert reading.documents[0].root == value


@settings(max_examples=40, deadline=None)
@given(drawn=projects())
def test_marks_point_at_keys(drawn: Drawn) -> None:
    for text in drawn.files(random.Random(4)).values():
        page = Page.of("m.yaml", text)
        for document in read(page).documents:
            _check_marks(document.root, text)


def _check_marks(node: object, text: str) -> None:
    lines = text.split("\n")
    if isinstance(node, Table):
        for key, value in node.items():
            place = node.key_source(key)
            assert lines[place.line - 1][place.column - 1 :].startswith(f"{key}:")
            _check_marks(value, text)
    elif isinstance(node, Series):
        for index, value in enumerate(node):
            place = node.value_source(index)
            assert lines[place.line - 1][place.column - 1] not in " -,"
            _check_marks(value, text)


@settings(max_examples=30, deadline=None)
@given(drawn=projects())
def test_a_yaml_without_libyaml_reads_the_same(drawn: Drawn) -> None:
    for text in drawn.files(random.Random(6)).values():
        fast, slow = Page.of("m.yaml", text), Page.of("m.yaml", text)
        ours, theirs = read(fast), read(slow, yaml.SafeLoader)
        assert [document.root for document in ours.documents] == [
            document.root for document in theirs.documents
        ]
        assert [document.start for document in ours.documents] == [
            document.start for document in theirs.documents
        ]
        for one, two in zip(ours.documents, theirs.documents, strict=True):
            assert isinstance(one.root, Table)
            assert isinstance(two.root, Table)
            assert one.root.marks == two.root.marks
