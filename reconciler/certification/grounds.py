"""Where a certification may run: never in production, and only on a site that is named for it."""

from __future__ import annotations

from urllib.parse import urlsplit

from reconciler.errors import ConfigError, PlanError
from reconciler.manifests import Project
from reconciler.model import Address, Resource
from reconciler.urls import is_loopback

DEV_HOST = "api.chektdev.com"
"""CHeKT's own sandbox: isolated data, no real monitoring centre (chekt-api/README.md section 1.1)."""

NAMED = "certif"
"""What the id of a site must hold before it is armed and disarmed for a certification."""

EMBEDDED = "the embedded sandbox"


def host_of(project: Project) -> str:
    """The host that the project's environment reaches, as the certificate names it.

    Raises ConfigError for any host but the embedded sandbox, this machine and CHeKT's dev host. Nothing
    lifts that: a certification arms, disarms and raises alarms.
    """
    environment = project.environment
    if environment.base_url is None:
        return EMBEDDED
    host = (urlsplit(environment.base_url).hostname or "").rstrip(".").lower()
    if host != DEV_HOST and not is_loopback(environment.base_url):
        raise ConfigError(
            f"environment {environment.name} is {host}, and a certification never runs there: "
            "it arms, disarms and sets off",
            hint=f"Choose --env embedded, a `reconciler sandbox serve` on this machine, or {DEV_HOST}.",
        )
    return host


def site_of(project: Project, written: str | None) -> Resource:
    """The site to certify on: the one ``written`` (an address), else the only one named for it.

    Raises ConfigError for text that is no address, PlanError for a site that does not exist, is not named
    for a certification, or is not the only one.
    """
    sites = {resource.address: resource for resource in project.resources if resource.address.kind == "site"}
    named = [address for address in sites if NAMED in address.id]
    if written is None:
        if len(named) == 1:
            return sites[named[0]]
        told = f"{len(named)} sites are: {', '.join(map(str, named))}" if named else "no site is"
        raise PlanError(
            f"which site is to be certified? {told} named for it",
            hint=f"Name one with --site, or declare a site whose id holds {NAMED!r}, such as certification.",
        )
    address = _address(written)
    if address not in sites:
        raise PlanError(f"the project declares no {address}", hint="Write --site as the plan does.")
    if address not in named:
        raise PlanError(
            f"{address} is not named for a certification, so it is left alone",
            hint=f"Use a site whose id holds {NAMED!r}: it is armed, disarmed and set off.",
            address=address,
        )
    return sites[address]


def _address(written: str) -> Address:
    try:
        return Address.parse(written)
    except ValueError as exc:
        raise ConfigError(str(exc), hint="Write --site site:acme/certification.") from exc
