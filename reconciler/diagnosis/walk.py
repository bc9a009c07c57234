"""Which GETs a diagnosis sends over one surface: each endpoint, with ids that earlier answers named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.chekt import objects, wire
from reconciler.chekt.probe import Probe, Seen
from reconciler.kinds import REGISTRY, Binding, Endpoint, Kind
from reconciler.kinds.surfaces import Surfaces
from reconciler.model import JsonValue

TRIED = 5
"""Parents looked into, at most, until one shows an object of a kind."""

SITES = "/ext/v1/sites"
NOWHERE = {"partner": "/partner/v1/dealers/{dealer_id}/sites/0", "dealer": f"{SITES}/0/contacts"}
"""What no account holds: ids begin with 1. Asked for to see how an error looks."""

LIMITS: Mapping[str, Mapping[str, str]] = {"live": {"limit": "500"}, "page": {"per_page": "100"}}
"""Query of the list of sites: the longest one the two shapes are known to give."""

_LONGEST = 60.0
"""Seconds after which nothing more is asked: a host may be slow."""

Raw = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Read:
    """One GET endpoint as it answered.

    ``ids``: CHeKT's ids in its path, outermost first. ``objects``: what it showed. ``misfit``: why that is
    not what was expected.
    """

    kind: str
    endpoint: Endpoint
    seen: Seen
    ids: tuple[str, ...]
    objects: tuple[Raw, ...] = ()
    misfit: str = ""

    @property
    def fits(self) -> bool:
        """Whether it answered in the expected shape."""
        return self.seen.is_json and not self.misfit

    @property
    def dealer_id(self) -> str | None:
        return self.ids[0] if self.ids else None


@dataclass(slots=True)
class Walk:
    """The GETs of one surface, in the order of REGISTRY, parents before children.

    ``reads``: of the kinds. ``states``: of arming, by the path's last word. ``missing``: what a path that
    leads nowhere answers. ``untried``: kinds and endpoints without an object to ask for.
    """

    probe: Probe
    served: Surfaces
    dealers: Sequence[str]
    clock: Callable[[], float]
    reads: list[Read] = field(default_factory=list)
    states: list[tuple[str, Seen]] = field(default_factory=list)
    missing: Seen | None = None
    untried: list[tuple[str, Endpoint]] = field(default_factory=list)
    _ids: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    _until: float = 0.0

    def run(self) -> None:
        """Ask. A host that does not answer, or is too slow, is asked no more."""
        self._until = self.clock() + _LONGEST
        self._ids["dealer"] = [(dealer,) for dealer in self.dealers]
        for kind in REGISTRY.values():
            binding = self.served.binding(kind.name)
            if binding is not None:
                self._kind(kind, binding)
        if self.served.surface == "dealer":
            self._arming()
        if self.dealers and not self._over:
            path = wire.path(NOWHERE[self.served.surface], {"dealer_id": self.dealers[0]})
            self.missing = self.probe.get(path, self.dealers[0])

    @property
    def _over(self) -> bool:
        return self.probe.hopeless or self.clock() > self._until

    def _kind(self, kind: Kind, binding: Binding) -> None:
        parents = self._ids.get(kind.parent, []) if kind.parent else [()]
        for endpoint in binding.lists:
            self._lists(kind, endpoint, parents)
        if binding.lists:
            self._ids[kind.name] = list(self._listed(kind, binding))
        found = self._ids.get(kind.name, [])
        singles = [
            (each, names)
            for each, names in (
                (binding.read, None),
                *((part.read, part.fields) for part in binding.parts),
            )
            if each is not None
        ]
        for endpoint, names in singles:
            if found:
                self._single(kind, binding, endpoint, found[0], names)
            else:
                self.untried.append((kind.name, endpoint))

    def _lists(self, kind: Kind, endpoint: Endpoint, parents: Sequence[tuple[str, ...]]) -> None:
        """Each dealer's sites are looked at, since each may have a key; of other lists one with objects."""
        all_of_them = kind.parent == "dealer" and kind.name == "site"
        asked = False
        for ids in parents if all_of_them else parents[:TRIED]:
            read = self._ask(kind, endpoint, ids, self._listing)
            if read is None:
                break
            asked = True
            if read.objects and not all_of_them:
                break
        if not asked:
            self.untried.append((kind.name, endpoint))

    def _listing(self, kind: Kind, endpoint: Endpoint, seen: Seen) -> tuple[tuple[Raw, ...], str]:
        last = endpoint.path.rstrip("/").rpartition("/")[2].replace("-", "_")
        array = wire.array(seen.body, (kind.collection, last))
        binding = self.served.bindings[kind.name]
        if array is None:
            return (), f"it shows no list of {kind.collection}"
        shown = tuple(each for each in array if wire.is_object(each))
        named = [objects.decode(kind, binding, each, endpoint.constants) for each in shown]
        if len(shown) < len(array) or None in named:
            return (), f"not every one of its {kind.collection} has a {binding.remote_id}"
        return shown, ""

    def _single(
        self,
        kind: Kind,
        binding: Binding,
        endpoint: Endpoint,
        ids: tuple[str, ...],
        names: frozenset[str] | None,
    ) -> None:
        """``names``: the fields of a part, None for the object itself."""

        def shown(_: Kind, __: Endpoint, seen: Seen) -> tuple[tuple[Raw, ...], str]:
            raw = wire.single(seen.body, (kind.name,))
            if raw is None:
                return (), "it shows no object"
            if names is not None:
                missing = not objects.decode_fields(kind, binding, raw, names)
                return (raw,), f"it lacks {', '.join(sorted(names))}" if missing else ""
            live = objects.decode(kind, binding, raw, {})
            if live is None or live.remote_id != ids[-1]:
                return (raw,), f"it shows another object than {binding.remote_id} {ids[-1]}"
            return (raw,), ""

        self._ask(kind, endpoint, ids, shown)

    def _ask(
        self,
        kind: Kind,
        endpoint: Endpoint,
        ids: tuple[str, ...],
        judge: Callable[[Kind, Endpoint, Seen], tuple[tuple[Raw, ...], str]],
    ) -> Read | None:
        """The answer, None where nothing is asked any more."""
        if self._over:
            return None
        known = dict(zip(objects.id_names(kind.name), ids, strict=False))
        path = wire.path(endpoint.path, known)
        query = LIMITS[self.probe.connection.dialect] if path == SITES else None
        seen = self.probe.get(path, known.get("dealer_id"), query)
        shown, misfit = judge(kind, endpoint, seen) if seen.is_json else ((), "")
        read = Read(kind.name, endpoint, seen, ids, shown, misfit)
        self.reads.append(read)
        return read

    def _listed(self, kind: Kind, binding: Binding) -> Iterator[tuple[str, ...]]:
        """Ids, ancestors first, of the objects that lists of the kind showed."""
        for read in self.reads:
            if read.kind != kind.name or read.endpoint not in binding.lists:
                continue
            for raw in read.objects:
                live = objects.decode(kind, binding, raw, read.endpoint.constants)
                if live is not None:
                    yield (*read.ids, live.remote_id)

    def _arming(self) -> None:
        """The arming state of a few sites, by the endpoint that fits each."""
        for dealer, site, raw in self._sites():
            if self._over:
                return
            divided = wire.truth(raw.get("is_partition_enabled")) or bool(raw.get("partitions"))
            for last in ("partition-arming",) if divided else ("arming", "partition-arming"):
                path = wire.path(f"{SITES}/{{site_id}}/{last}", {"site_id": site})
                seen = self.probe.get(path, dealer)
                self.states.append((last, seen))
                if seen.is_json:
                    break

    def _sites(self) -> Iterator[tuple[str | None, str, Raw]]:
        read = [each for each in self.reads if each.kind == "site" and each.objects]
        for each in read[:1]:
            for raw in each.objects[:TRIED]:
                site = wire.text_id(raw.get("site_id"))
                if site is not None:
                    yield each.dealer_id, site, raw
