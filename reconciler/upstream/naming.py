"""The site and the contact that a person named, as addresses of the project."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from reconciler.account import Account
from reconciler.errors import ConfigError, RemoteError
from reconciler.manifests import Project
from reconciler.model import Address
from reconciler.places import Place


def named_site(project: Project, text: str) -> Address:
    """The site that ``text`` names: ``site:acme/hq``, or ``hq`` where one alone is called so. ConfigError."""
    sites = [each.address for each in project.resources if each.address.kind == "site"]
    return _named("SITE", "site", text, sites, "this project")


def named_contact(account: Account, site: Address, text: str) -> Address:
    """The contact of ``site`` that ``text`` names, declared or owned. Raises ConfigError.

    A contact of another site is refused: it must not answer for this one.
    """
    known = {each.address for each in account.project.resources} | account.ledger.owned().keys()
    contacts = {address for address in known if address.kind == "contact"}
    own = {address for address in contacts if address.path[:-1] == site.path}
    foreign = next((each for each in contacts - own if str(each) == text), None)
    if foreign is not None:
        raise ConfigError(
            f"--contact {foreign} belongs to site:{'/'.join(foreign.path[:-1])}, not to {site}",
            hint=_choices(own) or f"{site} has no contact.",
        )
    return _named("--contact", "contact", text, own, str(site))


def contact_id(account: Account, contact: Address, place: Place) -> str:
    """CHeKT's id of ``contact``: from the ledger or the manifest, else looked up. Raises RemoteError."""
    resource = next((each for each in account.project.resources if each.address == contact), None)
    owned = account.ledger.owned().get(contact)
    known = owned.remote_id if owned is not None else None
    if known is None and resource is not None:
        known = resource.remote_id
    if known is None:
        external_id = resource.external_id if resource is not None else contact.id
        live = account.client.list("contact", (place.dealer_id, place.site_id))
        found = [each.remote_id for each in live if each.external_id == external_id]
        known = found[0] if len(found) == 1 else None
    if known is None:
        raise RemoteError(
            f"{contact} is not in the account", hint="Run `reconciler apply` first.", address=contact
        )
    return known


def _named(option: str, kind: str, text: str, known: Iterable[Address], where: str) -> Address:
    addresses = sorted(known)
    found = [each for each in addresses if text in (str(each), each.id, "/".join(each.path))]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"{option} {text} is the name of several: {', '.join(map(str, found))}")
    spellings = {name: each for each in addresses for name in (str(each), each.id)}
    near = {spellings[name] for name in difflib.get_close_matches(text, spellings, n=3)}
    raise ConfigError(
        f"{option}: there is no {kind} {text} in {where}", hint=_choices(near or addresses[:10])
    )


def _choices(addresses: Iterable[Address]) -> str:
    names = ", ".join(str(each) for each in sorted(addresses))
    return f"Write one of {names}." if names else ""
