"""One certification: opens the site, runs the requirements one after the other, puts everything back."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from reconciler.account import open_account
from reconciler.certificate import Certificate, Finding, Verdict
from reconciler.certification import grounds
from reconciler.certification.bench import Bench
from reconciler.certification.field import Field
from reconciler.certification.found import Found
from reconciler.certification.inbox import EVENT, Inbox
from reconciler.certification.record import NeedsPersonError, NotMetError, Record
from reconciler.certification.reports import Reports
from reconciler.certification.requirements import Requirement, asked_of
from reconciler.chekt import wire
from reconciler.connecting import data_directory, simulator
from reconciler.enforcer.session import enforcement_lock
from reconciler.errors import PlanError, RemoteError
from reconciler.manifests import Project
from reconciler.model import Resource
from reconciler.observer import Observers
from reconciler.places import Sites
from reconciler.runtime import Runtime

if TYPE_CHECKING:
    from reconciler.connecting import Way

_SETTLED = ("disarmed", "armed", "armed_away", "armed_stay", "armed_night", "arm_failure")

_SWITCHES_PUT_BACK = (
    "An earlier certification was killed: the sandbox's switches, doors and codes were put back first."
)


def certify(
    project: Project,
    runtime: Runtime,
    site: str | None = None,
    only: Sequence[str] = (),
    *,
    told: Callable[[Finding], None] = lambda _: None,
    way: Way | None = None,
) -> Certificate:
    """Run the requirements of the project's arming model on ``site`` (an address), or those named ``only``.

    ``told`` hears of each finding when it is there. ``way``: into a simulator that is open already.

    Holds the environment's enforcement lock. Whatever happens, Ctrl-C included, the site is put back; should
    this process be killed, by the next certification, which says so in its remarks. Raises
    ConfigError for a host that no certification runs on, PlanError for the site or a requirement's name,
    AuthError, LockedError, RemoteError where the site cannot be read to begin with.
    """
    host = grounds.host_of(project)
    chosen = grounds.site_of(project, site)
    requirements = _chosen(project, only)
    record = Record(runtime.clock)
    observed = replace(runtime, observer=Observers((runtime.observer, record)))
    started_at = runtime.clock()
    findings: list[Finding] = []
    remarks: list[str] = []
    with enforcement_lock(project, runtime, "certify"), ExitStack() as stack:
        left = Found(
            data_directory(project) / f"certify-{project.environment.name}.json",
            {"host": host, "site": str(chosen.address)},
        )
        bench = stack.enter_context(_bench(project, observed, chosen, record, way, left, remarks))
        _put_back_what_was_found(bench, left, remarks)
        with _put_back(bench, left, remarks):
            for requirement in requirements:
                finding = _find(requirement, project, bench)
                findings.append(finding)
                told(finding)
        site_id = bench.place.site_id
    return Certificate(
        project.environment.name,
        host,
        project.arming_model,
        chosen.address,
        site_id,
        started_at,
        runtime.clock(),
        tuple(findings),
        tuple(remarks),
        tuple(each.name for each in asked_of(project.arming_model) if each not in requirements),
    )


def _chosen(project: Project, only: Sequence[str]) -> tuple[Requirement, ...]:
    asked = asked_of(project.arming_model)
    names = [requirement.name for requirement in asked]
    for name in only:
        if name not in names:
            raise PlanError(
                f"a {project.arming_model} project has no requirement {name!r}",
                hint=f"Choose of {', '.join(names)}.",
            )
    return tuple(each for each in asked if not only or each.name in only)


@contextmanager
def _bench(
    project: Project,
    runtime: Runtime,
    site: Resource,
    record: Record,
    way: Way | None,
    left: Found,
    remarks: list[str],
) -> Iterator[Bench]:
    """The site with all that drives it: the API, and on the simulator the field and our receiver."""
    environment = project.environment
    with ExitStack() as stack:
        if way is None and environment.is_embedded:
            way = stack.enter_context(simulator(project, runtime))
        dealer = stack.enter_context(open_account(project, runtime, "dealer", way))
        place = Sites(project, dealer.ledger.owned(), dealer.client).place(str(site.address))
        zone = site.fields.get("timezone")
        bench = Bench(
            dealer.client,
            place,
            ZoneInfo(zone) if isinstance(zone, str) else None,
            f"reconciler:certify@{uuid.uuid4().hex[:8]}",
            runtime.clock,
            runtime.sleep,
            record,
        )
        bench.find_partitions()
        if project.arming_model == "partner_triggered":
            partner = stack.enter_context(open_account(project, runtime, "partner", way))
            bench.reports = Reports(partner, site.address, place, record)
        if environment.base_url is None or grounds.host_of(project) != grounds.DEV_HOST:
            bench.field = Field(dealer.client, place.site_id, record, lambda found: left.keep("field", found))
            found = left.part("field")
            if wire.is_object(found):
                bench.field.restore_found(found)
                remarks.append(_SWITCHES_PUT_BACK)
            stack.callback(_restore, bench.field, left, remarks)
            if bench.reports is None:
                bench.inbox = stack.enter_context(Inbox(runtime.clock, record))
                bench.field.set_switches(deliveries="loopback", exit_delay=0.0)
                bench.field.hook(bench.inbox.url, [EVENT], bench.inbox.secret)
        yield bench


def _restore(field: Field, left: Found, remarks: list[str]) -> None:
    try:
        field.restore()
        left.settle("field")
    except RemoteError as exc:
        remarks.append(f"The sandbox's switches, doors and codes could not be put back: {exc.message}")


def _put_back_what_was_found(bench: Bench, left: Found, remarks: list[str]) -> None:
    """Put the site into the state that a certification that was killed found it in.

    Raises PlanError where it does not get there, RemoteError.
    """
    state = left.part("state")
    if not isinstance(state, str):
        return
    try:
        _leave(bench, state)
    except NotMetError as exc:
        raise PlanError(
            f"an earlier certification was killed, and the site cannot be put back to {state}: {exc}",
            hint="Look after the site, and run again.",
        ) from exc
    remarks.append(f"An earlier certification was killed: the site was put back to {state} first.")


@contextmanager
def _put_back(bench: Bench, left: Found, remarks: list[str]) -> Iterator[None]:
    """Leave the site in the state in which it was found. Raises PlanError for one that is no time to test."""
    found = bench.seen()
    if found not in _SETTLED:
        raise PlanError(
            f"the site is {found}: this is no time for a certification",
            hint="Disarm it, wait until it is settled, and run again.",
        )
    panel = bench.field.panel() if bench.field is not None else found
    state = "armed_away" if panel == "armed" else "disarmed" if panel == "arm_failure" else panel
    left.keep("state", state)
    try:
        yield
    finally:
        try:
            _leave(bench, state)
            left.settle("state")
        except (NotMetError, RemoteError) as exc:
            remarks.append(f"The site could not be put back to {state}: {exc}. Look after it.")


def _leave(bench: Bench, state: str) -> None:
    """Put the site into ``state``. Raises NotMetError, RemoteError."""
    bench.disarm()
    if state != "disarmed":
        _arm_again(bench, state)


def _arm_again(bench: Bench, state: str) -> None:
    if bench.field is not None:
        bench.field.put(state)
    elif bench.reports is not None:
        bench.report(state)
    else:
        bench.accepted(state)
    bench.expect(state)


def _find(requirement: Requirement, project: Project, bench: Bench) -> Finding:
    """Run one requirement from a disarmed site, and judge it."""
    began = bench.clock()
    verdict, message = Verdict.PASSED, ""
    steps: tuple[str, ...] = ()
    try:
        bench.disarm()
        bench.record.take()
        requirement.checks[project.arming_model](bench)
    except NeedsPersonError as exc:
        verdict, message, steps = Verdict.MANUAL, str(exc), exc.steps
    except NotMetError as exc:
        verdict, message = Verdict.FAILED, str(exc)
    except RemoteError as exc:
        verdict, message = Verdict.FAILED, exc.message
    return Finding(
        requirement.name,
        requirement.title,
        requirement.proves,
        requirement.demand,
        verdict,
        message,
        steps,
        bench.record.take(),
        began,
        (bench.clock() - began).total_seconds(),
    )
