"""A whole receiver of one project: port, inbox and consumers, opened together and closed in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace

from reconciler.errors import ConfigError, LedgerError
from reconciler.ledger import Ledger, Lock
from reconciler.listening.admission import Admission, Refusal
from reconciler.listening.endpoints import Received
from reconciler.listening.group_commit import GroupCommit
from reconciler.listening.lane import Lane, Patience
from reconciler.listening.opening import Opener, place_of, settings_of
from reconciler.listening.receiver import Heard, Receiver
from reconciler.listening.server import Limits
from reconciler.manifests import Project
from reconciler.manifests.listen_settings import ListenSettings
from reconciler.runtime import Runtime, held_lock, store_of

GRACE_SECONDS = 10.0
"""For the attempts under way when the service stops; what has not ended then is left for the next start."""

ABANDONED_SECONDS = 5.0
"""For those attempts to notice that they are cut short."""

_UPKEEP_SECONDS = 600.0
_FORGOTTEN_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class Ears:
    """Who hears of what, on any thread.

    ``told``: sentences for a person. ``refused``: each refusal, and the address at the other end. ``write``:
    the lines of consumers that log. ``heard``: each new event after its commit, quickly.
    """

    told: Callable[[str], None]
    refused: Callable[[Refusal, str], None]
    write: Callable[[str], None]
    heard: Heard | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A receiver at work; ``ledger`` is its inbox, which ``commits`` writes to."""

    receiver: Receiver
    ledger: Ledger
    commits: GroupCommit
    settings: ListenSettings


def listening_lock(project: Project, runtime: Runtime, command: str) -> AbstractContextManager[Lock]:
    """The right to hand out the environment's events: one process at a time."""
    return held_lock(project, runtime, f"listen:{project.environment.name}", command)


@contextmanager
def open_service(
    project: Project,
    runtime: Runtime,
    ears: Ears,
    *,
    address: str | None = None,
    behind_proxy: bool = False,
    kept_for: Sequence[str] = (),
) -> Iterator[Service]:
    """The receiver that reconciler.yaml describes, at work until the block ends; the lock must be held.

    ``address`` and ``behind_proxy`` win over the settings. ``kept_for``: consumers besides those of the
    settings; whoever opens the service settles what they take. At the end what was taken is answered, the
    attempts under way have some seconds to end, and all that is known of them is written.

    Raises ConfigError for settings that do not go together and for an address in use, SecretError,
    LedgerError.
    """
    settings = settings_of(project)
    place = place_of(settings, address, behind_proxy=behind_proxy)
    opener = Opener(project, runtime)
    endpoints = [
        replace(endpoint, consumers=(*endpoint.consumers, *kept_for))
        for endpoint in opener.endpoints(settings)
    ]
    consumers = opener.consumers(settings, ears.write)
    with ExitStack() as stack:
        ledger = stack.enter_context(store_of(project, runtime).open(ears.told))
        commits = stack.enter_context(GroupCommit(ledger, runtime.clock))
        lanes = [
            Lane(endpoint, name, consumer, _patience(settings, endpoint, name), ledger, commits,
                 runtime.clock, ears.told)
            for (endpoint, name), consumer in consumers.items()
        ]  # fmt: skip

        def heard(received: Received) -> None:
            for lane in lanes:
                if lane.endpoint == received.endpoint:
                    lane.wake()
            if ears.heard is not None:
                ears.heard(received)

        try:
            receiver = Receiver(
                commits,
                Admission(endpoints, place.proxies),
                place.host,
                place.port,
                runtime.clock,
                limits=Limits(body=settings.max_body),
                heard=heard,
                refused=ears.refused,
            )
        except OSError as exc:
            raise ConfigError(
                f"{place.host} port {place.port} cannot be listened on: {exc.strerror or exc}",
                hint="Choose another `address` under `listen`, or end what listens there.",
            ) from exc
        serving = [(endpoint.name, name) for endpoint in endpoints for name in endpoint.consumers]
        stack.enter_context(_upkeep(commits, settings, serving, runtime, ears.told))
        stack.enter_context(_at_work(lanes))
        yield Service(stack.enter_context(receiver), ledger, commits, settings)


def _patience(settings: ListenSettings, endpoint: str, name: str) -> Patience:
    consumer = settings.endpoints[endpoint].consumers[name]
    return Patience(consumer.attempts, consumer.parallel)


@contextmanager
def _at_work(lanes: Sequence[Lane]) -> Iterator[None]:
    """The lanes from their start to the end of what they have begun."""
    for lane in lanes:
        lane.start()
    try:
        yield
    finally:
        for lane in lanes:
            lane.stop()
        until = time.monotonic() + GRACE_SECONDS
        slow = [lane for lane in lanes if not lane.join(until - time.monotonic())]
        for lane in slow:
            lane.abandon()
        for lane in slow:
            lane.join(ABANDONED_SECONDS)


@contextmanager
def _upkeep(
    commits: GroupCommit,
    settings: ListenSettings,
    serving: Sequence[tuple[str, str]],
    runtime: Runtime,
    told: Callable[[str], None],
) -> Iterator[None]:
    """Forget, now and then, what nobody needs any more; a little with each commit."""
    ending = threading.Event()

    def forget() -> None:
        while not ending.is_set():
            try:
                while _forget_some(commits, settings, serving, runtime) and not ending.is_set():
                    continue
            except LedgerError as exc:
                told(f"Old events are not forgotten: {exc.message}")
            ending.wait(_UPKEEP_SECONDS)

    thread = threading.Thread(target=forget, name="listen-upkeep", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def _forget_some(
    commits: GroupCommit, settings: ListenSettings, serving: Sequence[tuple[str, str]], runtime: Runtime
) -> bool:
    """Whether there may be more to forget. Raises LedgerError."""
    now = runtime.clock()
    bodies, events = now - settings.keep_bodies, now - settings.remember_events

    def forget(ledger: Ledger, _: object) -> int:
        return max(
            ledger.forget_bodies(bodies, _FORGOTTEN_TOGETHER, serving),
            ledger.forget_deliveries(events, _FORGOTTEN_TOGETHER, serving),
        )

    return commits.submit(forget).result() == _FORGOTTEN_TOGETHER
