"""What becomes of objects that no manifest declares: deleted when ours, else listed and left alone."""

from __future__ import annotations

from reconciler.kinds import REGISTRY
from reconciler.model import Action, Address, Change, LiveObject
from reconciler.planning.digest import precondition
from reconciler.planning.endpoints import Calls
from reconciler.planning.ownership import owns, twins
from reconciler.planning.safety import Circumstances
from reconciler.planning.scope import chain, collection_of, parent_of

GONE_FROM_MANIFESTS = "no manifest declares it any more"


class Undeclared:
    """The changes, warnings and unmanaged objects that follow from what is not declared.

    ``going``: addresses that an apply would delete.
    """

    def __init__(self, around: Circumstances, calls: Calls) -> None:
        self._around = around
        self._calls = calls
        self.changes: list[Change] = []
        self.unmanaged: list[Address] = []
        self.warnings: list[str] = []
        self._twins = twins(around.snapshot.objects, around.desired, around.owned)
        for address, live in around.snapshot.objects.items():
            if address not in around.desired and around.scope.covers(address):
                self._seen(address, live)
        for address in around.owned:
            if address not in around.desired and around.scope.covers(address):
                self._recorded(address)
        self.going = frozenset(each.address for each in self.changes if each.action is Action.DELETE)

    def _seen(self, address: Address, live: LiveObject) -> None:
        around, kind = self._around, REGISTRY[address.kind]
        binding = around.surfaces.binding(kind.name)
        if address in self._twins:
            self.unmanaged.append(address)
            if self._twins[address] in around.snapshot.objects:
                self.warnings.append(
                    f"{address} has the external id of {self._twins[address]} and is another object, "
                    f"{live.remote_id}: it is left alone; remove it in the portal if it is a mistake"
                )
        elif not owns(address, live, around.owned, around.policy.owned_prefix):
            self.unmanaged.append(address)
        elif kind.adopted or binding is None:
            return
        elif binding.create is None and binding.delete is None:
            self.warnings.append(
                f"{address} is no longer declared; the {around.surfaces.surface} surface cannot delete it, "
                "so it is released and stays as it is"
            )
        elif collection_of(address) not in around.snapshot.collections:
            return
        else:
            self._delete(address, live)

    def _delete(self, address: Address, live: LiveObject) -> None:
        uses = self._calls.uses(address.kind, Action.DELETE, ())
        if uses is None:
            self.changes.append(removal_by_hand(address, "the API offers no way to delete it"))
            return
        self.changes.append(
            Change(
                address,
                Action.DELETE,
                precondition=precondition(live),
                endpoints=uses,
                reason=GONE_FROM_MANIFESTS,
            )
        )

    def _recorded(self, address: Address) -> None:
        """A ledger row without a manifest: what only the portal keeps, and dealers."""
        kind = REGISTRY.get(address.kind)
        if kind is None:
            return
        if kind.adopted:
            self.warnings.append(self._released(address))
        elif (
            self._around.surfaces.binding(kind.name) is None
            and self._around.owned[address].attested is not None
        ):
            self.changes.append(removal_by_hand(address, GONE_FROM_MANIFESTS))

    def _released(self, address: Address) -> str:
        below = sum(each != address and address in chain(each) for each in self._around.owned)
        if not below:
            return f"{address} is no longer declared; it stays connected and is released"
        return f"{address} is no longer declared; it stays connected, {below} owned resources are below it"


def removal_by_hand(address: Address, reason: str) -> Change:
    """A manual change: a person has to remove the resource in the portal, and say so."""
    kind, parent = REGISTRY[address.kind], parent_of(address)
    where = f" of {parent.id}" if parent is not None else ""
    steps = (
        f"In the portal, remove the {kind.title.lower()} {address.id}{where}.",
        f"Then run: reconciler attest {address}",
    )
    return Change(address, Action.MANUAL, reason=reason, steps=steps)
