"""Which verification a person means: the number of its path and the UUID of its body are two ids.

CHeKT wants both, and a person has mostly one. What the inbox received (``verification.requested``) may name
both; nobody knows under which names, so only what is clear is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from reconciler.chekt import events, strict_json, wire
from reconciler.errors import ConfigError
from reconciler.ledger import Delivery
from reconciler.model import Address

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

    def is_about(self, number: str | None, uuid: str | None, site_id: str) -> bool:
        """Whether this is the verification with ``number`` or ``uuid``, one of which is known, of the site.

        A number alone may be another site's. A UUID is nobody else's, so what else is left out may be.
        """
        if uuid is None:
            return (self.site_id, self.number) == (site_id, number)
        sites, numbers = (None, site_id), (None, number)
        return (
            self.verification_id == uuid
            and self.site_id in sites
            and (number is None or self.number in numbers)
        )


def question(written: Written, site_id: str, inbox: Iterable[Delivery]) -> Question:
    """The verification that ``written`` means, completed from ``inbox``, the newest first.

    ``site_id``: CHeKT's number of the site. Raises ConfigError, a sentence that asks for what is missing, and
    for ids that cannot be CHeKT's.
    """
    number, uuid = _named(written)
    known = [each for each in _heard(inbox) if each.is_about(number, uuid, site_id)]
    number = number or _only(each.number for each in known)
    uuid = uuid or _only(each.verification_id for each in known)
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


def _named(written: Written) -> tuple[str | None, str | None]:
    """The number and the UUID that a person wrote, one of them at least. Raises ConfigError."""
    number, uuid = _number(written.verification), _uuid(written.verification)
    if number is None and uuid is None:
        raise ConfigError(
            f"VERIFICATION {written.verification} is neither a number nor a UUID",
            hint="Write the number that CHeKT calls the verification by, such as 17.",
        )
    if written.verification_id is None:
        return number, uuid
    uuid = _uuid(written.verification_id)
    if uuid is None:
        raise ConfigError(
            f"--verification-id {written.verification_id} is no UUID",
            hint=f"Write it as CHeKT sent it, such as {_SAMPLE}.",
        )
    return number, uuid


def _only(values: Iterable[str | None]) -> str | None:
    """The one value there is; None where there is none, and where there are several."""
    found = set(values) - {None}
    return found.pop() if len(found) == 1 else None


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
        data = events.places(content)[0]  # not the envelope: its id is the event's
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
