"""A storm of deliveries on a real ``reconciler listen``, killed in the middle, and what came of every event.

Good ones of all three systems, sent again, out of order, with bad signatures and old timestamps; whoever gets
no answer sends again, as CHeKT does. Signatures are made here, not by the code under test.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.ledger import Ledger
from tests.listening.process import APP_SECRET, PARTNER_SECRET, PATIENCE, STEP, Connection, Listener

OLD = 3600.0
"""Seconds: older than any window that is used here."""


@dataclass(frozen=True)
class Shot:
    """One request, whole. ``event``: endpoint and event id of a good one; ``reason``: why it is refused."""

    request: bytes
    status: int
    event: tuple[str, str] | None = None
    reason: str = ""


def request(path: str, body: bytes, headers: dict[str, str] | None = None, method: str = "POST") -> bytes:
    """The bytes of an HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _hmac(secret: str, text: bytes) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def app(event: str, at: float, secret: str = APP_SECRET) -> bytes:
    """A delivery of system A, signed at ``at``."""
    body = json.dumps({"id": event, "type": "alarm.created", "data": {"site_id": 1784}}).encode()
    stamp = str(int(at))
    signed = _hmac(secret, stamp.encode() + b"." + body)
    return request("/app", body, {"X-CHeKT-Signature": signed, "X-CHeKT-Timestamp": stamp})


def partner(event: str, secret: str = PARTNER_SECRET) -> bytes:
    """A delivery of system B."""
    body = json.dumps({"id": event, "event_type": "site.armed", "site_id": "1784"}).encode()
    return request("/partner", body, {"x-webhook-signature": f"sha256={_hmac(secret, body)}"})


def dealer(event: str, step: str = STEP) -> bytes:
    """A delivery of system C."""
    body = json.dumps({"event_id": event, "event_type": "arming_status", "status": "armed"}).encode()
    return request(f"/dealer/{step}", body)


def good(number: int, now: float) -> Shot:
    """The good delivery of that number; one in ten is system C's, whose events start a command each."""
    system = ("app", "partner")[number % 2] if number % 10 else "dealer"
    event = f"evt-{number}"
    sent = app(event, now) if system == "app" else partner(event) if system == "partner" else dealer(event)
    return Shot(sent, 200, (system, event))


def bad(number: int, now: float) -> Shot:
    """A delivery that must be refused; the kinds take turns."""
    event = f"bad-{number}"
    kinds: Sequence[Callable[[], Shot]] = (
        lambda: Shot(app(event, now, "another secret"), 401, reason="bad_signature"),
        lambda: Shot(app(event, now - OLD), 401, reason="stale_timestamp"),
        lambda: Shot(partner(event, "another secret"), 401, reason="bad_signature"),
        lambda: Shot(dealer(event, "b1946ac92492d2347c6235b4d2611185"), 404, reason="unknown_path"),
        lambda: Shot(request("/app", b"{}"), 401, reason="missing_signature"),
        lambda: Shot(request("/app", b"", method="GET"), 405, reason="wrong_method"),
        lambda: Shot(request(f"/dealer/{STEP}", b"no JSON"), 400, reason="not_json"),
    )
    return kinds[number % len(kinds)]()


def storm(count: int, seed: int, now: float) -> list[Shot]:
    """``count`` deliveries in no order: 65 % new, 15 % sent again, 20 % to be refused."""
    draw = random.Random(seed)
    fresh = [good(number, now) for number in range(int(count * 0.65))]
    again = draw.choices(fresh, k=int(count * 0.15))
    shots = [*fresh, *again]
    shots += [bad(number, now) for number in range(count - len(shots))]
    draw.shuffle(shots)
    return shots


@dataclass
class Answers:
    """What came back. ``wrong``: answers that were not the expected ones; ``unanswered``: cut off."""

    answered: Counter[int]
    refused: Counter[str]
    wrong: list[tuple[Shot, int]]
    unanswered: int = 0


