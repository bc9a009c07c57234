"""A verification is found in what the inbox received, whatever envelope it came in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.chekt.events import first_text, places
from reconciler.ledger import Delivery
from reconciler.model import Address
from reconciler.upstream.questions import REQUESTED, Question, Written, question

NINE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
HQ = Address("site", ("acme", "hq"))
UUID = "0b8e1f7a-3c52-4d3e-9f0a-5d2f6f1f7c11"
ABOUT = {"id": 17, "verification_id": UUID, "site_id": "site_7"}
ENVELOPES: dict[str, dict[str, Any]] = {
    "data": {"id": "400", "data": ABOUT},
    "payload": {"event_id": "400", "payload": ABOUT},
    "payload.data": {"event_id": "400", "payload": {"id": 400, "data": ABOUT, "triggered_by": "jane"}},
    "payload beside no data": {"id": "400", "data": None, "payload": {"data": ABOUT}},
    "bare": ABOUT,
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_what_an_event_is_about_is_read_from_any_envelope(name: str) -> None:
    event = ENVELOPES[name]
    where = places(event)
    assert (where[0], where[-1]) == (ABOUT, event)
    assert first_text(where, ("number", "id")) == "17"
    inbox = [Delivery("app", "app", "k", "k", REQUESTED, NINE, json.dumps(event).encode())]
    found = Question(HQ, "17", UUID, NINE)
    assert question(Written(HQ, "17"), "7", inbox) == found
    assert question(Written(HQ, UUID), "7", inbox) == found
