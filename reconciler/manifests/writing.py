"""Writes documents as YAML the way a person would: short mappings in one line, quotes where they matter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.kinds import REGISTRY
from reconciler.manifests.inventory import Inventory, children
from reconciler.manifests.key_order import key_order
from reconciler.manifests.settings import SETTINGS_FILE
from reconciler.model import Address, JsonObject, JsonValue
from reconciler.planning.naming import slug
from reconciler.planning.scope import collection_of

SCHEMAS = "schemas"
"""Folder of a written project that holds the schemas its files name."""

_WIDTH = 120
_FIRST = ("days", "date")
"""Keys that stand first in a nested mapping: what its other keys are about."""

_WORD = re.compile(r"[^\W\d_][\w .+/@&'()\-]*")
_NUMBERED = re.compile(
    r"\d{4}-\d\d-\d\d|\d{1,3}(?:\.\d{1,3}){3}(?:/\d\d?)?|\d[\d\-]* [^\W\d_][\w .+/@&'()\-]*"
)
_URL = re.compile(r"https?://[\w./~\-]+")
_SPOKEN_FOR = frozenset({"yes", "no", "on", "off", "true", "false", "null"})
"""Words that some reader of YAML takes for something else than text."""

_FILES = {
    "dealer": "dealers.yaml",
    "monitoring_station": "stations.yaml",
    "app": "apps.yaml",
    "schedule": "schedules.yaml",
    "calendar": "schedules.yaml",
    "webhook": "webhooks.yaml",
}


def scalar(value: JsonValue, *, flow: bool = False) -> str:
    """``value`` as YAML. ``flow``: it stands between braces or brackets, where ``:`` and ``,`` say more."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    plain = _WORD.fullmatch(value) or _NUMBERED.fullmatch(value) or (not flow and _URL.fullmatch(value))
    if plain and value.isprintable() and value.strip() == value and value.lower() not in _SPOKEN_FOR:
        return value
    return quoted(value)


def quoted(text: str) -> str:
    """``text`` in double quotes; what does not print is escaped."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def flow(value: JsonValue) -> str:
    """``value`` in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(k, flow=True)}: {flow(v)}" for k, v in _nested(value)) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(flow(each) for each in value) + "]"
    return scalar(value, flow=True)


def _nested(value: Mapping[str, JsonValue]) -> list[tuple[str, JsonValue]]:
    return sorted(value.items(), key=lambda each: each[0] not in _FIRST)


def block(document: Mapping[str, JsonValue], indent: str = "") -> list[str]:
    """A mapping with a line for each key; what fits into one line stands in one."""
    lines: list[str] = []
    for key, value in document.items():
        name = scalar(key)
        listed = isinstance(value, Sequence) and not isinstance(value, str)
        compact = f"{indent}{name}: {flow(value)}"
        if not isinstance(value, (Mapping, list, tuple)):
            lines.append(f"{indent}{name}: {scalar(value)}")
        elif not value or (not _structured(value) and len(compact) <= _WIDTH):
            lines.append(compact)
        elif listed:
            lines.append(f"{indent}{name}:")
            for entry in value:
                lines += _entry(entry, f"{indent}  ")
        else:
            assert isinstance(value, Mapping)
            lines += [f"{indent}{name}:", *block(dict(_nested(value)), f"{indent}  ")]
    return lines


def _structured(value: JsonValue) -> bool:
    """A list of mappings: each has a line of its own."""
    return isinstance(value, (list, tuple)) and any(isinstance(each, Mapping) for each in value)


def _entry(value: JsonValue, indent: str) -> list[str]:
    compact = f"{indent}- {flow(value)}"
    if not isinstance(value, Mapping) or len(compact) <= _WIDTH:
        return [compact if isinstance(value, (Mapping, list)) else f"{indent}- {scalar(value)}"]
    lines = block(dict(_nested(value)), f"{indent}  ")
    return [f"{indent}- {lines[0].lstrip()}", *lines[1:]]


@dataclass(slots=True)
class Written:
    """Files by name. ``places``: for each file the lines at which resources begin, and which."""

    files: dict[str, str] = field(default_factory=dict)
    places: dict[str, list[tuple[int, Address]]] = field(default_factory=dict)

    def at(self, file: str, line: int) -> Address | None:
        """The resource that a line of a file belongs to."""
        before = [address for start, address in self.places.get(file, ()) if start <= line]
        return before[-1] if before else None


def write(made: Inventory) -> Written:
    """The files of a project: a person's layout, one file a site, everything else by kind."""
    below = children(made)
    several = sum(address.kind == "dealer" for address in made.documents) > 1
    taken: set[str] = set()
    drafts: dict[str, list[str]] = {}
    written = Written()
    for address, document in made.documents.items():
        parent = collection_of(address).parent
        if parent is not None and REGISTRY[parent.kind].parent is not None:
            continue
        file = _FILES.get(address.kind) or _site_file(address, taken, several=several)
        lines = drafts.setdefault(file, [_modeline("manifest", file)])
        if len(lines) > 1:
            lines.append("---")
        places = written.places.setdefault(file, [])
        places.append((len(lines) + 1, address))
        _document_lines(address, document, below.get(address, {}), made, lines, places)
    written.files = {file: "\n".join(lines) + "\n" for file, lines in sorted(drafts.items())}
    return written


def _document_lines(
    address: Address,
    document: JsonObject,
    inline: Mapping[str, Sequence[Address]],
    made: Inventory,
    lines: list[str],
    places: list[tuple[int, Address]],
) -> None:
    whole: JsonObject = {"kind": address.kind, **document, **dict.fromkeys(inline)}
    for key in sorted(whole, key=key_order(address.kind).index):
        if key not in inline:
            lines += block({key: whole[key]})
            continue
        lines.append(f"{key}:")
        for child in inline[key]:
            places.append((len(lines) + 1, child))
            lines += _entry(made.documents[child], "  ")


def _site_file(address: Address, taken: set[str], *, several: bool) -> str:
    """A file name that any file system takes, one for each site."""
    steps = [slug(step) or "site" for step in (address.path if several else address.path[-1:])]
    name = "/".join(("sites", *steps))
    while name.casefold() in taken:
        name = f"{name}-2"
    taken.add(name.casefold())
    return f"{name}.yaml"


def _modeline(schema: str, file: str) -> str:
    up = "../" * file.count("/")
    return f"# yaml-language-server: $schema={up}{SCHEMAS}/{schema}.schema.json"


def settings_text(existing: str | None, defaults: Mapping[str, JsonObject]) -> str | None:
    """``reconciler.yaml`` with ``defaults``, appended to what stands there; None where nothing changes."""
    added = block({"defaults": dict(defaults)}) if defaults else []
    if existing is None:
        return "\n".join([_modeline("reconciler", SETTINGS_FILE), "version: 1", *added]) + "\n"
    if not added:
        return None
    return existing.rstrip("\n") + "\n" + "\n".join(added) + "\n"
