"""Random projects that are right, over every kind and field, as YAML files.

``projects()`` draws a ``Drawn``: documents as plain data, and ``files(...)`` writes them in any order,
split and spelling. Usable by any test that needs desired resources.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

Document = dict[str, Any]

# Any text YAML can hold inside double quotes, once JSON has escaped it; never blank.
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cf"), exclude_characters="\u2028\u2029"),
    min_size=1,
    max_size=20,
)
SHORT_TEXTS = TEXTS.map(lambda text: text[:45])
IDS = st.from_regex(r"[a-zA-Z0-9_\-가-힣]([a-zA-Z0-9_\-. 가-힣]{0,8}[a-zA-Z0-9_\-가-힣])?", fullmatch=True)
ZONES = st.sampled_from(("Asia/Seoul", "America/New_York", "Europe/London", "America/Nuuk", "UTC"))
PHONES = st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True)
EMAILS = st.from_regex(r"[a-z0-9.]{1,8}@[a-zA-Z]{1,8}\.example", fullmatch=True)
URLS = st.from_regex(r"https://[a-z]{1,8}\.example(/[a-zA-Z0-9]{0,8})?", fullmatch=True)
ZONE_NUMBERS = st.integers(0, 9999).map(str)
MODES = st.sampled_from(("away", "stay", "night"))
DATES = st.dates().map(lambda date: date.isoformat() if date.year > 999 else "2026-12-24")
_CLOCKS = st.integers(0, 1439).map(lambda minutes: f"{minutes // 60:02d}:{minutes % 60:02d}")


def fields(required: Mapping[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> Any:
    """A mapping with the required fields, and some of the others, null among their values."""
    nullable = {name: st.none() | values for name, values in optional.items()}
    return st.fixed_dictionaries(dict(required), optional=nullable)


def _day_windows() -> st.SearchStrategy[list[Document]]:
    """Windows of one mode: whatever they overlap, they agree."""
    pairs = st.lists(_CLOCKS, min_size=2, max_size=2, unique=True)
    window = st.builds(lambda pair: {"arm": pair[0], "disarm": pair[1], "mode": "away"}, pairs)
    return st.lists(window, max_size=2)


def _week_windows() -> st.SearchStrategy[list[Document]]:
    days = st.lists(
        st.sampled_from(("mon", "tue", "wed", "thu", "fri", "sat", "sun")), min_size=1, max_size=7
    )
    return st.builds(
        lambda windows, chosen: [{**window, "days": chosen} for window in windows], _day_windows(), days
    )


DEVICES = fields(
    {"device_type": st.sampled_from(("camera", "bridge")), "zone_number": ZONE_NUMBERS},
    additional_zone_numbers=st.lists(ZONE_NUMBERS, max_size=3) | ZONE_NUMBERS,
    name=TEXTS,
    manufacturer=TEXTS,
    model=TEXTS,
    serial_number=TEXTS,
)
CONTACTS = fields(
    {"first_name": SHORT_TEXTS, "last_name": SHORT_TEXTS},
    phone_number=PHONES,
    email=EMAILS,
    title=SHORT_TEXTS,
    slot_number=SHORT_TEXTS,
    sms_alarm_enabled=st.booleans() | st.sampled_from((0, 1)),
    email_alarm_enabled=st.booleans(),
)
STATIONS = fields({"name": TEXTS}, prefix=TEXTS, linecard=TEXTS)
SECURITY_TYPES = st.sampled_from(
    ("panel_primary_bridge", "panel_individual_bridge", "video", "alarm_com", 1, 2, 3, 4)
)
SITES = st.builds(
    lambda site, security: {**site, **security},
    fields(
        {"name": TEXTS, "timezone": ZONES},
        account_number=TEXTS,
        address1=TEXTS,
        address2=TEXTS,
    ),
    st.fixed_dictionaries({}, optional={"security_type": SECURITY_TYPES}),
)
APPS = fields(
    {"permissions": st.lists(st.sampled_from(("devices:read", "events:read", "sites:write")), max_size=4)},
    name=TEXTS,
    ip_allow_list=st.lists(st.ip_addresses().map(str), max_size=2),
    webhook=st.fixed_dictionaries(
        {"url": URLS, "events": st.lists(st.sampled_from(("alarm.created", "device.offline")), max_size=2)}
    ),
)
CALENDARS = st.one_of(
    fields({"holidays": st.sampled_from(("KR", "US", "US-CA")), "closed": st.just("away")}),
    fields({"dates": st.lists(DATES, max_size=3), "closed": st.just("away")}),
    fields({"dates": st.lists(DATES, max_size=3), "windows": _day_windows()}),
)
SCHEDULES = fields(
    {"windows": _week_windows()},
    timezone=ZONES,
    exceptions=st.lists(
        st.fixed_dictionaries({"date": DATES, "windows": _day_windows()}),
        max_size=2,
        unique_by=lambda exception: exception["date"],
    ),
    manual_change=st.sampled_from(("respect_until_next", "enforce", {"rearm_after": "30m"})),
)
WEBHOOKS = st.fixed_dictionaries(
    {
        "events": st.lists(TEXTS, min_size=1, max_size=3),
        "secret": st.one_of(
            st.just({"env": "HOOK"}),
            st.just({"file": "/run/secrets/hook"}),
            st.just({"keyring": "chekt/hook"}),
        ),
    }
)
DEALERS = fields({}, company_name=TEXTS, company_address1=TEXTS, company_email=EMAILS)
LIFECYCLES = st.fixed_dictionaries({}, optional={"protect": st.booleans()})


@dataclass(frozen=True)
class Drawn:
    """The documents of a project, children inline where they were drawn so."""

    documents: tuple[Document, ...]

    def files(self, chance: random.Random) -> dict[str, str]:
        """The documents as YAML, shuffled: order of documents and keys, split into files, spelling."""
        documents = [_shuffled(document, chance) for document in self.documents]
        chance.shuffle(documents)
        named: dict[str, list[str]] = {}
        for document in documents:
            name = chance.choice(("a.yaml", "b.yml", "deep/er/c.yaml"))
            named.setdefault(name, []).append(spelled(document, chance))
        return {name: "---\n".join(texts) for name, texts in named.items()}


def _shuffled(value: Any, chance: random.Random) -> Any:
    """``value`` with the keys of every mapping in another order."""
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: _shuffled(value[key], chance) for key in keys}
    return [_shuffled(entry, chance) for entry in value] if isinstance(value, list) else value


def spelled(document: Document, chance: random.Random) -> str:
    """A document as YAML text: block or flow style, comments and blank lines here and there."""
    lines = []
    for key, value in document.items():
        if chance.random() < 0.2:
            lines.append("# a comment\n")
        if isinstance(value, list) and value and chance.random() < 0.5:
            lines.append(f"{key}:\n")
            lines.extend(f"  - {flow(entry)}\n" for entry in value)
        else:
            lines.append(f"{key}: {flow(value)}\n")
    return "".join(lines)


def flow(value: Any) -> str:
    """A value in flow style; texts as JSON, which is YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(entry) for entry in value) + "]"
    return json.dumps(value, ensure_ascii=False) if value is not None else "null"


