"""A whole account as manifests: read it, write it down, prove that the next plan is empty, own it.

The account is only read. The files are made beside their place and moved there when everything has been
proven; where anything fails before that, nothing was written.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.account import Account
from reconciler.engine import Event
from reconciler.engine.survey import Survey, survey
from reconciler.errors import ConfigError, ManifestError, PlanError
from reconciler.importing.directory import beside, moved_into, settings_in
from reconciler.kinds import REGISTRY
from reconciler.kinds.values import identifier
from reconciler.manifests import Project, load
from reconciler.manifests.inventory import Inventory, factor_defaults, inventory
from reconciler.manifests.schema import manifest_schema, settings_schema
from reconciler.manifests.settings import SETTINGS_FILE
from reconciler.manifests.writing import SCHEMAS, Written, settings_text, write
from reconciler.model import AS_FOUND, Action, Address, JsonValue, Owned, Resource, Source
from reconciler.planning.plan import plan
from reconciler.planning.renames import identified
from reconciler.planning.safety import Policy
from reconciler.planning.scope import EVERYTHING, Scope

_ROUNDS = 20
"""How often what a plan would still change is left out before the import gives up."""

_NOWHERE = Source(SETTINGS_FILE, 1, 1)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user wants written. ``dealers``: id of CHeKT by the name it is to have.

    ``timezone``: the zone of sites whose zone the surface does not show.
    """

    dealers: Mapping[str, str]
    scope: Scope = EVERYTHING
    timezone: str | None = None
    parallelism: int = 8


@dataclass(frozen=True, slots=True)
class Imported:
    """What was written, and what the account holds that was not.

    ``counts``: resources by kind. ``variables``: environment variables the next plan takes secrets
    from. ``omitted``: objects that no manifest says, and why. ``unsaid``: what of the others is missing.
    """

    files: tuple[str, ...]
    counts: Mapping[str, int]
    variables: tuple[str, ...]
    omitted: Mapping[Address, str]
    unsaid: tuple[str, ...]
    requests: int


@dataclass(slots=True)
class _Draft:
    """One attempt: what is to be written, the project it makes, and what would be owned."""

    made: Inventory
    written: Written
    settings: str | None
    owned: dict[Address, Owned] = field(default_factory=dict)


def dealer_resources(dealers: Mapping[str, str]) -> tuple[Resource, ...]:
    """The dealers to read as resources. Raises ConfigError where there is none."""
    if not dealers:
        raise ConfigError(
            "which dealer is to be imported? CHeKT offers no list of dealers",
            hint="Name each with its id, as the portal shows it: --dealer acme=12345.",
        )
    return tuple(
        Resource(Address("dealer", (name,)), {}, name, _NOWHERE, remote_id=remote_id)
        for name, remote_id in dealers.items()
    )


def import_account(account: Account, asked: Asked, *, on_event: Callable[[Event], None]) -> Imported:
    """Write what the account holds into the project's directory, and own it.

    ``account``: of a project whose resources are ``dealer_resources``. The environment's lock must be
    held. Raises PlanError where the ledger owns something already, a target names nothing, or no manifest
    can say the account.
    """
    if account.ledger.owned():
        raise PlanError(
            "this environment's ledger owns resources already; an import begins with nothing",
            hint="Import into a new directory, or take over single objects with `import ADDRESS ID`.",
        )
    read = survey(
        account.client,
        account.project.resources,
        account.surfaces,
        asked.scope,
        width=account.width(asked.parallelism),
        on_event=on_event,
    )
    asked.scope.check([*read.snapshot.objects, *read.untold])
    directory = account.project.directory
    with beside(directory) as place:
        draft = _proven(account, asked, read, place)
        if draft.settings is None:  # the one that is there stays, whatever it is
            (place / SETTINGS_FILE).unlink(missing_ok=True)
        with moved_into(place, directory), account.ledger.transaction():
            for row in draft.owned.values():
                account.ledger.record(row)
    counts: dict[str, int] = {}
    for address in draft.made.documents:
        counts[address.kind] = counts.get(address.kind, 0) + 1
    files = (*([SETTINGS_FILE] if draft.settings is not None else ()), *draft.written.files)
    return Imported(
        files,
        counts,
        tuple(draft.made.variables),
        dict(sorted(draft.made.omitted.items())),
        _unsaid(account, draft.made),
        read.snapshot.requests,
    )


def _proven(account: Account, asked: Asked, read: Survey, place: Path) -> _Draft:
    """The draft, its files in ``place``, over which a plan finds nothing to change."""
    omitted = dict(read.untold)
    with_defaults = True
    for _ in range(_ROUNDS):
        draft = _drafted(account, asked, read, omitted, with_defaults=with_defaults)
        _fill(place, draft, account.project.directory)
        try:
            project = load(place, env=account.runtime.env, environment=account.project.environment.name)
            wrong = _pending(account, read, draft, project)
        except ManifestError as exc:
            wrong = {
                address: problem.message
                for problem in exc.problems
                if problem.source is not None
                and (address := draft.written.at(problem.source.file, problem.source.line)) is not None
            }
            if not wrong and not (with_defaults and draft.made.defaults):
                raise
            with_defaults = with_defaults and bool(wrong)
        else:
            if not wrong:
                return draft
        omitted |= wrong
    raise PlanError(
        "the account cannot be written as manifests that change nothing",
        hint="Import a part of it with --target, and report this.",
    )


