"""The way to the targets of a real account, or of the sandbox: the dealer surface (DESIGN section 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

from reconciler.arming.project import Target
from reconciler.chekt import arming
from reconciler.chekt.client import Client
from reconciler.enforcer import pace
from reconciler.enforcer.port import Observation, Order, Reply
from reconciler.errors import RemoteError
from reconciler.places import Sites

WORKERS = 16

In = TypeVar("In")
Out = TypeVar("Out")


class DealerSurface(AbstractContextManager["DealerSurface"]):
    """``port.ArmingPort`` over a client of the dealer surface; a context manager.

    Requests of one round run in a pool, begun in the order given. ``clock``: aware, UTC. ``places``: of the
    sites in the account.
    """

    def __init__(
        self, client: Client, sites: Sites, clock: Callable[[], datetime], workers: int = WORKERS
    ) -> None:
        self._client = client
        self._observer = client.connection.observer
        self.places = sites
        self._clock = clock
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="arming") if workers > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def now(self) -> datetime:
        return self._clock()

    def observe(self, targets: Sequence[Target]) -> Sequence[Observation]:
        """One request a site, however many of its partitions are asked about."""
        groups: dict[tuple[str, bool], list[Target]] = {}
        for target in targets:
            groups.setdefault((target.address, target.partition is None), []).append(target)
        found = {}
        for group, seen in zip(groups.values(), self._each(self._observe, groups.values()), strict=True):
            found.update({target.key: seen[target.partition] for target in group})
        return [found[target.key] for target in targets]

    def command(self, orders: Sequence[Order]) -> Sequence[Reply]:
        return self._each(self._command, orders)

    def open_zones(self, target: Target, since: datetime) -> Sequence[str]:
        """As the site's activity log names them; none where it cannot be read."""
        margin = pace.CLOCK_TOLERANCE
        try:
            with self._observer.doing("look", address=target.address):
                place = self.places.place(target.address)
                zones = arming.failed_zones(
                    self._client, place.dealer_id, place.site_id, since - margin, self._clock() + margin
                )
        except RemoteError:
            return ()  # the alert goes out without the name
        return [self._named(zone) for zone in zones]

    def _each(self, act: Callable[[In], Out], over: Iterable[In]) -> list[Out]:
        return list(map(act, over) if self._pool is None else self._pool.map(act, over))

    def _observe(self, group: Sequence[Target]) -> Mapping[int | None, Observation]:
        """The targets of one site, by partition."""
        with self._observer.doing("look", address=group[0].address):
            return self._read(group)

    def _read(self, group: Sequence[Target]) -> Mapping[int | None, Observation]:
        try:
            place = self.places.place(group[0].address)
            if group[0].partition is None:
                state = arming.site_state(self._client, place.dealer_id, place.site_id, once=True)
                return {None: self._seen(state)}
            states = arming.partition_states(self._client, place.dealer_id, place.site_id, once=True)
        except RemoteError as exc:
            return {target.partition: self._unseen(exc) for target in group}
        known = {state.partition_id: state for state in states}
        return {
            target.partition: self._seen(known[str(target.partition)])
            if str(target.partition) in known
            else self._unseen(RemoteError(f"{target.address} has no partition {target.partition}"))
            for target in group
        }

    def _seen(self, state: arming.ArmingState) -> Observation:
        return Observation(
            state.status,
            self._clock(),
            said=self._client.transport.shown(state.said),
            changed_at=state.changed_at,
            by=state.by and self._client.transport.shown(state.by),
            open_zones=tuple(self._named(zone) for zone in state.zones if zone.open and not zone.bypassed),
            server_time=state.server_time,
        )

    def _named(self, zone: arming.Zone) -> str:
        parts = [part for part in (zone.number and f"zone {zone.number}", zone.name) if part]
        return self._client.transport.shown(" ".join(parts) or "a zone without a name")

    def _unseen(self, error: RemoteError) -> Observation:
        problem = f"{error.message}. {error.hint}" if error.hint else error.message
        return Observation("unknown", self._clock(), problem=problem)

    def _command(self, order: Order) -> Reply:
        """The order sent, a piece of work that logs and spans name by its site."""
        with self._observer.doing(order.action, address=order.target.address, operation=order.action):
            return self._send(order)

    def _send(self, order: Order) -> Reply:
        try:
            place = self.places.place(order.target.address)
        except RemoteError as exc:
            return Reply("not_sent", self._clock(), exc.message)
        sent_at = self._clock()
        if order.not_after is not None and sent_at >= order.not_after:
            return Reply("not_sent", sent_at, "its time has passed")
        partition = order.target.partition
        command = arming.Command(
            order.action,
            order.user,
            order.idempotency_key,
            mode=order.state.mode,
            partition_ids=() if partition is None else (str(partition),),
        )
        result = arming.send(self._client, place.dealer_id, place.site_id, command)
        if result.error is None:
            return Reply("accepted", sent_at, result.said)
        if result.ambiguous:
            return Reply("unknown", sent_at, result.error)
        refused = result.status is not None and result.status != 429
        return Reply("refused" if refused else "not_sent", sent_at, result.error)
