"""One project's enforcement, opened: the targets under watch, the way to them, and the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from reconciler.account import Account, open_account
from reconciler.arming.project import Target, TargetKey, targets
from reconciler.enforcer.journal import LedgerJournal
from reconciler.enforcer.pace import Pace
from reconciler.enforcer.surface import DealerSurface
from reconciler.enforcer.watch import Watch
from reconciler.errors import LockedError
from reconciler.ledger import BranchStore, FileStore, Ledger, Lock
from reconciler.manifests import Project
from reconciler.manifests.arming_model import check_model
from reconciler.model import Address
from reconciler.places import Sites
from reconciler.planning.scope import Scope
from reconciler.runtime import Runtime, held_lock, store_of

_READING_SHARE = 0.25
"""Share of the request budget that reviews may take."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a loop needs to enforce ``account.project``.

    ``scheduled``: every target of the project that a schedule arms, those out of scope included.
    """

    account: Account
    watch: Watch
    port: DealerSurface
    journal: LedgerJournal
    scheduled: frozenset[TargetKey]


@contextmanager
def enforcement_lock(
    project: Project, runtime: Runtime, command: str, *, with_fleet: bool = False
) -> Iterator[Lock]:
    """The right to arm and disarm in the environment; apply has a lock of its own and may run meanwhile.

    ``with_fleet``: what is done under it may be done while workers arm; else they have that right, and
    LockedError is raised.
    """
    store = store_of(project, runtime)
    with held_lock(project, runtime, f"enforce:{project.environment.name}", command) as lock:
        if not with_fleet and not isinstance(store, (FileStore, BranchStore)):  # those nobody can share
            with store.open() as ledger:
                _refuse_fleet(ledger, project.environment.name)
        yield lock


def _refuse_fleet(ledger: Ledger, environment: str) -> None:
    if ledger.enforced() is not None:
        raise LockedError(
            f"environment {environment} is enforced by the workers of a fleet",
            hint="Leave it to them, `reconciler fleet status` shows how they are; "
            f"`reconciler fleet release --env {environment}` ends that.",
        )


@contextmanager
def open_session(
    project: Project, runtime: Runtime, scope: Scope, *, resumes: bool = False
) -> Iterator[Session]:
    """Everything to enforce ``project`` inside ``scope``; the enforcement lock must be held.

    ``resumes``: the sessions before it count as one with it: what they saw as it should be is looked at when
    it is due again, not to begin with.

    Raises UnsupportedError for a partner-triggered project, AuthError without dealer keys, LedgerError,
    ManifestError, PlanError where ``scope`` names no site.
    """
    check_model(project, "chekt_triggered")
    with open_account(project, runtime, "dealer") as account:
        sites = Sites(project, account.ledger.owned(), account.client)
        journal = LedgerJournal(account.ledger)
        found = targets_of(project, scope)
        scheduled = frozenset(each.key for each in targets(project.resources, project.attachments))
        pace = review_pace(account, found)
        if resumes:
            pace = replace(pace, recent=pace.review or timedelta())
        watch = Watch(found, journal.recall(), runtime.clock(), pace)
        with DealerSurface(account.client, sites, runtime.clock, workers=_workers(project)) as port:
            yield Session(account, watch, port, journal, scheduled)


def targets_of(project: Project, scope: Scope) -> list[Target]:
    """The targets of ``project`` inside ``scope``.

    Raises ManifestError, PlanError where ``scope`` names no site: a slip of the pen must not arm nothing.
    """
    scope.check(resource.address for resource in project.resources if resource.address.kind == "site")
    found = targets(project.resources, project.attachments)
    return [target for target in found if scope.covers(Address.parse(target.address))]


def review_pace(account: Account, found: list[Target]) -> Pace:
    """Reviews as often as usual, or as a quarter of the request budget of the largest dealer allows."""
    parents = {str(resource.address): resource.parent for resource in account.project.resources}
    of_dealer: dict[Address | None, int] = {}
    for target in found:
        dealer = parents.get(target.address)
        of_dealer[dealer] = of_dealer.get(dealer, 0) + 1
    minutes = max(of_dealer.values(), default=0) / (account.rate_per_minute * _READING_SHARE)
    usual, least = Pace(), timedelta(minutes=minutes)
    assert usual.review is not None
    # A fleet that can be read within a minute is read by every run of a one-minute cron.
    recent = least if least > timedelta(seconds=50) else timedelta()
    return Pace(max(usual.review, least), max(usual.watched, least), recent)


def _workers(project: Project) -> int:
    """The simulator in this process answers one request at a time anyway."""
    return 1 if project.environment.is_embedded else 16