def _drafted(
    account: Account, asked: Asked, read: Survey, omitted: Mapping[Address, str], *, with_defaults: bool
) -> _Draft:
    dealers = {each.address: str(each.remote_id) for each in account.project.resources}
    made = inventory(read.snapshot.objects, dealers, account.surfaces, omitted, _given(account, asked))
    existing = settings_in(account.project.directory)
    if with_defaults and not (
        existing is not None and "defaults" in account.project.settings.model_fields_set
    ):
        factor_defaults(made)
    draft = _Draft(made, write(made), settings_text(existing, made.defaults))
    for address, document in made.documents.items():
        live = read.snapshot.objects.get(address)
        if live is not None:
            secrets = dict.fromkeys(REGISTRY[address.kind].secret & document.keys(), AS_FOUND)
            draft.owned[address] = Owned(address, live.remote_id, live.external_id, secrets=secrets)
    return draft


def _given(account: Account, asked: Asked) -> Mapping[str, Mapping[str, JsonValue]]:
    """What has to be said of a site and is not shown: its time zone, which nobody may guess."""
    binding = account.surfaces.binding("site")
    if binding is None or "timezone" in binding.fields:
        return {}
    if asked.timezone is None:
        raise ConfigError(
            f"the {account.surfaces.surface} surface does not show the time zone of a site",
            hint="Name the one the sites stand in: --timezone America/New_York. Correct it where it differs.",
        )
    return {"site": {"timezone": asked.timezone}}


def _pending(account: Account, read: Survey, draft: _Draft, project: Project) -> dict[Address, str]:
    """What the next plan would still do, by address."""
    desired = identified(project.resources, draft.owned)
    made = plan(
        desired,
        read.snapshot,
        draft.owned,
        surfaces=account.surfaces,
        policy=Policy(100.0, 10**9, 100.0, None, project.environment.accept),
        scope=EVERYTHING,
        secret_digests={},
        environment=project.environment.name,
        config_digest=project.digest,
        now=account.runtime.clock(),
        lifetime=project.settings.plan_life,
        project=str(project.directory),
        rate_per_minute=account.rate_per_minute,
    )
    return {
        change.address: "a plan would still change "
        + (", ".join(each.path for each in change.fields) or "it")
        for change in made.changes
        if change.action is not Action.MANUAL or change.fields
    }


def _fill(place: Path, draft: _Draft, directory: Path) -> None:
    """Write the draft's files into ``place``, in place of an earlier draft's."""
    for old in list(place.iterdir()):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    files = dict(draft.written.files)
    settings = draft.settings if draft.settings is not None else settings_in(directory)
    if settings is not None:
        files[SETTINGS_FILE] = settings
    if not (directory / SCHEMAS).exists():
        files[f"{SCHEMAS}/manifest.schema.json"] = _json(manifest_schema())
        files[f"{SCHEMAS}/reconciler.schema.json"] = _json(settings_schema())
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def _json(schema: JsonValue) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def _unsaid(account: Account, made: Inventory) -> tuple[str, ...]:
    lines = sorted(made.unsaid)
    portal = [k.collection for k in REGISTRY.values() if account.surfaces.binding(k.name) is None]
    if portal:
        lines.append(f"{', '.join(portal)}: this surface does not show them")
    if any(address.kind == "site" for address in made.documents):
        lines.append(
            "arming: which schedule arms a site is not kept in the account; write it where you want it"
        )
    return tuple(lines)


def dealers_named(texts: Sequence[str], configured: Sequence[str]) -> dict[str, str]:
    """Dealer ids by name, from ``NAME=ID`` or ``ID`` texts, else from the ids that ``configured`` names.

    Raises ConfigError for what is not of this form.
    """
    found: dict[str, str] = {}
    for text in texts or [name for name in configured if name.isascii() and name.isdigit()]:
        name, equals, number = text.rpartition("=")
        if not number.isascii() or not number.isdigit() or int(number) < 1 or (equals and not name):
            raise ConfigError(f"--dealer {text!r} is not NAME=ID", hint="Write --dealer acme=12345.")
        try:
            found[identifier(name or f"dealer-{number}")] = str(int(number))
        except ValueError as exc:
            raise ConfigError(f"--dealer {text!r}: {exc}", hint="Write --dealer acme=12345.") from exc
    return found


def without_resources(project: Project, dealers: Mapping[str, str]) -> Project:
    """``project`` with nothing declared but the dealers to read."""
    return replace(project, resources=dealer_resources(dealers))
