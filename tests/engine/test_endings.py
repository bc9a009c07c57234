"""How a write ends, by what its answer says and what the account shows."""

from __future__ import annotations

import pytest

from reconciler.engine.endings import Ending, Sending, plain_ending, proven_ending, undone_ending
from reconciler.engine.evidence import Proof, Verdict
from reconciler.intents import Intent
from reconciler.model import Address, LiveObject, Operation
from reconciler.planning.steps import Step
from reconciler.writes import OutcomeStatus, Write, WriteResult
from tests.engine.account import NOW

HQ = Address("site", ("acme", "hq"))
LIVE = LiveObject("site", "7", "hq", {})
OPERATIONS: tuple[Operation, ...] = ("create", "update", "delete")
SHOWN = Verdict(Proof.HAPPENED, "the account shows it", LIVE)
NOT_SHOWN = Verdict(Proof.DID_NOT, "the account does not show it")
GONE = Verdict(Proof.REFUSED, "the object is gone")
UNPROVEN = Verdict(Proof.UNPROVEN, "nobody can tell")


def write(operation: Operation) -> Write:
    return Write(operation, HQ, ("1",), None, "hq", {}, "key")


def answered(operation: Operation, error: str | None = None, *, ambiguous: bool = False) -> WriteResult:
    return WriteResult(write(operation), error=error, ambiguous=ambiguous)


def sending(operation: Operation, result: WriteResult | None) -> Sending:
    intent = Intent(1, 1, HQ, operation, None, 1, "digest", "key", NOW)
    return Sending(Step(HQ, operation), write(operation), intent, result=result)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("repeated", [True, False])
def test_an_answer_that_nobody_got_says_nothing(operation: Operation, *, repeated: bool) -> None:
    assert plain_ending(answered(operation, "time-out", ambiguous=True), repeated=repeated) is None
    assert plain_ending(answered(operation, ambiguous=True), repeated=repeated) is None


@pytest.mark.parametrize(
    ("operation", "repeated", "final"),
    [
        ("create", False, True),
        ("update", False, True),
        ("delete", False, False),
        ("create", True, False),
        ("update", True, False),
        ("delete", True, False),
    ],
)
def test_a_refusal_is_final_unless_the_write_may_be_why(
    operation: Operation, *, repeated: bool, final: bool
) -> None:
    expected = Ending(OutcomeStatus.FAILED, "409 taken") if final else None
    assert plain_ending(answered(operation, "409 taken"), repeated=repeated) == expected


@pytest.mark.parametrize("repeated", [True, False])
def test_a_success_is_done_if_it_says_what_was_made(*, repeated: bool) -> None:
    nameless = LiveObject("site", "", "hq", {})
    for operation in OPERATIONS:
        found = plain_ending(WriteResult(write(operation), LIVE), repeated=repeated)
        assert found == Ending(OutcomeStatus.DONE, live=LIVE)
    for made in (None, nameless):
        assert plain_ending(WriteResult(write("create"), made), repeated=repeated) is None
        found = plain_ending(WriteResult(write("update"), made), repeated=repeated)
        assert found == Ending(OutcomeStatus.DONE, live=made)


LOST = "time-out; whether it took effect is unknown, since nobody can tell"


@pytest.mark.parametrize(
    ("operation", "error", "ambiguous", "verdict", "expected"),
    [
        ("create", "time-out", True, SHOWN, Ending(OutcomeStatus.DONE, f"time-out; {SHOWN.why}", LIVE)),
        ("create", "time-out", True, NOT_SHOWN, None),
        ("update", "time-out", True, GONE, Ending(OutcomeStatus.FAILED, f"time-out; {GONE.why}")),
        ("create", "time-out", True, UNPROVEN, Ending(OutcomeStatus.UNKNOWN, LOST)),
        ("delete", "time-out", True, UNPROVEN, Ending(OutcomeStatus.UNKNOWN, LOST)),
        ("update", "time-out", False, UNPROVEN, Ending(OutcomeStatus.UNKNOWN, LOST)),
        # A delete that was refused did not happen, whatever can be seen.
        ("delete", "403 no", False, UNPROVEN, Ending(OutcomeStatus.FAILED, "403 no")),
        ("delete", "403 no", False, SHOWN, Ending(OutcomeStatus.DONE, f"403 no; {SHOWN.why}", LIVE)),
        (
            "create",
            None,
            False,
            SHOWN,
            Ending(OutcomeStatus.DONE, f"the answer named no id; {SHOWN.why}", LIVE),
        ),
    ],
)
def test_what_the_account_proves_ends_it(
    operation: Operation, error: str | None, verdict: Verdict, expected: Ending | None, *, ambiguous: bool
) -> None:
    assert (
        proven_ending(sending(operation, answered(operation, error, ambiguous=ambiguous)), verdict)
        == expected
    )


def test_what_an_earlier_run_may_have_sent_is_spoken_of_as_such() -> None:
    for operation in ("create", "delete"):
        found = proven_ending(sending(operation, None), UNPROVEN)
        assert found == Ending(
            OutcomeStatus.UNKNOWN,
            "an earlier run may have made it; whether it took effect is unknown, since nobody can tell",
        )


WHY = "the account does not show it"
STOPPED = Ending(OutcomeStatus.SKIPPED, "time-out; stopped before it was sent again", stays_open=True)
LEFT = Ending(OutcomeStatus.FAILED, f"time-out; {WHY}", stays_open=True)


@pytest.mark.parametrize(
    ("last", "stopped", "expected"),
    [(False, False, None), (True, False, LEFT), (False, True, STOPPED), (True, True, STOPPED)],
)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_did_not_happen_is_sent_again_as_long_as_the_run_may(
    operation: Operation, expected: Ending | None, *, last: bool, stopped: bool
) -> None:
    lost = sending(operation, answered(operation, "time-out", ambiguous=True))
    assert undone_ending(lost, WHY, last=last, stopped=stopped) == expected


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("stopped", [True, False])
def test_what_was_refused_is_not_sent_again_and_a_create_may_still_show(*, last: bool, stopped: bool) -> None:
    for operation in OPERATIONS:
        refused = sending(operation, answered(operation, "409 taken"))
        found = undone_ending(refused, WHY, last=last, stopped=stopped)
        assert found == Ending(OutcomeStatus.FAILED, "409 taken", stays_open=operation == "create")


def test_a_success_without_an_id_and_a_doubt_are_sent_again_too() -> None:
    for result in (answered("create"), None):
        assert undone_ending(sending("create", result), WHY, last=False, stopped=False) is None
        left = undone_ending(sending("create", result), WHY, last=True, stopped=False)
        assert left is not None
        assert (left.status, left.stays_open) == (OutcomeStatus.FAILED, True)
