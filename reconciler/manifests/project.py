"""Reads a project directory into desired resources."""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.errors import ConfigError, ManifestError, Problem
from reconciler.kinds import REGISTRY
from reconciler.manifests import checks, files, identity, secrets
from reconciler.manifests.attachments import Attachments
from reconciler.manifests.core_yaml import read as read_yaml
from reconciler.manifests.documents import Draft, Reader, unmanaged_names
from reconciler.manifests.links import Links
from reconciler.manifests.nodes import Page, Positions
from reconciler.manifests.project_settings import read_settings
from reconciler.manifests.schedules import check_schedules
from reconciler.manifests.settings import (
    ArmingModel,
    EnvironmentSettings,
    Settings,
    template_variables,
)
from reconciler.model import Address, Resource, SecretRef


@dataclass(frozen=True, slots=True)
class Project:
    """A project directory, read and checked.

    ``resources``: parents before children, then by address, whatever the files' order.
    ``digest``: of everything that decides a plan; changes of formatting do not change it.
    ``attachments``: text of the iCalendar files that calendars name, by project-relative path.
    """

    directory: Path
    settings: Settings
    environment: EnvironmentSettings
    resources: tuple[Resource, ...]
    digest: str
    warnings: tuple[str, ...]
    attachments: Mapping[str, str]
    arming_model: ArmingModel


def load(
    directory: Path,
    *,
    env: Mapping[str, str],
    environment: str | None = None,
    variables: Mapping[str, str] | None = None,
    allow_empty: bool = False,
) -> Project:
    """Read and check every manifest below ``directory``.

    ``env``: the environment variables (RECONCILER_ENV, CHEKT_BASE_URL are read). ``environment``:
    the name given on the command line. ``variables``: ``--var``, over all others. ``allow_empty``: a
    file or document that holds nothing is no error. Secrets stay references.

    Raises ConfigError for reconciler.yaml and the choice of environment, ManifestError with every
    problem of the manifests.
    """
    with _without_gc():
        return _load(directory, env, environment, variables or {}, allow_empty=allow_empty)


def load_settings(directory: Path, *, env: Mapping[str, str], environment: str | None = None) -> Project:
    """A project of reconciler.yaml alone, without a resource: to tell that its manifests are broken.

    Raises ConfigError.
    """
    known = read_settings(directory, environment, env)
    digest = _digest((), known.settings, known.environment)
    model = known.settings.arming_model
    return Project(directory, known.settings, known.environment, (), digest, (), {}, model)


