"""Which verification a person means: the number of its path and the UUID of its body are two ids.

CHeKT wants both, and a person has mostly one. What the inbox received (``verification.requested``) may name
both; nobody knows under which names, so only what is clear is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from reconciler.chekt import strict_json, wire
from reconciler.errors import ConfigError
from reconciler.ledger import Delivery
from reconciler.model import Address, JsonValue

REQUESTED = "verification.requested"
_NUMBERS = ("alarm_verification_id", "verification_number", "number", "id")
_SAMPLE = "0b8e1f7a-3c52-4d3e-9f0a-5d2f6f1f7c11"


@dataclass(frozen=True, slots=True)
class Question:
    """A verification: the number in its path, the UUID of its body, and when it was asked, where known."""

    site: Address
    number: str
    verification_id: str
    asked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Written:
    """A verification as a person named it: by its number, or its UUID, or by both."""

    site: Address
    verification: str
    verification_id: str | None = None
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a delivery says of a verification."""

    number: str | None
    verification_id: str
    site_id: str | None
    asked_at: datetime


def question(written: Written, site_id: str, inbox: Iterable[Delivery]) -> Question:
    """The verification that ``written`` means, completed from ``inbox``, the newest first.

    ``site_id``: CHeKT's number of the site. Raises ConfigError, a sentence that asks for what is missing, and
    for ids that cannot be CHeKT's.
    """
    number, uuid = _number(written.verification), _uuid(written.verification)
    if number is None and uuid is None:
        raise ConfigError(
            f"VERIFICATION {written.verification} is neither a number nor a UUID",
            hint="Write the number that CHeKT calls the verification by, such as 17.",
        )
    if written.verification_id is not None:
        uuid = _uuid(written.verification_id)
        if uuid is None:
            raise ConfigError(
                f"--verification-id {written.verification_id} is no UUID",
                hint=f"Write it as CHeKT sent it, such as {_SAMPLE}.",
            )
    known = [
        each
        for each in _heard(inbox)
        # A number alone may be another site's; a UUID is nobody else's.
        if (each.site_id == site_id if uuid is None else each.site_id in (None, site_id))
        and (uuid is None or each.verification_id == uuid)
        and (number is None or each.number in (None if uuid else number, number))
    ]
    uuids, numbers = {each.verification_id for each in known}, {each.number for each in known} - {None}
    if uuid is None:
        uuid = uuids.pop() if len(uuids) == 1 else None
    if number is None:
        number = numbers.pop() if len(numbers) == 1 else None
    if uuid is None:
        raise ConfigError(
            f"the UUID of verification {number} is not known, and CHeKT wants it beside the number",
            hint="Write --verification-id UUID, as it came with verification.requested.",
        )
    if number is None:
        raise ConfigError(
            f"the number of verification {uuid} is not known, and CHeKT wants it beside the UUID",
            hint=f"Write the number as VERIFICATION, and --verification-id {uuid}.",
        )
    heard = [each.asked_at for each in known if each.verification_id == uuid]
    return Question(written.site, number, uuid, written.asked_at or min(heard, default=None))


def _number(text: str) -> str | None:
    whole = text.isascii() and text.isdecimal() and len(text) <= 18 and int(text) > 0
    return str(int(text)) if whole else None


def _uuid(text: str) -> str | None:
    try:
        return str(UUID(text)) if "-" in text else None
    except ValueError:
        return None


def _heard(inbox: Iterable[Delivery]) -> Iterator[_Heard]:
    """What each delivery says; one that names no UUID says nothing."""
    for delivery in inbox:
        try:
            content = strict_json.parse(delivery.body or b"")
        except ValueError:
            continue
        if not wire.is_object(content):
            continue
        data = _data(content)
        uuid = _uuid(str(data.get("verification_id", "")))
        if uuid is not None:
            named = [number for name in _NUMBERS if (number := _number(str(data.get(name, ""))))]
            site_id = wire.text_id(data.get("site_id"))
            yield _Heard(
                named[0] if len(set(named)) == 1 else None,
                uuid,
                None if site_id is None else site_id.removeprefix("site_"),
                wire.moment(content.get("created_at")) or delivery.received_at,
            )


def _data(content: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """What an event is about, in any of the envelopes (chekt-api/README.md section 7)."""
    inner = content.get("data", content.get("payload"))
    return _data(inner) if wire.is_object(inner) else content
