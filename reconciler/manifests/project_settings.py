"""Reads ``reconciler.yaml`` and chooses the environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from reconciler.errors import ConfigError, Problem
from reconciler.kinds import REGISTRY
from reconciler.kinds.surfaces import surfaces
from reconciler.manifests import explain, files
from reconciler.manifests.checks import in_order
from reconciler.manifests.core_yaml import read as read_yaml
from reconciler.manifests.documents import CHILDREN, document_names
from reconciler.manifests.identity import IDENTIFYING
from reconciler.manifests.nodes import Node, Page, Series, Table
from reconciler.manifests.settings import (
    EMBEDDED,
    SETTINGS_FILE,
    EnvironmentSettings,
    Settings,
    environment_names,
)
from reconciler.manifests.spelling import suggestion
from reconciler.model import Source
from reconciler.urls import check_url

ENVIRONMENT_VARIABLE = "RECONCILER_ENV"
URL_VARIABLE = "CHEKT_BASE_URL"


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """The settings, the environment chosen, and the defaults by kind with their places.

    ``webhooks``: the ids of webhook manifests that ``listen`` refers to, with the place of each reference.
    ``warnings``: what else a person should know.
    """

    settings: Settings
    environment: EnvironmentSettings
    defaults: Mapping[str, Table] = field(default_factory=dict)
    webhooks: Sequence[tuple[str, Source]] = ()
    warnings: tuple[str, ...] = ()


def read_settings(directory: Path, environment: str | None, env: Mapping[str, str]) -> ProjectSettings:
    """The settings of the project in ``directory``; built-in ones where it has no reconciler.yaml.

    ``environment``: the name given on the command line, over RECONCILER_ENV. Raises ConfigError with
    every problem.
    """
    table = _read_table(directory)
    settings = _validate(table)
    problems = list(_check_defaults(table))
    chosen = _choose(settings, table, environment, env, problems)
    if problems:
        raise ConfigError.of(in_order(problems))
    assert chosen is not None
    defaults = table.get("defaults") or {}
    return ProjectSettings(
        settings,
        chosen,
        {k: v for k, v in defaults.items() if isinstance(v, Table)},
        tuple(_webhooks(settings, table)),
        tuple(_led_elsewhere(settings, chosen)),
    )


def _led_elsewhere(settings: Settings, chosen: EnvironmentSettings) -> Iterable[str]:
    """That the variable has taken the place of a URL that is written."""
    written = settings.environment(chosen.name)
    if written is not None and written.base_url not in (None, chosen.base_url):
        yield f"{URL_VARIABLE} leads {chosen.name} to {chosen.base_url}, in place of {written.base_url}"


def _webhooks(settings: Settings, table: Table) -> Iterable[tuple[str, Source]]:
    for name, endpoint in settings.listen.endpoints.items() if settings.listen else ():
        if endpoint.webhook is not None:
            yield endpoint.webhook, explain.place(table, ("listen", "endpoints", name, "webhook"))


def _read_table(directory: Path) -> Table:
    path = directory / SETTINGS_FILE
    if not path.exists() and not path.is_symlink():
        return Table(Page.of(SETTINGS_FILE, ""), 0)
    text = files.read_text(path, SETTINGS_FILE)
    if isinstance(text, Problem):
        raise ConfigError.of([text])
    page = Page.of(SETTINGS_FILE, text)
    reading = read_yaml(page)
    if reading.problems:
        raise ConfigError.of(in_order(reading.problems))
    if len(reading.documents) > 1:
        place = page.place(reading.documents[1].start)
        raise ConfigError.of([Problem("a second document in the settings", place, "Keep one document.")])
    root = reading.documents[0].root if reading.documents else None
    if root is None:
        return Table(page, 0)
    if not isinstance(root, Table):
        problem = Problem(
            "the settings are a mapping, and this is not", page.place(0), "Begin with version: 1."
        )
        raise ConfigError.of([problem])
    return root


def _validate(table: Table) -> Settings:
    try:
        return Settings.model_validate(_bare(table))
    except ValidationError as exc:
        found = explain.problems(exc, table, _known)
        raise ConfigError.of(in_order(found)) from None


def _bare(node: Node) -> Any:
    """Plain dicts and lists: templates must not see where their variables stand."""
    if isinstance(node, Table):
        return {key: _bare(value) for key, value in node.items()}
    return [_bare(value) for value in node] if isinstance(node, Series) else node


def _known(path: tuple[explain.Step, ...]) -> Iterable[str]:
    models: list[type[BaseModel]] = [Settings]
    for step in path:
        inner = [
            model
            for holder in models
            if step in holder.model_fields
            for model in _models(holder.model_fields[str(step)].annotation)
        ]
        models = inner or models  # a name chosen by the user: of an environment, of a dealer
    return {name for model in models for name in model.model_fields}


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _models(argument)]


def _check_defaults(table: Table) -> Iterable[Problem]:
    """Names in ``defaults`` that no kind, or not that kind, has. Values are checked where they apply."""
    defaults = table.get("defaults")
    if not isinstance(defaults, Table):
        return
    for kind_name, fields in defaults.items():
        if kind_name not in REGISTRY:
            hint = suggestion(str(kind_name), REGISTRY)
            yield Problem(f"defaults.{kind_name}: no such kind", defaults.key_source(kind_name), hint)
            continue
        collections = {child.collection for child in CHILDREN[kind_name]}
        allowed = document_names(kind_name) - IDENTIFYING - collections
        for name in fields if isinstance(fields, Table) else ():
            if name not in allowed:
                message = f"defaults.{kind_name}.{name}: not a field that can have a default"
                yield Problem(message, fields.key_source(name), suggestion(str(name), allowed))


def _choose(
    settings: Settings,
    table: Table,
    given: str | None,
    env: Mapping[str, str],
    problems: list[Problem],
) -> EnvironmentSettings | None:
    name = given or env.get(ENVIRONMENT_VARIABLE) or EMBEDDED
    spec = settings.environment(name)
    if spec is None:
        by = "--env" if given else ENVIRONMENT_VARIABLE
        known = suggestion(name, environment_names(settings))
        hint = f"{known} Name it in {SETTINGS_FILE}, under `environments`, with its base_url and surface."
        raise ConfigError(f"{by}: there is no environment {explain.shown(name)}", hint=hint)
    values = spec.model_dump()
    values |= {"dealers": spec.dealers, "event_api_key": spec.event_api_key}
    values["name"] = name
    override = env.get(URL_VARIABLE)
    if override:
        values["base_url"] = check_url(override, URL_VARIABLE)
        if name == EMBEDDED and not EnvironmentSettings.model_validate(values).is_sandbox:
            raise ConfigError(
                f"{URL_VARIABLE} leads {EMBEDDED}, the sandbox, to {values['base_url']}, a real account",
                hint=f"Name an environment of reconciler.yaml with --env, or unset {URL_VARIABLE}.",
            )
    chosen = EnvironmentSettings.model_validate(values)
    at = explain.place(table, ("environments", name))
    if chosen.base_url is None and name != EMBEDDED:
        problems.append(
            Problem(
                f"environments.{name}: an environment of its own needs a base_url",
                at,
                f"Add base_url, or set {URL_VARIABLE}; only {EMBEDDED} runs without one.",
            )
        )
    problems.extend(_check_endpoints(settings, chosen, table))
    return chosen


def _check_endpoints(settings: Settings, environment: EnvironmentSettings, table: Table) -> Iterable[Problem]:
    """Each correction on its own, so that each wrong one has its place."""
    for kind, operations in settings.endpoints.items():
        for operation, text in operations.items():
            try:
                surfaces(
                    environment.surface,
                    sandbox=environment.is_sandbox,
                    corrections={kind: {operation: text}},
                )
            except ValueError as exc:
                place: Source = explain.place(table, ("endpoints", kind, operation))
                yield Problem(
                    str(exc), place, 'Write kind, operation and "METHOD /path", as the plan shows them.'
                )