@contextmanager
def _without_gc() -> Iterator[None]:
    """Nothing that loading builds is cyclic garbage, and collecting would walk all of it often."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _load(
    directory: Path,
    env: Mapping[str, str],
    environment: str | None,
    variables: Mapping[str, str],
    *,
    allow_empty: bool,
) -> Project:
    if not directory.is_dir():
        what = "is not a directory" if directory.exists() else "does not exist"
        raise ConfigError(f"{directory}: {what}", hint="Name the directory that holds the manifests.")
    project = read_settings(directory, environment, env)
    found = files.find(directory)
    problems = list(found.problems)
    if not found.files and not problems and not allow_empty:
        raise ManifestError(
            f"{directory}: there is no manifest here",
            hint="Add a .yaml, .yml or .yaml.j2 file; with --allow-empty no manifest means no resource.",
        )
    reader = Reader(project.defaults, Attachments(directory))
    seen = template_variables(project.settings, project.environment, variables)
    complete = not problems
    for file in found.files:
        complete &= _read_file(directory, file, reader, seen, problems, allow_empty=allow_empty)
    links = Links(reader.drafts, complete and reader.complete)
    links.place()
    resources = _resources(links)
    schedules = check_schedules(links.drafts, reader.attachments.texts)
    problems += reader.problems
    problems += reader.attachments.problems
    problems += links.problems
    problems += checks.together(links.drafts, project.settings.arming_model)
    problems += identity.check(links.drafts)
    if links.complete:
        problems += checks.webhooks_exist(links.drafts, project.webhooks)
    problems += schedules.problems
    if problems:
        raise ManifestError.of(checks.in_order(problems))
    return Project(
        directory,
        project.settings,
        project.environment,
        resources,
        _digest(resources, project.settings, project.environment),
        (*project.warnings, *schedules.warnings, *_exposed_secrets(directory, resources)),
        reader.attachments.texts,
        project.settings.arming_model,
    )


def _read_file(
    directory: Path,
    file: str,
    reader: Reader,
    variables: Mapping[str, Any],
    problems: list[Problem],
    *,
    allow_empty: bool,
) -> bool:
    """Read one manifest into ``reader``; False where a part of it stayed unread."""
    text = files.read_text(directory / file, file)
    if isinstance(text, Problem):
        problems.append(text)
        return False
    page = _page(directory, file, text, variables)
    if isinstance(page, Problem):
        problems.append(page)
        return False
    reading = read_yaml(page)
    problems += reading.problems
    if not reading.documents and not reading.problems and not allow_empty:
        what = "template yields" if page.origins else "file holds"
        problems.append(
            Problem(
                f"{file}: this {what} no document",
                page.place(0),
                "Remove the file; with --allow-empty it counts as nothing.",
            )
        )
    for document in reading.documents:
        reader.read(document, allow_empty=allow_empty)
        if len(reader.problems) > checks.MAX_PROBLEMS:
            return False
    page.text = ""
    return not reading.broken


def _page(directory: Path, file: str, text: str, variables: Mapping[str, Any]) -> Page | Problem:
    if not file.endswith(files.TEMPLATE_SUFFIX):
        return Page.of(file, text)
    from reconciler.manifests.templates import Templates  # noqa: PLC0415 - many projects have none

    return Templates(directory, variables).render(file, text)


def _resources(links: Links) -> tuple[Resource, ...]:
    """The placed drafts as resources, references resolved, in the order of the registry."""
    order = {name: number for number, name in enumerate(REGISTRY)}
    resources = [
        Resource(
            address=address,
            fields=draft.fields,
            external_id=draft.external_id,
            source=draft.table.source(),
            parent=_parent(draft),
            remote_id=draft.remote_id,
            lifecycle=draft.lifecycle,
            identity=identity.identity(draft),
            declares=draft.declares,
            references=links.refer(draft) if draft.kind.references else (),
            positions=Positions(draft.table, unmanaged_names(draft.kind.name)),
        )
        for address, draft in links.by_address.items()
    ]
    resources.sort(key=lambda resource: (order[resource.address.kind], resource.address.path))
    return tuple(resources)


def _exposed_secrets(directory: Path, resources: Iterable[Resource]) -> list[str]:
    """A warning for each file with a secret that other users may read."""
    references = {
        value for each in resources for value in each.fields.values() if isinstance(value, SecretRef)
    }
    return sorted(filter(None, (secrets.exposed(reference, directory) for reference in references)))


def _parent(draft: Draft) -> Address | None:
    return None if draft.parent is None else checks.address(draft.parent)


def _digest(resources: Iterable[Resource], settings: Settings, environment: EnvironmentSettings) -> str:
    """SHA-256 of everything that decides a plan."""
    encode = json.JSONEncoder(
        ensure_ascii=True, sort_keys=True, separators=(",", ":"), default=_encode
    ).encode
    digest = hashlib.sha256()
    digest.update(encode(_decisive(settings, environment)).encode())
    for resource in resources:
        lifecycle = resource.lifecycle
        row = [
            str(resource.address),
            resource.fields,
            resource.external_id,
            resource.remote_id,
            [lifecycle.protect, sorted(lifecycle.ignore)],
            sorted(resource.declares),
            [resource.identity.adopt, resource.identity.moved_from, resource.identity.named],
        ]
        digest.update(encode(row).encode())
    return digest.hexdigest()


def _decisive(settings: Settings, environment: EnvironmentSettings) -> list[Any]:
    """What reconciler.yaml decides of a plan, beside the resources."""
    general = settings.model_dump(mode="python", include={"safety", "ownership", "endpoints", "arming_model"})
    chosen = environment.model_dump(
        include={"name", "base_url", "surface", "accept", "dialect", "clear", "dealers"}
    )
    return [general, chosen, environment.is_sandbox]


def decide_alike(one: Project, other: Project) -> bool:
    """Whether equal resources of both projects would be planned alike: same account, ledger and rules."""
    return one.settings.ledger == other.settings.ledger and (
        _decisive(one.settings, one.environment) == _decisive(other.settings, other.environment)
    )


def _encode(value: object) -> object:
    assert isinstance(value, SecretRef), type(value)
    return value.to_json()
