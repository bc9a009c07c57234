"""Who owns arming in a project: CHeKT, or the partner's own system. Never both."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.errors import UnsupportedError
from reconciler.manifests.project import Project
from reconciler.manifests.settings import ArmingModel

_REASONS: Mapping[ArmingModel, tuple[str, str]] = {
    "chekt_triggered": (
        (
            "this project is partner_triggered: the partner's own system decides when sites are armed, and "
            "CHeKT forbids mixing both models"
        ),
        "Arm from the partner's system, or set arming_model: chekt_triggered to arm by schedules.",
    ),
    "partner_triggered": (
        (
            "this project is chekt_triggered: CHeKT owns the arming state and tells the partner of it, and "
            "forbids mixing both models"
        ),
        "Let `reconciler enforce` arm the sites, or set arming_model: partner_triggered to report states.",
    ),
}


def check_model(project: Project, needed: ArmingModel) -> None:
    """Raises UnsupportedError where ``project`` is not of the model a command belongs to.

    A partner chooses one model for all of its sites (chekt-api/README.md section 4.7).
    """
    if project.arming_model != needed:
        message, hint = _REASONS[needed]
        raise UnsupportedError(message, hint=hint)
