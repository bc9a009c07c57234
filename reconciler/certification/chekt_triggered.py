"""The requirements where CHeKT arms: commands go to it, and it tells us of every change by webhook.

Each function raises NotMetError, NeedsPersonError where a person has to act, or RemoteError. It begins with
a disarmed site whose doors are closed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from reconciler.certification.bench import ENTRY_DELAY, EXIT_DELAY, SETTLE, Bench
from reconciler.certification.field import DOOR
from reconciler.certification.inbox import Inbox
from reconciler.certification.record import NotMetError
from reconciler.certification.walk import WALK

_KEYHOLDER, _CODE, _WRONG = "keyholder 4", "2468", "0000"
_KEYS = {"disarmed": "disarm", "armed_away": "away", "armed_stay": "stay", "armed_night": "night"}
_ROUNDS = 2
_RETRIED_WITHIN = 60.0


def transitions(bench: Bench) -> None:
    """Every mode from every other: by the API where it can say so, else at the keypad."""
    if bench.field is None and not all(map(bench.commands, WALK)):
        for wanted in ("armed_away", "disarmed"):
            _go(bench, wanted)
    for wanted in WALK:
        _go(bench, wanted)


def _go(bench: Bench, wanted: str) -> None:
    since = bench.clock().replace(microsecond=0)
    if bench.commands(wanted):
        bench.accepted(wanted)
    else:
        field = bench.needs_field(
            "Stay and Night can only be chosen at the site: the live API arms away",
            "At the keypad or in the app: go from each of Away, Stay, Night and Disarmed to each other.",
            "Each time, see the new state in `reconciler listen` within 5 s.",
        )
        field.codes({_CODE: _KEYHOLDER})
        field.keys(_KEYS[wanted], _CODE)
    bench.expect(wanted)
    bench.told(wanted, since=since)
    bench.pause(1)


def exit_delay(bench: Bench) -> None:
    """Arming takes the exit delay, and a disarm in its middle calls it off."""
    field = bench.needs_field(
        "the site's exit delay is not known here",
        "Arm the site at its keypad: arming_in_progress is told at once, armed_away when the delay ends.",
        "Arm it again and disarm it in the delay: it never becomes armed.",
    )
    with field.switched(exit_delay=EXIT_DELAY):
        bench.accepted("armed_away")
        bench.expect("arming_in_progress")
        bench.told("arming_in_progress")
        if bench.expect("armed_away", EXIT_DELAY + SETTLE) < EXIT_DELAY / 2:
            raise NotMetError(f"it was armed before the exit delay of {EXIT_DELAY:g} s had run out")
        bench.told("armed_away")
        bench.disarm()
        bench.accepted("armed_away")
        bench.expect("arming_in_progress")
        bench.accepted("disarmed")
        bench.expect("disarmed")
        bench.stays("disarmed", EXIT_DELAY + 1)


def entry_delay(bench: Bench) -> None:
    """Who comes in has time to disarm; nobody arms meanwhile; who does not disarm sets off an alarm."""
    field = bench.needs_field(
        "somebody has to open the entry door",
        "Arm the site, open the entry door: entry_delay is told. Disarm in time: there is no alarm.",
        "Arm it again, open the door and wait: the alarm is told when the delay has run out.",
    )
    with field.switched(entry_delay=ENTRY_DELAY):
        bench.accepted("armed_away")
        bench.expect("armed_away")
        field.door("open")
        bench.expect("entry_delay")
        bench.told("entry_delay")
        if bench.command("armed_away").error is None:
            raise NotMetError("the site could be armed while somebody was entering")
        bench.accepted("disarmed")
        bench.expect("disarmed")
        bench.stays("disarmed", ENTRY_DELAY + 1)
        bench.disarm()
        bench.accepted("armed_away")
        bench.expect("armed_away")
        field.door("open")
        bench.expect("alarm", ENTRY_DELAY + SETTLE)


def open_zone(bench: Bench) -> None:
    """An open door keeps the site from arming, and is named; once it is closed the site arms."""
    field = bench.needs_field(
        "somebody has to leave a door open",
        "Leave a door open and arm: the command is refused or arming fails, and the zone is named.",
        "Close it and arm: the site arms.",
    )
    since = bench.clock()
    field.door("open")
    result = bench.command("armed_away")
    if result.error is None:
        bench.stays("disarmed", SETTLE)
        if not any(row.status == "arm_failure" and row.zone_number for row in bench.log(since)):
            raise NotMetError("nothing names the open zone that kept the site from arming")
    elif DOOR not in result.error:
        raise NotMetError(f"the refusal does not name the open zone: {result.error}")
    bench.expect("disarmed")
    field.door("closed")
    bench.accepted("armed_away")
    bench.expect("armed_away")
    bench.told("armed_away")


def user_codes(bench: Bench) -> None:
    """A wrong code does nothing; a right one does, in its owner's name; a command keeps its user."""
    since = bench.clock()
    bench.accepted("armed_away")
    bench.expect("armed_away")
    bench.logged(since, bench.user)
    field = bench.needs_field(
        "somebody has to enter a code",
        "At the keypad, enter a wrong code: nothing changes, and nothing is told.",
        "Enter a user's code: the change is told in the user's name.",
    )
    field.codes({_CODE: _KEYHOLDER})
    if field.keys("disarm", _WRONG):
        raise NotMetError("the keypad took a code that belongs to nobody")
    bench.stays("armed_away", 1)
    since = bench.clock()
    if not field.keys("disarm", _CODE):
        raise NotMetError("the keypad refused a user's code")
    bench.expect("disarmed")
    event = bench.told("disarmed")
    if event is not None and event.triggered_by != _KEYHOLDER:
        raise NotMetError(
            f"the webhook says that {event.triggered_by or 'nobody'} disarmed, not {_KEYHOLDER}"
        )
    bench.logged(since, _KEYHOLDER)


