"""``--changed-since``: what the manifests say otherwise than at a git revision."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.errors import ReconcilerError

if TYPE_CHECKING:  # start-up stays instant
    from reconciler.cli.options import Reading
    from reconciler.manifests import Project
    from reconciler.model import ChangedSince


@dataclass(frozen=True, slots=True)
class Base:
    """What a plan is compared with: the revision, and the project as it was, None where it cannot be read."""

    since: ChangedSince
    project: Project | None


def base_of(reading: Reading, project: Project, ref: str) -> Base:
    """What ``project`` declares otherwise than the manifests did where HEAD left ``ref``.

    Both are read in full and compared by resource, so a variable, a default or a template counts for all
    that it changes. Secrets of the revision stay references. Where the revision cannot be read, or
    reconciler.yaml plans differently now, the answer says that everything has to be looked at. Raises
    ConfigError where there is no such revision.
    """
    from reconciler.manifests.project import decide_alike
    from reconciler.manifests.revision import exported, parted
    from reconciler.model import ChangedSince
    from reconciler.planning.changed import changed

    revision = parted(project.directory, ref, os.environ)
    try:
        with exported(revision) as directory:
            before = replace(reading, allow_empty=True).load(directory, project.environment.name)
    except ReconcilerError as exc:
        place = f"{exc.source}: " if exc.source is not None else ""
        why = f"the manifests of {revision.commit[:12]} cannot be read ({place}{exc.message})"
        return Base(ChangedSince(ref, revision.commit, None, why), None)
    if not decide_alike(before, project):
        why = "reconciler.yaml has new rules or another account"
        return Base(ChangedSince(ref, revision.commit, None, why), before)
    addresses = changed(before.resources, project.resources)
    return Base(ChangedSince(ref, revision.commit, addresses), before)
