"""What a requirement works with: the site, the calls of the model, the states that are seen, and time."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import TypeVar

from reconciler.certification.field import Field
from reconciler.certification.inbox import Inbox
from reconciler.certification.record import NeedsPersonError, NotMetError, Record
from reconciler.certification.reports import USER, Reports
from reconciler.chekt import arming
from reconciler.chekt.arming import CommandResult
from reconciler.chekt.client import Client
from reconciler.errors import ApiError, RemoteError
from reconciler.listening import ArmingEvent
from reconciler.model import JsonValue
from reconciler.places import Place
from reconciler.times import utc_text

SETTLE = 5.0
"""Seconds within which a state has to arrive on the other side (chekt-api/README.md section 4.7)."""

POLL = 0.2
"""Seconds between two looks."""

REST = 0.4
"""Seconds of rest between what was and what is to be tested, so that what is under way arrives."""

EXIT_DELAY, ENTRY_DELAY = 2.0, 3.0
"""Seconds that the sandbox's panel gives people to leave and to enter, while that is looked at."""

ARMED = ("armed_away", "armed_stay", "armed_night")

Seen = TypeVar("Seen")


@dataclass(slots=True)
class Bench:
    """One site and everything around it. ``dealer``: a client of the dealer surface.

    ``reports`` is None in a CHeKT-triggered project; ``field`` is None on a host that is not the simulator;
    ``inbox`` is there where CHeKT tells us of changes. ``zone``: the site's time zone, None where the
    manifest says none. ``user``: the label of our commands. ``sleep`` takes seconds.
    """

    dealer: Client
    place: Place
    zone: tzinfo | None
    user: str
    clock: Callable[[], datetime]
    sleep: Callable[[float], object]
    record: Record
    reports: Reports | None = None
    field: Field | None = None
    inbox: Inbox | None = None
    partitions: tuple[str, ...] = ()

    # What is seen

    def find_partitions(self) -> None:
        """See whether the site is armed as a whole or by partition. Raises RemoteError."""
        try:
            arming.site_state(self.dealer, *self.place, once=True)
        except ApiError:
            states = arming.partition_states(self.dealer, *self.place, once=True)
            self.partitions = tuple(state.partition_id or "" for state in states)

    def states(self) -> tuple[arming.ArmingState, ...]:
        """The state of the site, or of each partition. Raises RemoteError."""
        if self.partitions:
            return arming.partition_states(self.dealer, *self.place, once=True)
        return (arming.site_state(self.dealer, *self.place, once=True),)

    def seen(self) -> str:
        """The state as the API tells it; of partitions that differ, each."""
        return ", ".join(dict.fromkeys(state.status for state in self.states()))

    def wait(self, look: Callable[[], Seen | None], within: float = SETTLE) -> Seen | None:
        """What ``look`` finds, tried until ``within`` seconds have passed; None where it finds nothing.

        A look that fails has found nothing.
        """
        until = self.clock() + timedelta(seconds=within)
        while True:
            last = self.clock() >= until
            if self.field is not None and self.inbox is not None:
                self.field.deliver()
            try:
                found = look()
            except RemoteError:
                found = None
            if found is not None or last:
                return found
            self.sleep(POLL)

    def expect(self, state: str, within: float = SETTLE) -> float:
        """See ``state`` within so many seconds, at the panel too where it can be asked; the seconds it took.

        Raises NotMetError. A surface that says ``armed`` alone tells no modes: then the panel does, where it
        can be asked.
        """
        began = self.clock()
        found: list[str] = []

        def look() -> bool | None:
            api = self.seen()
            panel = None if self.field is None else self.field.panel()
            found[:] = [api if panel is None else f"{api} (the panel: {panel})"]
            return True if _is(api, state) and panel in (None, state) else None

        if self.wait(look, within) is None:
            told = found[0] if found else "no state at all"
            raise NotMetError(f"{state} was not reached within {within:g} s: the state is {told}")
        seconds = (self.clock() - began).total_seconds()
        self.record.note("state", f"{found[0]}, after {seconds:.1f} s")
        return seconds

    def stays(self, state: str, seconds: float) -> None:
        """See nothing but ``state`` for so many seconds. Raises NotMetError."""

        def other() -> str | None:
            api = self.seen()
            return None if _is(api, state) else api

        changed = self.wait(other, seconds)
        if changed is not None or not _is(last := self.seen(), state):
            raise NotMetError(f"{state} did not last {seconds:g} s: the state is {changed or last}")
        self.record.note("state", f"{state}, still after {seconds:g} s")

    def told(self, state: str, within: float = SETTLE, since: datetime | None = None) -> ArmingEvent | None:
        """The webhook that tells of ``state``, reached after ``since``; None without an inbox.

        Raises NotMetError where none comes.
        """
        if self.inbox is None:
            return None
        inbox = self.inbox

        def look() -> ArmingEvent | None:
            found = (event for event in inbox.events() if event.state == state)
            return next(
                (each for each in found if since is None or each.at is None or each.at >= since), None
            )

        event = self.wait(look, within)
        if event is None:
            raise NotMetError(f"no webhook told of {state} within {within:g} s")
        return event

    def log(self, since: datetime) -> tuple[arming.LogRow, ...]:
        """The rows of the activity log about arming since then, newest first. Raises RemoteError.

        Clocks may differ by a moment at the end; at the beginning it is the site's rest that parts what was
        from what is.
        """
        until = self.clock() + timedelta(seconds=SETTLE)
        rows = arming.log_rows(self.dealer, *self.place, since - timedelta(seconds=REST / 2), until)
        return tuple(row for row in rows if row.status != "unknown")

    def times_are(self, expected: datetime, within: float = SETTLE) -> None:
        """See that the newest change is told to have been at ``expected``, give or take. Raises NotMetError.

        By the log, and by the arming state where it tells a time: of partitions it tells none.
        """

        def newest() -> arming.LogRow | None:
            return next((row for row in self.log(expected) if row.at is not None), None)

        row = self.wait(newest)
        self.close_to(expected, row.at if row else None, "the activity log", within)
        told = [state.changed_at for state in self.states() if state.changed_at is not None]
        if told:
            self.close_to(expected, max(told), "the arming state", within)

    def logged(self, since: datetime, user: str) -> None:
        """See that the newest change since then is in the activity log under ``user``. Raises NotMetError."""
        found: list[str] = []

        def look() -> bool | None:
            found[:] = [row.by or "nobody" for row in self.log(since)[:1]]
            return True if found == [user] else None

        if self.wait(look) is None:
            told = found[0] if found else "nobody"
            raise NotMetError(f"the activity log says that {told} did it, not {user}")
        self.record.note("state", f"the activity log names {user}")

    def shows_a_zone(self) -> None:
        """See that times of the site could be told from UTC. Raises NeedsPersonError where they could not."""
        offset = None if self.zone is None else self.clock().astimezone(self.zone).utcoffset()
        if not offset:
            raise NeedsPersonError(
                "the site's own clock shows UTC, so nothing could be told from it",
                ("Give the site a time zone away from UTC, such as Asia/Seoul, and run again.",),
            )

    def close_to(self, expected: datetime, told: datetime | None, where: str, within: float = SETTLE) -> None:
        """See that ``told`` is the instant ``expected``, give or take. Raises NotMetError."""
        if told is None or abs(told - expected) > timedelta(seconds=within):
            text = "no time" if told is None else utc_text(told, "milliseconds")
            raise NotMetError(f"{where} tells {text} of what was at {utc_text(expected, 'milliseconds')}")
        self.record.note("state", f"{where} tells {utc_text(told, 'milliseconds')}")

    # What is done: CHeKT arms

    def command(self, wanted: str) -> CommandResult:
        """Send one command, once: ``disarmed`` or an armed state. Never raises RemoteError."""
        action: arming.Action = "disarm" if wanted == "disarmed" else "arm"
        command = arming.Command(
            action,
            self.user,
            uuid.uuid4().hex,
            mode=wanted.removeprefix("armed_"),
            partition_ids=self.partitions,
        )
        result = arming.send(self.dealer, *self.place, command)
        self.record.note("note", f"commanded {wanted}: {result.error or 'accepted'}")
        return result

    def accepted(self, wanted: str) -> None:
        """Send a command that has to be accepted. Raises NotMetError."""
        result = self.command(wanted)
        if result.error is not None:
            raise NotMetError(f"the command for {wanted} was not accepted: {result.error}")

    def commands(self, wanted: str) -> bool:
        """Whether the API can be told the mode of ``wanted``: the live surface arms away, and only away."""
        return wanted in ("disarmed", "armed_away") or self.dealer.connection.dialect == "page"

    # What is done: the partner's platform arms

    def report(self, state: str, at: datetime | None = None, user: str = USER) -> str | None:
        """Report ``state`` as of ``at`` (now unless given), once; None, or why it was refused.

        Raises RemoteError where no usable answer comes.
        """
        assert self.reports is not None, "reports belong to the partner-triggered model"
        return self.reports.send(state, at or self.clock(), user)

    def reported(self, state: str, user: str = USER) -> datetime:
        """Report a state that has to be taken, and see it; the instant reported. Raises NotMetError."""
        at = self.clock()
        refused = self.report(state, at, user)
        if refused is not None:
            raise NotMetError(f"the report of {state} was refused: {refused}")
        self.expect("disarmed" if state == "arm_failure" else state)
        return at

    def repeated(self, state: str, fault: str, **details: JsonValue) -> datetime:
        """Report a state while ``fault`` strikes the first attempt, and see it; the instant reported.

        On the sandbox it goes through the queue of `reconciler arming report`; where no fault can be ordered,
        the report is sent again as if its answer had been lost. Raises NotMetError.
        """
        assert self.reports is not None, "reports belong to the partner-triggered model"
        if self.field is None:
            self.reports.replays = True
            try:
                return self.reported(state)
            finally:
                self.reports.replays = False
        at = self.clock()
        self.field.fault(fault, method="POST", path=".*/arming-state", **details)
        self.reports.deliver(state, at)
        self.expect(state)
        return at

    def refused(self, state: str, at: datetime | None = None) -> None:
        """Report a state that must not be taken, and see the state as before. Raises NotMetError.

        What cannot follow is to be refused; what was overtaken (``at``) may be passed over in silence.
        """
        before = self.seen()
        if self.report(state, at) is None and (at is None or self.seen() != before):
            why = f"it cannot follow on {before}" if at is None else f"{before} is newer"
            raise NotMetError(f"{state} was taken although {why}")
        self.expect(before)

    # Around it

    def needs_field(self, message: str, *steps: str) -> Field:
        """The field side. Raises NeedsPersonError with ``steps`` where there is none to drive."""
        if self.field is None:
            raise NeedsPersonError(message, steps)
        return self.field

    def disarm(self) -> None:
        """Begin from a closed, disarmed site, with nothing heard of. Raises NotMetError, RemoteError."""
        if self.field is not None:
            self.field.drop_faults()
            self.field.door("closed")
            self.field.put("disarmed")
        elif self.seen() != "disarmed":
            if self.reports is not None:
                self.report("disarmed")
            else:
                self.accepted("disarmed")
        self.expect("disarmed")
        self.pause()
        if self.inbox is not None:
            self.inbox.clear()

    def pause(self, seconds: float = REST) -> None:
        """Let time pass, so that what is under way arrives and what follows is later."""
        self.wait(lambda: None, seconds)


def _is(seen: str, state: str) -> bool:
    """Whether the API's word is ``state``: ``armed`` is any armed state, in a mode it does not say."""
    return seen == state or (seen == "armed" and state in ARMED)