def network_failure(bench: Bench) -> None:
    """The answer to a command is lost: the state is looked up, and nothing is sent twice."""
    field = bench.needs_field(
        "the network to this host cannot be cut from here",
        "Cut the network while `reconciler enforce --once` arms the site, and run it again afterwards.",
        "`reconciler enforce history` shows one change, whether or not the first command had arrived.",
    )
    since = bench.clock()
    field.fault("drop", method="POST", path=".*/actions/arm", when="after")
    if bench.command("armed_away").error is None:
        raise NotMetError("the network did not fail: the command was answered")
    if bench.wait(lambda: True if bench.seen() != "disarmed" else None) is None:
        bench.accepted("armed_away")
    bench.expect("armed_away")
    field.fault("drop", method="GET", path=".*/(partition-)?arming")
    bench.expect("armed_away")
    changes = [row for row in bench.log(since) if row.status.startswith("armed")]
    if len(changes) != max(1, len(bench.partitions)):
        raise NotMetError(f"the log tells {len(changes)} changes where one was commanded")


def synchronisation(bench: Bench) -> None:
    """What happens at the site is told; what comes twice counts once; the newest of two holds."""
    field = bench.needs_field(
        "somebody has to arm the site at its keypad",
        "Arm at the keypad, then disarm: both are told within 5 s, once each.",
    )
    field.codes({_CODE: _KEYHOLDER})
    field.fault("duplicate", method="B")
    field.keys("stay", _CODE)
    bench.expect("armed_stay")
    bench.told("armed_stay")
    bench.pause()
    assert bench.inbox is not None
    _once(bench.inbox, "armed_stay")
    field.fault("reorder", method="B", seconds=60)
    field.keys("night", _CODE)
    bench.expect("armed_night")
    bench.pause()
    field.keys("disarm", _CODE)
    bench.expect("disarmed")
    bench.told("disarmed")
    bench.told("armed_night")
    newest = max(bench.inbox.events(), key=lambda event: event.at or bench.clock())
    if newest.state != "disarmed":
        raise NotMetError(f"by the times of the webhooks the state is {newest.state}, not disarmed")
    bench.accepted("disarmed")
    bench.stays("disarmed", 1)


def webhook_retry(bench: Bench) -> None:
    """Our receiver is away while the site is armed; once it is back it gets the event, once."""
    if bench.field is None or bench.inbox is None:
        bench.needs_field(
            "CHeKT cannot reach a receiver of this run",
            "Stop the receiver that CHeKT's webhook goes to, and arm the site.",
            "Start it again: the event comes within the back-off, with a good signature, and counts once.",
        )
        return
    field, inbox = bench.field, bench.inbox
    bench.record.note("note", "our receiver is cut off")
    inbox.cut()
    try:
        bench.accepted("armed_away")
        bench.expect("armed_away")
        tried = bench.wait(lambda: field.attempts(inbox.url) or None)
        if tried is None:
            raise NotMetError("no delivery was tried while our receiver was away")
    finally:
        inbox.connect()
    bench.record.note("note", f"our receiver is back after {tried} attempts")
    bench.told("armed_away", _RETRIED_WITHIN)
    bench.pause()
    _once(inbox, "armed_away")


def time_zones(bench: Bench) -> None:
    """The times told of a change are the instants at which it happened, whatever the site's clock shows."""
    bench.shows_a_zone()
    sent = bench.clock()
    bench.accepted("armed_away")
    bench.expect("armed_away")
    event = bench.told("armed_away")
    bench.times_are(sent)
    if event is not None:
        bench.close_to(sent, event.at, "the webhook")


def concurrency(bench: Bench) -> None:
    """Arm and disarm at the same moment: one state comes of it, and all who are asked tell the same one."""
    for _ in range(_ROUNDS):
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(bench.command, ("armed_away", "disarmed")))
        unknown = [result.error for result in results if result.ambiguous]
        if unknown:
            raise NotMetError(f"a command that ran beside another has no outcome: {unknown[0]}")
        bench.pause(SETTLE)
        _agreed(bench)
        bench.disarm()
    for first, last in (("armed_away", "disarmed"), ("disarmed", "armed_away")):
        bench.accepted(first)
        bench.accepted(last)
        bench.pause(SETTLE)
        bench.expect(last)
        _agreed(bench)
        bench.disarm()


def _agreed(bench: Bench) -> None:
    """See that the API, the panel and the webhooks tell one state. Raises NotMetError."""
    state = bench.seen()
    bench.expect("armed_away" if state == "armed" else state)
    events = bench.inbox.events() if bench.inbox is not None else []
    newest = max(events, key=lambda event: event.at or bench.clock(), default=None)
    if newest is not None and newest.state != state and not (state == "armed" and "armed" in newest.state):
        raise NotMetError(f"the state is {state}, and the newest webhook says {newest.state}")


def _once(inbox: Inbox, state: str) -> None:
    """See that no event about ``state`` was kept twice. Raises NotMetError."""
    kept = [event.event_id for event in inbox.events() if event.state == state]
    if len(kept) != len(set(kept)):
        raise NotMetError(f"an event about {state} was kept twice")
