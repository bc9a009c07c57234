"""Where each target is in the account: the remote ids of its dealer and site."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from reconciler.errors import RemoteError
from reconciler.manifests import Project
from reconciler.model import Address, LiveObject, Owned, Resource


class Place(NamedTuple):
    """Remote ids of a site and its dealer."""

    dealer_id: str
    site_id: str


class Lists(Protocol):
    """The part of ``model.Reader`` that is needed here."""

    def list(self, kind: str, parent_ids: tuple[str, ...]) -> Sequence[LiveObject]: ...


class Sites:
    """The places of a project's sites: as the manifest or the ledger names them, else as listed.

    A dealer's sites are listed at most once a run, where the ledger does not know one of them: by
    ``account_reference_id``, which is our external id (DESIGN section 5). Thread-safe.
    """

    def __init__(self, project: Project, owned: Mapping[Address, Owned], client: Lists) -> None:
        self._resources = {str(resource.address): resource for resource in project.resources}
        self._owned = owned
        self._client = client
        self._listed: dict[str, Mapping[str | None, str]] = {}
        self._lock = threading.Lock()
        self._found: dict[str, list[str]] = {}
        self._found_with = -1
        self._unlisted = False

    def place(self, address: str) -> Place:
        """Where the site ``address`` is. Raises RemoteError where the account has no such site."""
        site = self._resources[address]
        dealer = None if site.parent is None else self._resources.get(str(site.parent))
        if dealer is None or dealer.remote_id is None:
            raise RemoteError(
                f"{address} has no dealer", hint="Write `dealer:` in the site.", address=site.address
            )
        known = self._named(site) or self._sites_of(dealer.remote_id).get(site.external_id)
        if known is None:
            raise RemoteError(
                f"{address} is not in the account", hint="Run `reconciler apply` first.", address=site.address
            )
        return Place(dealer.remote_id, known)

    def find(self, site_id: str, among: Iterable[str]) -> Sequence[str] | None:
        """The addresses, of those in ``among``, that are ``site_id`` in the account; asks nobody.

        None where that cannot be told before the sites of a dealer have been listed. ``among`` has to be
        the same in every call.
        """
        listed = len(self._listed)
        if self._found_with != listed:
            known = [(self._known(address), address) for address in among]
            self._found = {}
            for remote_id, address in known:
                if remote_id:
                    self._found.setdefault(remote_id, []).append(address)
            self._unlisted = any(remote_id is None for remote_id, _ in known)
            self._found_with = listed
        found = self._found.get(site_id, ())
        return None if not found and self._unlisted else found

    def _known(self, address: str) -> str | None:
        """The remote id of a site, empty where the account has none; None: its dealer is not listed yet."""
        site = self._resources[address]
        dealer = None if site.parent is None else self._resources.get(str(site.parent))
        if dealer is None or dealer.remote_id is None:
            return ""
        named = self._named(site)
        if named is not None:
            return named
        listed = self._listed.get(dealer.remote_id)
        return None if listed is None else listed.get(site.external_id, "")

    def _named(self, site: Resource) -> str | None:
        """The remote id of ``site`` in the manifest or the ledger."""
        owned = self._owned.get(site.address)
        return site.remote_id or (None if owned is None else owned.remote_id)

    def _sites_of(self, dealer_id: str) -> Mapping[str | None, str]:
        """Remote id by external id; one that several sites share is left out."""
        with self._lock:
            if dealer_id not in self._listed:
                sites = self._client.list("site", (dealer_id,))
                names = [site.external_id for site in sites]
                self._listed[dealer_id] = {
                    site.external_id: site.remote_id for site in sites if names.count(site.external_id) == 1
                }
            return self._listed[dealer_id]
