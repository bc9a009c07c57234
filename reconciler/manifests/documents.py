"""From documents to drafts: what each one is, where it stands, and its validated fields.

A draft is a resource before its parent and its references are known. Children written inline become
drafts of their own.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import ValidationError

from reconciler.errors import Problem
from reconciler.kinds import REGISTRY, Kind
from reconciler.kinds.kind import LifecycleSpec, Spec, plain
from reconciler.kinds.values import identifier
from reconciler.manifests import explain, secrets
from reconciler.manifests.attachments import Attachments
from reconciler.manifests.core_yaml import Document
from reconciler.manifests.identity import Origin, read_origin
from reconciler.manifests.nodes import Series, Table
from reconciler.manifests.spelling import nearest, suggestion
from reconciler.model import FieldValue, Lifecycle, SecretRef

COMMON = ("kind", "id", "external_id", "adopt", "moved_from", "lifecycle")
"""Keys that a document of any kind may write beside its fields."""

CHILDREN: Mapping[str, tuple[Kind, ...]] = {
    name: tuple(kind for kind in REGISTRY.values() if kind.parent == name) for name in REGISTRY
}
"""The kinds whose documents may stand inline under a kind."""

_LIFECYCLE = Lifecycle()


@dataclass(slots=True)
class Draft:
    """A resource whose parent and references are still names.

    ``parent``: the draft it stands inline under; ``parent_name``: the parent as a document names it,
    None where it names none. ``origin``: what it was before it had this name.
    """

    kind: Kind
    id: str
    table: Table
    fields: dict[str, FieldValue]
    external_id: str
    remote_id: str | None
    lifecycle: Lifecycle
    declares: frozenset[str]
    parent: Draft | None
    parent_name: str | None
    origin: Origin
    path: tuple[str, ...] | None = None


@dataclass(slots=True)
class Reader:
    """Collects drafts and problems over all documents of a project.

    ``complete``: False once a document could not be taken for any resource.
    """

    defaults: Mapping[str, Table]
    attachments: Attachments
    drafts: list[Draft] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    complete: bool = True

    def read(self, document: Document, *, allow_empty: bool) -> None:
        """Add the drafts of one document."""
        root = document.root
        if root is None:
            if not allow_empty:
                self._note(
                    "this document is empty",
                    document.page.place(document.start),
                    "Remove it; with --allow-empty it counts as nothing.",
                )
            return
        if not isinstance(root, Table):
            self.complete = False
            self._note(
                "a document is a mapping of fields, and this is not",
                document.page.place(document.start),
                "Begin with `kind:` and `id:`.",
            )
            return
        kind = self._kind(root)
        if kind is not None:
            self._draft(kind, root, None)

    def _note(self, message: str, source: Any, hint: str) -> None:
        self.problems.append(Problem(message, source, hint))

    def _kind(self, root: Table) -> Kind | None:
        name = root.get("kind")
        if isinstance(name, str) and name in REGISTRY:
            return REGISTRY[name]
        self.complete = False
        hint = suggestion(str(name) if name is not None else "", REGISTRY)
        if "kind" not in root:
            self._note("this document does not say its kind", root.source(), f"Add kind. {hint}")
        else:
            shown = explain.shown(name)
            self._note(f"kind: {shown} is no kind of resource", root.value_source("kind"), hint)
        return None

    def _draft(self, kind: Kind, table: Table, parent: Draft | None) -> None:
        if kind.name in self.defaults:
            table = table.over(self.defaults[kind.name])
        name = self._name(table, "id", required=True)
        values = dict(table)
        for key in COMMON:
            values.pop(key, None)
        parent_name = None
        if parent is not None:
            self._refuse_context(kind, table, values)
        elif kind.parent is not None:
            parent_name = self._parent_name(kind, table, values)
        children = [
            (child, values.pop(child.collection))
            for child in CHILDREN[kind.name]
            if child.collection in values
        ]
        draft = Draft(
            kind,
            name or "",
            table,
            self._fields(kind, table, values),
            "",
            None,
            self._lifecycle(kind, table) if "lifecycle" in table else _LIFECYCLE,
            frozenset([child.name for child, _ in children]),
            parent,
            parent_name,
            read_origin(kind, table, self.problems),
        )
        self._identify(draft)
        if name is None:
            self.complete = False
        else:
            self.drafts.append(draft)
        for child, entries in children:
            self._inline(child, entries, draft)

    def _inline(self, kind: Kind, entries: object, parent: Draft) -> None:
        if not isinstance(entries, Series):
            hint = f"Write {kind.collection}: [] for none." if entries is None else "Write a list."
            wrong = "null is not a list" if entries is None else f"{explain.shown(entries)} is not a list"
            self._note(f"{kind.collection}: {wrong}", parent.table.value_source(kind.collection), hint)
            return
        for index, entry in enumerate(entries):
            if isinstance(entry, Table):
                self._draft(kind, entry, parent)
            else:
                self._note(
                    f"{kind.collection}.{index}: {explain.shown(entry)} is not a {kind.title.lower()}",
                    entries.value_source(index),
                    "Write a mapping with its id and fields.",
                )

    def _refuse_context(self, kind: Kind, table: Table, values: dict[Any, Any]) -> None:
        """A child under its parent says neither its kind nor its parent: both are where it stands."""
        parent = kind.parent
        for key in ("kind", parent):
            if key in table and key not in kind.spec.model_fields:
                values.pop(key, None)
                self._note(
                    f"{key}: a {kind.name} written under its {parent} does not name it",
                    table.key_source(key),
                    f"Remove {key}.",
                )

    def _name(self, table: Table, key: str, *, required: bool) -> str | None:
        """The text of an identifier field, None where it is missing or wrong."""
        value = table.get(key)
        if value is None:
            if required:
                wrong = "null is not a name" if key in table else "required, and not written"
                self._note(f"{key}: {wrong}", table.value_source(key), f"Add {key}, a stable name.")
            elif key in table:
                self._note(f"{key}: null is not a name", table.value_source(key), f"Remove {key}.")
            return None
        if not isinstance(value, str):
            written = table.value_text(key)
            if isinstance(value, (int, float)):
                wrong, hint = f"{written} without quotes is not a text", f'Write it in quotes: "{written}".'
            else:
                wrong, hint = f"{explain.shown(value)} is not a text", "Write a text."
            self._note(f"{key}: {wrong}", table.value_source(key), hint)
            return None
        try:
            return identifier(value)
        except ValueError as exc:
            self._note(
                f"{key}: {explain.shown(value)} is not allowed",
                table.value_source(key),
                explain.way_out(str(exc)),
            )
            return None

    def _parent_name(self, kind: Kind, table: Table, values: dict[Any, Any]) -> str | None:
        """The parent a document names, checked step by step; its address is found later."""
        key = kind.parent
        assert key is not None
        value = values.pop(key, None)
        if isinstance(value, str) and value:
            return value
        if key in table:
            self._name(table, key, required=False)
        return None

    def _lifecycle(self, kind: Kind, table: Table) -> Lifecycle:
        written = table["lifecycle"]
        if not isinstance(written, Table):
            self._note(
                f"lifecycle: {explain.shown(written)} is not a mapping",
                table.value_source("lifecycle"),
                "Write {protect: true} or {ignore: [FIELD]}.",
            )
            return _LIFECYCLE
        try:
            spec = LifecycleSpec.model_validate(written)
        except ValidationError as exc:
            found = explain.problems(exc, written, lambda _: LifecycleSpec.model_fields)
            self.problems.extend(Problem(f"lifecycle.{one.message}", one.source, one.hint) for one in found)
            return _LIFECYCLE
        for index, name in enumerate(spec.ignore):
            if name not in kind.managed:
                self._note(
                    f"lifecycle.ignore: a {kind.name} has no field {explain.shown(name)}",
                    written["ignore"].value_source(index),
                    suggestion(name, kind.managed),
                )
        return Lifecycle(spec.protect, frozenset(spec.ignore))

    def _fields(self, kind: Kind, table: Table, values: dict[Any, Any]) -> dict[str, FieldValue]:
        """The written fields of ``values``, normalised, secrets as references; {} where one is wrong."""
        fields: dict[str, FieldValue] = {}
        hidden = {name: self._secret(table, name) for name in kind.secret if values.get(name) is not None}
        try:
            spec: Spec = kind.spec.__pydantic_validator__.validate_python(values)
        except ValidationError as exc:
            self._explain(exc, kind, table)
            return fields
        written = spec.model_fields_set
        for name in kind.spec.model_fields:
            if name not in written:
                continue
            if name in kind.secret:
                fields[name] = hidden.get(name)
            elif name != kind.external_id_field:
                value = getattr(spec, name)
                fields[name] = value if type(value) is str else plain(value)
        for name in kind.secret & kind.required:
            if name in fields and values[name] is None:
                self._note(
                    f"{name}: null would clear a field that must have a value",
                    table.value_source(name),
                    secrets.WAY_OUT,
                )
        self.attachments.attach(kind, table, fields)
        return fields

    def _secret(self, table: Table, name: str) -> SecretRef | None:
        folder = posixpath.dirname(table.page_of(name).file)
        try:
            return secrets.reference(table[name], folder)
        except ValueError as exc:
            self._note(f"{name}: {exc}", table.value_source(name), secrets.WAY_OUT)
            return None

    def _explain(self, error: ValidationError, kind: Kind, table: Table) -> None:
        for problem in explain.problems(error, table, lambda path: allowed_names(kind, path)):
            field_name = problem.message.partition(":")[0]
            if problem.message.endswith("no such field here") and field_name in table:
                self.problems.append(_better_hint(problem, kind, field_name))
            else:
                self.problems.append(problem)

    def _identify(self, draft: Draft) -> None:
        """Set ``external_id`` and ``remote_id`` from what the kind says identifies it."""
        kind, table, fields = draft.kind, draft.table, draft.fields
        draft.external_id = draft.id
        own = kind.external_id_field or (kind.identity if kind.identity in fields else "")
        if kind.remote_id_field is not None:
            fields.pop(kind.remote_id_field, None)
            value = table.get(kind.remote_id_field)
            draft.remote_id = str(value) if isinstance(value, int) else None
        if kind.identity == "external_id":
            if "external_id" in table:
                draft.external_id = self._external_id(table) or draft.id
            return
        if "external_id" in table:
            self._note(
                f"external_id: a {kind.name} is identified by its {own or kind.identity}",
                table.key_source("external_id"),
                f"Remove external_id; write {own or kind.identity}.",
            )
        value = fields.get(own, table.get(own))
        if isinstance(value, str) and value:
            draft.external_id = value

    def _external_id(self, table: Table) -> str | None:
        """An external id is free text of the account's own making, not a name of ours."""
        value = table["external_id"]
        if isinstance(value, str) and 0 < len(value) <= 200 and value.strip() == value:
            return value
        if isinstance(value, (int, float)):
            written = table.value_text("external_id")
            wrong, hint = f"{written} without quotes is not a text", f'Write it in quotes: "{written}".'
        else:
            wrong = f"{explain.shown(value)} is not an external id"
            hint = "Write a text of 1 to 200 characters without outer spaces, or leave it out to use the id."
        self._note(f"external_id: {wrong}", table.value_source("external_id"), hint)
        return None


