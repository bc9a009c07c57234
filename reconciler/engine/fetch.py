"""Reads the part of the account that a run is about: all of it, or nothing and an error."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Self, TypeVar

from reconciler.engine.addressing import Addressing
from reconciler.engine.events import Event, ReadProgress
from reconciler.engine.references import Names
from reconciler.engine.width import EIGHT, Width
from reconciler.errors import ApiError, AuthError, PlanError
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import (
    MOST_IN_FLIGHT,
    Address,
    Collection,
    JsonValue,
    LiveObject,
    Owned,
    Reader,
    Resource,
    Snapshot,
)
from reconciler.planning import reads
from reconciler.planning.scope import Scope, collection_of, parent_of

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


def ignore(_: Event) -> None:
    """Tells nobody."""


def fetch(  # noqa: PLR0913  # what is read, what is known, and how, each by name
    reader: Reader,
    desired: Sequence[Resource],
    owned: Mapping[Address, Owned],
    surfaces: Surfaces,
    scope: Scope,
    *,
    width: Width = EIGHT,
    owned_prefix: str | None = None,
    doubtful: Container[Address] = (),
    on_event: Callable[[Event], None] = ignore,
) -> Snapshot:
    """What the account holds of ``scope``: the least that proves what a plan will say.

    One list a collection, parents before children; ``width`` requests at a time.
    ``owned_prefix``: external ids that begin with it are ours. ``doubtful``: addresses that several
    objects may claim; none of these gets it. Raises RemoteError for any failed read and PlanError for
    objects that claim one address; there is never a part of a snapshot.
    """
    with Reading(reader, desired, owned, surfaces, width, on_event, doubtful=doubtful) as reading:
        reading.dealers(reads.dealers(desired, owned, surfaces, scope))
        found = dict(reading.objects)
        found |= reading.collections(reads.first_collections(desired, owned, surfaces, scope))
        while found:
            under = reads.child_collections(desired, owned, surfaces, scope, found, owned_prefix=owned_prefix)
            found = reading.collections(under)
        reading.parts(reads.parts_to_read(desired, surfaces, scope, reading.objects))
        return reading.snapshot()


class Reading:
    """One reading of the account, in a bounded pool of threads.

    ``known``: objects read before, for the ids of parents and the names of reference targets.
    ``doubtful``: addresses that several objects may claim; none of them gets it then.
    """

    def __init__(
        self,
        reader: Reader,
        desired: Sequence[Resource],
        owned: Mapping[Address, Owned],
        surfaces: Surfaces,
        width: Width,
        on_event: Callable[[Event], None] = ignore,
        known: Mapping[Address, LiveObject] | None = None,
        doubtful: Container[Address] = (),
    ) -> None:
        self._reader = reader
        self._surfaces = surfaces
        self._addressing = Addressing(desired, owned, surfaces, doubtful)
        self._remote_ids = remote_ids(desired, owned, known or {})
        self._width = width
        self._pool = ThreadPoolExecutor(MOST_IN_FLIGHT, thread_name_prefix="read")
        self._progress = on_event
        self._listed: set[Collection] = set()
        self._requests = self._planned = self._done = 0
        self.objects: dict[Address, LiveObject] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # After a failure or Ctrl-C nobody wants the answers that are still under way.
        self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def dealers(self, addresses: Iterable[Address]) -> None:
        """Read the objects that are read one by one, by the remote id their manifest names."""
        asked = [address for address in addresses if address in self._remote_ids]
        answers = self._ask(asked, lambda address: self._reader.read(address.kind, self.ids(address)))
        self.objects |= {address: live for address, live in answers if live is not None}
        self._requests += len(asked)

    def collections(self, collections: Iterable[Collection]) -> dict[Address, LiveObject]:
        """List what was not listed yet; the objects found."""
        asked = [collection for collection in collections if collection not in self._listed]
        found: dict[Address, LiveObject] = {}
        for collection, lives in self._ask(asked, self._list):
            self._listed.add(collection)
            self._requests += self._cost(collection)
            found |= self._addressing.assign(collection, lives, self._remote_ids)
        self._remote_ids |= {address: live.remote_id for address, live in found.items()}
        self.objects |= found
        return found

    def parts(self, asked: Sequence[tuple[Address, str]]) -> None:
        """Read singletons and merge their fields into the objects they belong to."""
        for (address, _), fields in self._ask(asked, self._part):
            live = self.objects[address]
            merged: dict[str, JsonValue] = {**live.fields, **fields}
            self.objects[address] = LiveObject(live.kind, live.remote_id, live.external_id, merged)
            self._requests += 1

    def snapshot(self) -> Snapshot:
        """All that was read, with references as addresses."""
        # What the ledger remembers of a listed collection gives way to what the list said.
        names = Names(
            {
                address: remote_id
                for address, remote_id in self._remote_ids.items()
                if address in self.objects or collection_of(address) not in self._listed
            }
        )
        objects = {address: names.resolved(address, live) for address, live in sorted(self.objects.items())}
        return Snapshot(objects, frozenset(self._listed), self._requests)

    def ids(self, address: Address | None) -> tuple[str, ...]:
        """The remote ids of ``address`` and its ancestors, outermost first; () for None."""
        return ids_of(address, self._remote_ids)

    def _list(self, collection: Collection) -> Sequence[LiveObject]:
        ids = self.ids(collection.parent)
        try:
            return self._reader.list(collection.kind, ids)
        except (ApiError, AuthError) as exc:
            above = "".join(f"{step}/" for step in collection.parent.path) if collection.parent else ""
            way_out = f"To leave out what cannot be read: --exclude '{collection.kind}:{above}**'."
            exc.hint = f"{exc.hint} {way_out}".strip()
            raise

    def _part(self, asked: tuple[Address, str]) -> Mapping[str, JsonValue]:
        address, part = asked
        return self._reader.read_part(address.kind, part, self.ids(address))

    def _cost(self, collection: Collection) -> int:
        binding = self._surfaces.binding(collection.kind)
        return len(binding.lists) if binding is not None else 0

    def _ask(
        self, asked: Sequence[_Asked], question: Callable[[_Asked], _Answer]
    ) -> list[tuple[_Asked, _Answer]]:
        """Every answer, in the order asked. The first error ends the reading and is raised."""
        self._planned += len(asked)
        left = iter(asked)
        futures: list[Future[_Answer]] = []
        running: set[Future[_Answer]] = set()
        while True:
            begun = [
                self._pool.submit(question, each)
                for each in islice(left, max(0, self._width() - len(running)))
            ]
            futures += begun
            running.update(begun)
            if not running:
                break
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                future.result()
                self._done += 1
                self._progress(ReadProgress(self._done, self._planned))
        return [(each, future.result()) for each, future in zip(asked, futures, strict=True)]


def remote_ids(
    desired: Iterable[Resource], owned: Mapping[Address, Owned], objects: Mapping[Address, LiveObject]
) -> dict[Address, str]:
    """What is known of remote ids: as read, else as the manifest names them, else as recorded."""
    known = {address: row.remote_id for address, row in owned.items() if row.remote_id is not None}
    known |= {each.address: each.remote_id for each in desired if each.remote_id is not None}
    return known | {address: live.remote_id for address, live in objects.items()}


def ids_of(address: Address | None, known: Mapping[Address, str]) -> tuple[str, ...]:
    """The remote ids of ``address`` and its ancestors, outermost first; () for None.

    Raises PlanError where one of them is not known.
    """
    if address is None:
        return ()
    if address not in known:
        raise PlanError(
            f"CHeKT's id of {address} is not known",
            hint=f"Declare the {address.kind} and name its id, or let it be created first.",
            address=address,
        )
    return (*ids_of(parent_of(address), known), known[address])