def fire(port: int, shots: Iterable[Shot], threads: int, on_answer: Callable[[int], None]) -> Answers:
    """Send ``shots`` from ``threads`` connections, each until it is answered; 503 means once more.

    ``on_answer`` hears how many were answered so far.
    """
    waiting = list(reversed(list(shots)))
    answers = Answers(Counter(), Counter(), [])
    lock = threading.Lock()

    def send(connection: Connection, shot: Shot) -> int:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                status = connection.send(shot.request)
                if status != 503:
                    return status
            except OSError:
                with lock:
                    answers.unanswered += 1
            assert time.monotonic() < until, "no answer"
            time.sleep(0.05)

    def client() -> None:
        connection = Connection(port)
        while True:
            with lock:
                if not waiting:
                    break
                shot = waiting.pop()
            status = send(connection, shot)
            with lock:
                answers.answered[status] += 1
                answers.refused[shot.reason] += status != 200
                if status != shot.status:
                    answers.wrong.append((shot, status))
                total = answers.answered.total()
            on_answer(total)
        connection.close()

    clients = [threading.Thread(target=client) for _ in range(threads)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    return answers


@dataclass(frozen=True)
class Told:
    """What a storm came to. Empty ``faults``: every promise was kept."""

    answers: Answers
    events: int
    handled_again: int
    received: int
    repeated: int
    counted: dict[str, int]
    faults: list[str]


def run(directory: Path, count: int, *, kill: bool, seed: int = 1, threads: int = 16) -> Told:
    """A storm of ``count`` deliveries on a listener in ``directory``; ``kill``: when half are answered."""
    shots = storm(count, seed, time.time())
    listener = Listener(directory)
    listener.start()
    killing = threading.Lock()
    killed = not kill

    def on_answer(total: int) -> None:
        nonlocal killed
        if total >= count // 2 and not killed:
            with killing:
                if not killed:
                    killed = True
                    listener.kill()
                    listener.start()

    answers = fire(listener.port, shots, threads, on_answer)
    listener.settle()
    code = listener.stop()
    told = _judge(listener, shots, answers)
    if code != 0:
        told.faults.append(f"exit code {code}: {listener.err.read_text(encoding='utf-8')}")
    return told


def _judge(listener: Listener, shots: Sequence[Shot], answers: Answers) -> Told:
    events = {shot.event for shot in shots if shot.event is not None}
    logged: dict[tuple[str, str], list[int]] = {}
    for line in listener.out.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        logged.setdefault((row["endpoint"], row["event_id"]), []).append(row["attempt"])
    commands: dict[tuple[str, str], list[int]] = {}
    for line in listener.seen.read_text(encoding="utf-8").splitlines() if listener.seen.exists() else ():
        event, attempt = line.split()
        commands.setdefault(("dealer", event), []).append(int(attempt))
    with Ledger.open(listener.ledger, "embedded") as ledger:
        figures = ledger.delivery_figures()
        kept = {(each.endpoint, each.event_id) for each in ledger.deliveries(limit=10**9)}
    outcomes: Counter[str] = Counter()
    for (_, consumer, outcome), number in figures.outcomes.items():
        outcomes[f"{consumer}:{outcome}" if consumer else outcome] += number
    of_dealer = {event for event in events if event[0] == "dealer"}
    faults = [f"answered {status} instead of {shot.status}" for shot, status in answers.wrong]
    faults += _compare("kept in the ledger", kept, events)
    faults += _compare("logged", set(logged), events)
    faults += _compare("given to the command", set(commands), of_dealer)
    for name, attempts in (*logged.items(), *commands.items()):
        if len(set(attempts)) != len(attempts):
            faults.append(f"{name} was handled twice as the same attempt: {attempts}")
    for name, expected in (("log", len(events)), ("command", len(of_dealer))):
        if outcomes[f"{name}:done"] != expected:
            faults.append(f"{name}: {outcomes[f'{name}:done']} settled, of {expected} events")
    counted = {reason: outcomes[reason] for reason in answers.refused if reason}
    for reason, number in counted.items():
        if not answers.refused[reason] <= number <= answers.refused[reason] + answers.unanswered:
            faults.append(f"{reason}: {number} counted, {answers.refused[reason]} answered")
    again = sum(len(each) - 1 for each in (*logged.values(), *commands.values()))
    received, repeated = outcomes["received"], outcomes["repeated"]
    return Told(answers, len(events), again, received, repeated, counted, faults)


def _compare(what: str, found: set[tuple[str, str]], expected: set[tuple[str, str]]) -> list[str]:
    lost, strange = expected - found, found - expected
    faults = [f"{len(lost)} events were not {what}: {sorted(lost)[:3]}"] if lost else []
    return faults + ([f"{len(strange)} were {what} and never sent: {sorted(strange)[:3]}"] if strange else [])
