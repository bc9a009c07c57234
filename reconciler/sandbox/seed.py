"""What a fresh sandbox holds."""

from __future__ import annotations

import json

from reconciler.kinds import REGISTRY
from reconciler.model import JsonObject, JsonValue
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


def add_dealer_key(store: Store, key: str, dealer_id: int, *, disabled: bool = False) -> None:
    """Let ``key`` open the dealer's account, until it is disabled; several keys may coexist (section 2.1)."""
    body = json.dumps({"dealer_id": dealer_id, "disabled": disabled})
    store.run("INSERT OR REPLACE INTO grants VALUES ('dealer_key', ?, NULL, ?)", (key, body))


def set_up(store: Store, at: float, scope: str, content: JsonObject) -> None:
    """Put in place what a person set up in the portal, unless it is there already.

    ``content``: by collection name (``sites``, ``devices``, ...) a list of objects, each with its
    ``external_id``, its fields under the manifest's names, and its own children the same way.
    ``scope``: ids of the parents, ``12345/17``. Raises ValueError for what is not of this form.
    """
    kinds = {kind.collection: kind for kind in REGISTRY.values()}
    for collection, entries in content.items():
        kind = kinds.get(collection)
        if kind is None or not isinstance(entries, list):
            raise ValueError(f"{collection!r} is not a list of {', '.join(sorted(kinds))}")
        children = {each.collection for each in REGISTRY.values() if each.parent == kind.name}
        for entry in entries:
            external_id = entry.get("external_id") if isinstance(entry, dict) else None
            if not isinstance(entry, dict) or not isinstance(external_id, str):
                raise ValueError(f"{collection}: every entry needs an external_id")  # noqa: TRY004
            row = store.find(kind.name, scope, external_id)
            if row is None:
                body: JsonObject = {
                    name: value for name, value in entry.items() if name not in children | {"external_id"}
                }
                row = store.insert(kind.name, scope, external_id, body, at)
            below: dict[str, JsonValue] = {name: entry[name] for name in children if name in entry}
            set_up(store, at, f"{scope}/{row.id}" if scope else str(row.id), below)
