"""Sites and contacts on the dealer surface, in the live shape and in the pages' (sections 5.2, 5.3)."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.kinds.contact import CONTACT
from reconciler.model import JsonObject, JsonValue
from reconciler.sandbox.arming import partitions_of
from reconciler.sandbox.call import Call
from reconciler.sandbox.errors import Refusal, not_found
from reconciler.sandbox.messages import Response, reply
from reconciler.sandbox.panel import SITE_PREFIX
from reconciler.sandbox.partner import as_of, deleted
from reconciler.sandbox.routing import Route
from reconciler.sandbox.store import Row
from reconciler.sandbox.timekeeping import iso
from reconciler.sandbox.validation import duplicate

_SITES = "/ext/v1/sites"
_CONTACTS = _SITES + "/{site_id}/contacts"
_CONTACT = _CONTACTS + "/{contact_id}"
_CONTACT_PREFIX = "contact_"
_LARGEST_PAGE = 100
_TEXTS = {
    "first_name": "first_name",
    "last_name": "last_name",
    "title": "title",
    "slot_number": "slot_number",
    "phone_number": "phone_number",
    "email_address": "email",
}
"""Text fields of the live shape and their own names; at most 45 characters (section 5.3)."""
_FLAGS = ("sms_alarm_enabled", "email_alarm_enabled")
_REQUIRED = ("first_name", "last_name")
_PAGE_TEXTS = {
    "first_name": "first_name",
    "last_name": "last_name",
    "email": "email",
    "phone": "phone_number",
    "type": "type",
    "role": "role",
}


def dealer_routes() -> Iterator[Route]:
    """Sites, read only, and contacts."""
    yield Route("GET", _SITES, list_sites, "dealer")
    yield Route("GET", _CONTACTS, list_contacts, "dealer")
    yield Route("POST", _CONTACTS, create_contact, "dealer")
    yield Route("GET", _CONTACT, read_contact, "dealer")
    yield Route("PUT", _CONTACT, update_contact, "dealer")
    yield Route("PATCH", _CONTACT, update_contact, "dealer")
    yield Route("DELETE", _CONTACT, delete_contact, "dealer")
    yield Route("POST", f"{_CONTACT}/validation", validate_contact, "dealer")


def list_sites(call: Call) -> Response:
    """The dealer's sites, the same ones as on the partner surface."""
    dealer = call.own_dealer()
    page = call.switches.shape == "page"
    limit, offset = _window(call, page=page)
    search = call.request.query.get("search", "").casefold()
    status = call.request.query.get("status", "")
    if status not in ("", "active", "inactive"):
        raise Refusal(400, "status is active or inactive", field="status")
    if not search and not status and not page:
        rows = call.store.within("site", str(dealer.id), as_of=as_of(call), limit=limit, offset=offset)
        return reply([_live_site(row, dealer) for row in rows])
    rows = [
        row
        for row in call.store.within("site", str(dealer.id), as_of=as_of(call))
        if (not search or search in _searchable(row)) and (not status or status == _page_status(row))
    ]
    shown = rows[offset : None if limit is None else offset + limit]
    if not page:
        return reply([_live_site(row, dealer) for row in shown])
    sites: list[JsonValue] = [_page_site(row) for row in shown]
    return reply({"data": {"sites": sites, "total_count": len(rows)}, "meta": {"timestamp": iso(call.now)}})


def _window(call: Call, *, page: bool) -> tuple[int | None, int]:
    per_page = _asked(call, "per_page")
    limit = _asked(call, "limit")
    number = _asked(call, "page") or 1
    if per_page is not None and per_page > _LARGEST_PAGE:
        raise Refusal(400, f"per_page is at most {_LARGEST_PAGE}", field="per_page")
    most = call.switches.list_page_limit or None
    if page:
        size = min(per_page or 20, most or _LARGEST_PAGE)
        return size, (number - 1) * size
    size_or_all = min(limit, most) if limit and most else limit or most
    return size_or_all, 0