def write(directory: Path, files: Mapping[str, str]) -> Path:
    """Write files below ``directory``, which is made; the directory again."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    return directory


@st.composite
def projects(draw: st.DrawFn, max_sites: int = 3) -> Drawn:
    """A right project: one or two dealers and what stands under them, calendars, schedules, webhooks."""
    calendars = draw(_named(CALENDARS, "calendar"))
    schedules = draw(_named(SCHEDULES, "schedule"))
    for schedule in schedules:
        if calendars and draw(st.booleans()):
            schedule["calendars"] = [draw(st.sampled_from(calendars))["id"]]
    documents = [*calendars, *schedules]
    for number, webhook in enumerate(draw(_named(WEBHOOKS, "webhook"))):
        documents.append({**webhook, "url": f"https://hook{number}.example/"})
    dealers = draw(_named(DEALERS, "dealer", min_size=1))
    for number, dealer in enumerate(dealers, start=1):
        dealer["dealer_id"] = number
        documents.append(dealer)
        documents.extend(draw(_children_of(dealer, schedules, max_sites)))
    return Drawn(tuple(documents))


@st.composite
def _named(draw: st.DrawFn, values: Any, kind: str, min_size: int = 0, max_size: int = 2) -> list[Document]:
    ids = draw(st.lists(IDS, min_size=min_size, max_size=max_size, unique=True))
    named = [{"kind": kind, "id": name, **draw(values)} for name in ids]
    for document in named:
        if draw(st.booleans()):
            document["lifecycle"] = draw(LIFECYCLES)
    return named


@st.composite
def _children_of(
    draw: st.DrawFn, dealer: Document, schedules: Sequence[Document], max_sites: int
) -> list[Document]:
    stations = draw(_named(STATIONS, "monitoring_station"))
    sites = draw(_named(SITES, "site", max_size=max_sites))
    documents = draw(_placed(stations, dealer, "monitoring_stations"))
    documents += draw(_placed(draw(_named(APPS, "app", max_size=1)), dealer, "apps"))
    for site in sites:
        if stations and draw(st.booleans()):
            site["monitoring_station"] = draw(st.sampled_from(stations))["id"]
        if schedules and draw(st.booleans()):
            name = draw(st.sampled_from(schedules))["id"]
            site["arming"] = draw(st.sampled_from(({"schedule": name}, {"partitions": {1: name, 2: name}})))
        path = f"{dealer['id']}/{site['id']}"
        for kind, values, key in (("device", DEVICES, "devices"), ("contact", CONTACTS, "contacts")):
            documents += draw(_placed(draw(_named(values, kind)), site, key, path))
    return documents + draw(_placed(sites, dealer, "sites"))


@st.composite
def _placed(
    draw: st.DrawFn, children: list[Document], parent: Document, key: str, path: str = ""
) -> list[Document]:
    """The children inline under their parent, or as the documents that are returned."""
    if draw(st.booleans()):
        parent[key] = children
        for child in children:
            del child["kind"]
        return []
    for child in children:
        child[parent["kind"]] = path or parent["id"]
    return list(children)
