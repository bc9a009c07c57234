"""Time-zone data of another release: an unpacked ``tzdata`` package, or its wheel."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import ConfigError

if TYPE_CHECKING:  # start-up stays instant
    from reconciler.arming.zones import Zone

_HINT = "get one with `pip download --no-deps tzdata==2026.1`: the wheel, or the directory it unpacks to"
_PLACES = ("", "zoneinfo", "tzdata/zoneinfo")
"""Where the zones lie in a wheel, a package, or a bare tree."""


@dataclass(frozen=True, slots=True)
class ZoneData:
    """A release, such as ``2026a``, and how to read its zones; unknown ones raise ConfigError."""

    release: str
    zone: Callable[[str], Zone]


def zone_data(path: Path) -> ZoneData:
    """The release at ``path``. Raises ConfigError where there is none."""
    try:
        root: Path | zipfile.Path = zipfile.Path(path) if path.is_file() else path
        for place in _PLACES:
            tree = root.joinpath(place) if place else root
            source = tree.joinpath("tzdata.zi")
            if source.is_file():
                first = source.read_text(encoding="utf-8").partition("\n")[0]
                return ZoneData(first.removeprefix("# version").strip(), _reader(tree, path))
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as exc:
        raise ConfigError(f"--tzdata {path} cannot be read: {exc}", hint=_HINT) from exc
    raise ConfigError(f"--tzdata {path} holds no release of tzdata", hint=_HINT)


def _reader(tree: Path | zipfile.Path, path: Path) -> Callable[[str], Zone]:
    from reconciler.arming.zones import read_zone

    @cache
    def read(name: str) -> Zone:
        try:
            return read_zone(name, tree.joinpath(*name.split("/")).read_bytes())
        except (OSError, KeyError, ValueError) as exc:
            raise ConfigError(
                f"--tzdata {path} has no time zone {name}: {exc}", hint="name a whole release of tzdata"
            ) from exc

    return read