def _asked(call: Call, name: str) -> int | None:
    text = call.request.query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) >= 1):
        raise Refusal(400, f"{name} must be a number from 1", field=name)
    return int(text)


def _address(row: Row) -> str:
    return ", ".join(str(row.body[name]) for name in ("address1", "address2") if row.body.get(name))


def _searchable(row: Row) -> str:
    return f"{row.body.get('name')}\n{_address(row)}".casefold()


def _live_site(row: Row, dealer: Row) -> JsonObject:
    partitions = partitions_of(row)
    return {
        "site_id": row.id,
        "site_name": row.body.get("name"),
        "address": _address(row),
        "account_number": row.body.get("account_number"),
        "account_reference_id": row.external_id,
        "dealer_name": dealer.body.get("company_name"),
        "is_partition_enabled": 1 if partitions else 0,
        "is_activated": row.body.get("is_activated", 0),
        "partitions": [
            {name: each[name] for name in ("partition_id", "partition_name")} for each in partitions
        ],
    }


def _page_status(row: Row) -> str:
    return "active" if row.body.get("is_activated") else "inactive"


def _page_site(row: Row) -> JsonObject:
    address = {"street": _address(row), "city": "", "state": "", "zip": "", "country": ""}
    return {
        "site_id": f"{SITE_PREFIX}{row.id}",
        "account_reference_id": row.external_id,
        "account_number": str(row.body.get("account_number") or ""),
        "name": row.body.get("name"),
        "address": address,
        "status": _page_status(row),
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }


def list_contacts(call: Call) -> Response:
    """The contacts of a site, the same ones as on the partner surface."""
    site = call.own_site(SITE_PREFIX)
    rows = call.store.within("contact", _scope(site), as_of=as_of(call))
    if call.switches.shape == "page":
        contacts: list[JsonValue] = [_page_contact(row) for row in rows]
        return reply({"data": {"contacts": contacts, "total_count": len(contacts)}})
    return reply([_live_contact(row) for row in rows])


def read_contact(call: Call) -> Response:
    """One contact."""
    return _answer(call, _contact(call))


def create_contact(call: Call) -> Response:
    """Add a contact; the external id is required in the live shape only."""
    site = call.own_site(SITE_PREFIX)
    body = call.request.json_object()
    fields = _fields(call, body, {}, replace=True, creating=True)
    external_id: str | None = None
    if call.switches.shape == "live":
        external_id = _text(call, body, "external_contact_id", 64)
        if not external_id:
            raise call.invalid("external_contact_id", "external_contact_id is required", code="required")
        taken = call.store.find("contact", _scope(site), external_id)
        if taken is not None and call.switches.duplicate != "accept":
            raise duplicate(call, "external_contact_id", external_id)
    row = call.store.insert("contact", _scope(site), external_id, fields, call.now)
    return _answer(call, row, 201)


def update_contact(call: Call) -> Response:
    """PUT replaces and PATCH merges, unless the switches say otherwise."""
    row = _contact(call)
    body = call.request.json_object()
    semantics = call.switches.update_semantics
    replace = call.request.method == "PUT" if semantics == "by_method" else semantics == "replace"
    known = body.get("external_contact_id", row.external_id)
    if known != row.external_id and call.switches.external_id_change == "refuse":
        message = "external_contact_id cannot be changed"
        raise call.invalid("external_contact_id", message, code="immutable")
    fields = _fields(call, body, row.body, replace=replace, creating=False)
    if fields.get("phone_number") != row.body.get("phone_number"):
        fields.pop("sms_validation", None)
    external_id = _text(call, body, "external_contact_id", 64)
    return _answer(call, call.store.update(row, fields, call.now, external_id=external_id))


def delete_contact(call: Call) -> Response:
    """Remove a contact."""
    call.store.delete(_contact(call), call.now)
    return deleted(call)


