"""Field types that normalise: one spelling for one value, on the desired and on the live side.

Each function takes any accepted spelling and returns the normal one, or raises ValueError with a
sentence that says what is allowed.
"""

from __future__ import annotations

import ipaddress
import re
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from reconciler.escape import visible

_MAC = re.compile(r"[0-9A-Fa-f]{12}")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_ZONE = re.compile(r"[0-9]{1,4}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|[^@\s]+@localhost")
_URL = re.compile(r"https?://[^\s/?#]+[^\s]*", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[^\s/:*?\[\]](?:[^/:*?\[\]\n\t]*[^\s/:*?\[\]])?")


def mac(text: str) -> str:
    """Twelve upper-case hex digits, the live form (chekt-api/README.md section 3.7)."""
    digits = re.sub(r"[:.\-\s]", "", text)
    if not _MAC.fullmatch(digits):
        raise ValueError('write a MAC address: twelve hex digits, such as "00:1A:2B:3C:4D:5E"')
    return digits.upper()


def phone(text: str) -> str:
    """E.164: ``+`` and the digits, without spaces, dots, dashes or brackets."""
    number = re.sub(r"[\s().\-]", "", text)
    if not _PHONE.fullmatch(number):
        raise ValueError('write the number with its country code, such as "+821012345678"')
    return number


def zone_number(text: str) -> str:
    """A zero-padded zone of at least three digits, the partner form."""
    if not _ZONE.fullmatch(text):
        raise ValueError('write a zone number in quotes, such as "001"')
    return text.zfill(3)


def zone_numbers(value: object) -> object:
    """A comma list or a list of zones as a sorted list without repeats; None for an empty one.

    On the wire an empty list is an empty text, which is the same as not set.
    """
    if isinstance(value, str):
        value = [step.strip() for step in value.split(",") if step.strip()]
    if isinstance(value, list) and all(isinstance(step, str) for step in value):
        return sorted({zone_number(step) for step in value}) or None
    return value


def email(text: str) -> str:
    """An address with the domain in lower case."""
    if not _EMAIL.fullmatch(text):
        raise ValueError('write an email address, such as "john@example.com"')
    local, _, domain = text.rpartition("@")
    return f"{local}@{domain.lower()}"


def url(text: str) -> str:
    """An http or https URL with scheme and host in lower case."""
    if not _URL.fullmatch(text):
        raise ValueError('write an absolute URL, such as "https://hooks.example.com/chekt"')
    scheme, _, rest = text.partition("://")
    split = re.search(r"[/?#]", rest)
    end = split.start() if split else len(rest)
    return f"{scheme.lower()}://{rest[:end].lower()}{rest[end:]}"


def network(text: str) -> str:
    """A single address or a CIDR network, IPv4 or IPv6, compressed."""
    try:
        if "/" not in text:
            return ipaddress.ip_address(text).compressed
        return ipaddress.ip_network(text).compressed
    except ValueError as exc:
        raise ValueError(f'{exc}; write an IP address or a network, such as "203.0.113.0/24"') from None


@cache
def zone_names() -> frozenset[str]:
    """Every IANA time zone of the ``tzdata`` package, links included."""
    text = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(text.split())


def timezone(text: str) -> str:
    """An IANA time zone id, in the database's own spelling."""
    if text in zone_names():
        return text
    raise ValueError(f'{text[:80]!r} is no IANA time zone; write one such as "Asia/Seoul"')


def identifier(text: str) -> str:
    """A stable name: no ``/ : * ? [ ]``, no space at the ends, nothing that is not seen."""
    if len(text) > 200 or not _IDENTIFIER.fullmatch(text):
        raise ValueError("write a name of 1 to 200 characters without / : * ? [ ] or outer spaces")
    if visible(text) != text:
        raise ValueError("write a name without control, direction and zero-width characters")
    return text


def flag(value: object) -> object:
    """0 / 1 as booleans (the API's own form, chekt-api/README.md section 3.7)."""
    return bool(value) if isinstance(value, int) and value in (0, 1) else value


def sorted_set(values: list[str]) -> list[str]:
    """A list that is a set: sorted, without repeats."""
    return sorted(set(values))


def secret_schema(base: str) -> dict[str, Any]:
    """The JSON Schema of a reference to a secret; ``base``: what the path of a file is relative to."""
    return {
        "type": "object",
        "description": "Where the secret is kept.",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": {
            "env": {"type": "string", "minLength": 1, "description": "Environment variable that holds it."},
            "file": {
                "type": "string",
                "minLength": 1,
                "description": f"File that holds it, relative to {base}.",
            },
            "keyring": {
                "type": "string",
                "pattern": "^[^/]+/.+$",
                "description": "SERVICE/NAME in the system keyring.",
            },
        },
    }


Text = Annotated[str, Field(min_length=1)]


def _text(*examples: str, **limits: str | int) -> WithJsonSchema:
    """The JSON Schema of a text that a validator checks: never narrower than the validator."""
    return WithJsonSchema({"type": "string", **limits, **({"examples": [*examples]} if examples else {})})


Identifier = Annotated[
    str, AfterValidator(identifier), _text(pattern=r"^[^\s/:*?\[\]]", minLength=1, maxLength=200)
]
Mac = Annotated[str, AfterValidator(mac), _text("00:1A:2B:3C:4D:5E")]
Phone = Annotated[str, AfterValidator(phone), _text("+821012345678")]
Email = Annotated[str, AfterValidator(email), _text("john@example.com")]
Url = Annotated[
    str, AfterValidator(url), _text("https://hooks.example.com/chekt", pattern="^[Hh][Tt][Tt][Pp]")
]
ZoneNumber = Annotated[str, AfterValidator(zone_number), _text("001", pattern="^[0-9]{1,4}$")]
ZoneNumbers = Annotated[
    list[str] | None,
    BeforeValidator(zone_numbers),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "null"},
                {"type": "string", "pattern": r"^[0-9]{1,4}(\s*,\s*[0-9]{1,4})*$"},
                {"type": "array", "items": {"type": "string", "pattern": "^[0-9]{1,4}$"}},
            ]
        }
    ),
]
Network = Annotated[str, AfterValidator(network), _text("203.0.113.0/24")]
TimeZone = Annotated[str, AfterValidator(timezone), _text("Asia/Seoul", "America/New_York")]
Flag = Annotated[bool, BeforeValidator(flag), WithJsonSchema({"enum": [True, False, 0, 1]})]
TextSet = Annotated[list[Text], AfterValidator(sorted_set)]
NetworkSet = Annotated[list[Network], AfterValidator(sorted_set)]
Mode = Literal["away", "stay", "night"]
