"""Certification: the testing requirements of CHeKT's Arming Experience, run against a site of their own.

``certify`` runs them. Each requirement is one line of ``REQUIREMENTS`` and one function a model; none of
them ever touches production.
"""

from reconciler.certification.requirements import REQUIREMENTS, Requirement
from reconciler.certification.run import certify

__all__ = ["REQUIREMENTS", "Requirement", "certify"]