def validate_contact(call: Call) -> Response:
    """Send the SMS; the contact counts as validated once a person has answered it."""
    row = _contact(call)
    if not row.body.get("phone_number"):
        raise call.invalid("phone_number", "the contact has no phone number", code="required")
    validation: JsonObject = {"status": 0, "requested_at": iso(call.now)}
    call.store.update(row, {**row.body, "sms_validation": validation}, call.now)
    return reply({"sms_validation": validation})


def _scope(site: Row) -> str:
    return f"{site.scope}/{site.id}"


def _contact(call: Call) -> Row:
    site = call.own_site(SITE_PREFIX)
    row = call.store.get("contact", call.number_of("contact_id", "contact", _CONTACT_PREFIX))
    if row is None or row.scope != _scope(site):
        raise not_found("contact")
    return row


def _answer(call: Call, row: Row, status: int = 200) -> Response:
    if call.switches.shape == "page":
        return reply({"data": _page_contact(row)}, status)
    return reply(_live_contact(row), status)


def _live_contact(row: Row) -> JsonObject:
    texts = {wire: row.body[name] for wire, name in _TEXTS.items() if row.body.get(name)}
    flags = {name: row.body.get(name, 0) for name in _FLAGS}
    name = f"{row.body.get('first_name', '')} {row.body.get('last_name', '')}".strip()
    return {
        "contact_id": row.id,
        "external_contact_id": row.external_id or "",
        "name": name,
        **texts,
        **flags,
        "sms_validation": row.body.get("sms_validation"),
    }


def _page_contact(row: Row) -> JsonObject:
    texts = {wire: row.body[name] for wire, name in _PAGE_TEXTS.items() if row.body.get(name)}
    preferences = row.body.get("notification_preferences")
    return {
        "contact_id": f"{_CONTACT_PREFIX}{row.id}",
        **texts,
        **({"notification_preferences": preferences} if preferences is not None else {}),
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }


def _fields(call: Call, body: JsonObject, stored: JsonObject, *, replace: bool, creating: bool) -> JsonObject:
    """The contact's fields after writing ``body``. Raises Refusal."""
    page = call.switches.shape == "page"
    texts = _PAGE_TEXTS if page else _TEXTS
    others = ("notification_preferences",) if page else (*_FLAGS, "external_contact_id")
    for name in body:
        if name in CONTACT.read_only:
            raise call.invalid(name, f"{name} is read-only", code="read_only")
        if name not in texts and name not in others and call.switches.unknown_fields == "refuse":
            raise call.invalid(name, f"there is no field {name}", code="unknown_field")
    fields = dict(stored)
    for wire, name in texts.items():
        if wire not in body and not (replace or creating):
            continue
        value = _text(call, body, wire, 45)
        if value:
            fields[name] = value
        elif wire in _REQUIRED:
            raise call.invalid(wire, f"{wire} is required", code="required")
        else:
            fields.pop(name, None)
    _take_choices(call, body, fields, page=page, replace=replace and not creating)
    return fields


def _take_choices(call: Call, body: JsonObject, fields: JsonObject, *, page: bool, replace: bool) -> None:
    if page:
        preferences = body.get("notification_preferences")
        if preferences is not None:
            booleans = isinstance(preferences, dict) and all(
                name in ("email", "sms", "push") and isinstance(value, bool)
                for name, value in preferences.items()
            )
            if not booleans:
                message = "notification_preferences holds true or false for email, sms and push"
                raise call.invalid("notification_preferences", message)
            fields["notification_preferences"] = preferences
        return
    for name in _FLAGS:
        if name in body:
            if type(body[name]) is not int or body[name] not in (0, 1):
                raise call.invalid(name, f"{name} is 0 or 1")
            fields[name] = body[name]
        elif replace:
            fields.pop(name, None)


def _text(call: Call, body: JsonObject, name: str, longest: int) -> str | None:
    """The text of ``name``; None for an absent, null or empty one. Raises Refusal."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > longest:
        raise call.invalid(name, f"{name} is a string of at most {longest} characters")
    return value or None
