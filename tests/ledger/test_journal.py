"""An intent is on disk before its write, is settled once, and its key is its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import LedgerError
from reconciler.intents import Intent, IntentDraft, IntentStatus
from reconciler.ledger import Ledger
from reconciler.model import Address, Operation

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SITE = Address("site", ("acme", "hq"))
DEVICE = Address("device", ("acme", "hq", "front-door"))


def intend(ledger: Ledger, operation: Operation = "create", digest: str = "d1") -> Intent:
    run = ledger.begin_run("apply", "trace", "config", NOW)
    return ledger.intend_all(run, [IntentDraft(SITE, operation, None, digest)], NOW)[0]


def test_an_open_intent_is_unsettled_until_it_is_settled_once() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        intent = intend(ledger)
        assert ledger.unsettled() == [intent]
        ledger.settle(intent, IntentStatus.DONE, "17", NOW)
        assert ledger.unsettled() == []
        with pytest.raises(LedgerError, match="settled already"):
            ledger.settle(intent, IntentStatus.FAILED, None, NOW)


@pytest.mark.parametrize("status", [IntentStatus.DONE, IntentStatus.FAILED])
def test_a_new_intent_for_the_same_content_has_a_new_key(status: IntentStatus) -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        first = intend(ledger)
        ledger.settle(first, status, None, NOW)
        second = intend(ledger)
        assert (first.number, second.number) == (1, 2)
        assert first.idempotency_key != second.idempotency_key


def test_the_repeat_of_an_open_intent_is_that_intent() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        assert intend(ledger) == intend(ledger)
        assert len(ledger.unsettled()) == 1


def test_another_payload_supersedes_an_open_intent() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        first = intend(ledger, digest="d1")
        second = intend(ledger, digest="d2")
        assert second.number == 2
        assert second.idempotency_key != first.idempotency_key
        assert ledger.unsettled() == [second]


def test_parts_and_operations_of_one_address_are_separate_intents() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        run = ledger.begin_run("apply", "trace", "config", NOW)
        drafts = [
            IntentDraft(SITE, "update", None, "d", remote_id="17"),
            IntentDraft(SITE, "update", "arming_settings", "d", remote_id="17"),
            IntentDraft(SITE, "delete", None, "d", remote_id="17"),
            IntentDraft(DEVICE, "update", None, "d", external_id="front-door"),
        ]
        intents = ledger.intend_all(run, drafts, NOW)
        assert [each.number for each in intents] == [1, 2, 1, 1]
        assert len({each.idempotency_key for each in intents}) == 4
        assert ledger.unsettled() == intents


def test_a_batch_is_journalled_whole_or_not_at_all() -> None:
    with Ledger.open(":memory:", "dev") as ledger:
        run = ledger.begin_run("apply", "trace", "config", NOW)
        wrong: Operation = "destroy"  # type: ignore[assignment]
        with pytest.raises(LedgerError):
            ledger.intend_all(
                run, [IntentDraft(SITE, "create", None, "d"), IntentDraft(SITE, wrong, None, "d")], NOW
            )
        assert ledger.unsettled() == []


def test_an_intent_needs_its_run() -> None:
    with Ledger.open(":memory:", "dev") as ledger, pytest.raises(LedgerError):
        ledger.intend_all(99, [IntentDraft(SITE, "create", None, "d")], NOW)


@settings(max_examples=40, deadline=None)
@given(
    history=st.lists(
        st.tuples(
            st.sampled_from(["create", "update", "delete"]),
            st.sampled_from(["d1", "d2"]),
            st.sampled_from([None, *IntentStatus]),
        ),
        max_size=12,
    )
)
def test_no_two_writes_share_a_key_unless_one_repeats_the_other(
    history: list[tuple[Operation, str, IntentStatus | None]],
) -> None:
    settled: set[str] = set()
    with Ledger.open(":memory:", "dev") as ledger:
        for operation, digest, status in history:
            intent = intend(ledger, operation, digest)
            assert intent.idempotency_key not in settled
            if status is not None and status is not IntentStatus.OPEN:
                ledger.settle(intent, status, None, NOW)
            if status in (IntentStatus.DONE, IntentStatus.FAILED):
                settled.add(intent.idempotency_key)


_KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from reconciler.ledger import Ledger
from reconciler.intents import IntentDraft, IntentStatus
from reconciler.model import Address, Owned

now = datetime(2026, 11, 20, tzinfo=UTC)
ledger = Ledger.open(Path(sys.argv[1]), "dev")
run = ledger.begin_run("apply", "trace", "config", now)
addresses = [Address("site", ("acme", f"s{n}")) for n in range(3)]
first, second, third = ledger.intend_all(
    run, [IntentDraft(a, "create", None, "d", external_id=a.id) for a in addresses], now
)
with ledger.transaction():
    ledger.settle(first, IntentStatus.DONE, "1", now)
    ledger.record(Owned(addresses[0], "1", "s0"))
if sys.argv[2] == "inside":
    with ledger.transaction():
        ledger.settle(second, IntentStatus.DONE, "2", now)
        ledger.record(Owned(addresses[1], "2", "s1"))
        os.kill(os.getpid(), signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("where", ["between", "inside"])
def test_what_was_journalled_survives_a_kill_and_half_a_transaction_does_not(
    tmp_path: Path, where: str
) -> None:
    path = tmp_path / "ledger.db"
    ended = subprocess.run([sys.executable, "-c", _KILLED, path, where], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    with Ledger.open(path, "dev") as ledger:
        assert [intent.address.id for intent in ledger.unsettled()] == ["s1", "s2"]
        assert [intent.external_id for intent in ledger.unsettled()] == ["s1", "s2"]
        assert [address.id for address in ledger.owned()] == ["s0"]


def test_every_journal_write_reaches_the_disk(tmp_path: Path) -> None:
    """A killed process proves the write, not the sync; the mode of the file's log proves that."""
    with Ledger.open(tmp_path / "ledger.db", "dev") as ledger:
        assert ledger._database.rows("PRAGMA synchronous")[0][0] == 2
        assert ledger._database.rows("PRAGMA journal_mode")[0][0] == "wal"
        assert ledger._database.rows("PRAGMA foreign_keys")[0][0] == 1