@cache
def document_names(name: str) -> frozenset[str]:
    """Every key a document of the kind called ``name`` may write."""
    kind = REGISTRY[name]
    collections = (child.collection for child in CHILDREN[name])
    parent = () if kind.parent is None else (kind.parent,)
    return frozenset((*COMMON, *parent, *collections, *kind.spec.model_fields))


@cache
def unmanaged_names(name: str) -> frozenset[str]:
    """The keys of a document of the kind called ``name`` that are no fields."""
    return document_names(name) - REGISTRY[name].spec.model_fields.keys()


def allowed_names(kind: Kind, path: tuple[explain.Step, ...]) -> Iterable[str]:
    """The field names allowed in the mapping at ``path`` of a document of ``kind``."""
    if not path:
        return document_names(kind.name)
    models: list[type[Spec]] = [kind.spec]
    for step in path:
        if isinstance(step, str):
            models = [
                inner
                for model in models
                if step in model.model_fields
                for inner in _models(model.model_fields[step].annotation)
            ]
    return {name for model in models for name in model.model_fields}


def _models(annotation: Any) -> Iterator[type[Spec]]:
    """The specs inside a type: ``list[X] | None`` holds X."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        yield annotation
    for argument in (*getattr(annotation, "__args__", ()),):
        yield from _models(argument)


def _better_hint(problem: Problem, kind: Kind, name: str) -> Problem:
    """A word on fields that exist, but not for the user to write here."""
    if name in kind.read_only:
        return Problem(problem.message, problem.source, f"CHeKT sets {name} itself; remove it.")
    if name == f"external_{kind.name}_id":
        return Problem(problem.message, problem.source, "Write external_id.")
    if name == "arming_model":
        return Problem(
            "arming_model: one model holds for the whole project, CHeKT forbids mixing",
            problem.source,
            "Write it once, in reconciler.yaml.",
        )
    holders = sorted(other.name for other in REGISTRY.values() if name in document_names(other.name))
    if not nearest(name, document_names(kind.name)) and holders:
        return Problem(
            problem.message, problem.source, f"A {' or a '.join(holders)} has it. {problem.hint}".strip()
        )
    return problem
