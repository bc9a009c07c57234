"""``--changed-since``: what the manifests say otherwise than at a git revision."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.errors import PlanError, ReconcilerError

if TYPE_CHECKING:  # start-up stays instant
    from reconciler.cli.options import Reading
    from reconciler.manifests import Project
    from reconciler.model import ChangedSince


def comparison(reading: Reading, project: Project, ref: str) -> ChangedSince:
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
        return ChangedSince(ref, revision.commit, None, why)
    if not decide_alike(before, project):
        return ChangedSince(ref, revision.commit, None, "reconciler.yaml has new rules or another account")
    return ChangedSince(ref, revision.commit, changed(before.resources, project.resources))


def unlimited(since: ChangedSince, error: PlanError) -> ChangedSince:
    """``since`` for a plan of everything, since for what changed alone there is none."""
    return replace(since, addresses=None, why=f"what changed cannot be planned alone ({error.message})")
