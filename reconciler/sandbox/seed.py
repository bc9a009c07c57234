"""What a fresh sandbox holds."""

from __future__ import annotations

import json

from reconciler.model import JsonObject
from reconciler.sandbox.credentials import dealer_key
from reconciler.sandbox.store import Store


def seed_dealer(
    store: Store,
    at: float,
    dealer_id: int,
    external_dealer_id: str | None,
    company_name: str,
    *,
    connected: bool,
) -> None:
    """Create the dealer and its API key, unless it exists. Raises ValueError for an impossible id."""
    if not 1 <= dealer_id < 10**18:
        raise ValueError(f"{dealer_id} is no dealer id; ids are whole numbers from 1")
    with store.transaction():
        if store.get("dealer", dealer_id, deleted=True) is not None:
            return
        body: JsonObject = {"company_name": company_name, "connected": connected}
        external_id = external_dealer_id or f"dealer-{dealer_id}"
        store.insert("dealer", "", external_id, body, at, object_id=dealer_id)
        add_dealer_key(store, dealer_key(dealer_id), dealer_id)


def add_dealer_key(store: Store, key: str, dealer_id: int) -> None:
    """Let ``key`` open the dealer's account; several keys may coexist (section 2.1)."""
    body = json.dumps({"dealer_id": dealer_id})
    store.run("INSERT OR REPLACE INTO grants VALUES ('dealer_key', ?, NULL, ?)", (key, body))
