"""References to other resources: an address in manifests and plans, a remote id in the account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from reconciler.kinds import REGISTRY
from reconciler.kinds.kind import Reference
from reconciler.model import Address, JsonValue, LiveObject
from reconciler.planning.scope import chain

Change = Callable[[str, Reference], str]


def rewritten(
    kind: str, fields: Mapping[str, JsonValue], change: Change, *, by_remote_id: bool | None = None
) -> dict[str, JsonValue]:
    """``fields`` with ``change`` applied to every text that is a reference of ``kind``.

    ``by_remote_id``: only the references of that sort; None for all.
    """
    result = dict(fields)
    for reference in REGISTRY[kind].references:
        if by_remote_id is not None and reference.by_remote_id is not by_remote_id:
            continue
        name, *inner = reference.path.split(".")
        if name in result:
            result[name] = _at(result[name], inner, change, reference)
    return result


def _at(value: JsonValue, steps: Sequence[str], change: Change, reference: Reference) -> JsonValue:
    """``value`` with ``change`` applied to the texts that ``steps`` lead to; ``*`` is any entry."""
    if isinstance(value, str):
        return change(value, reference) if not steps else value
    if isinstance(value, Mapping):
        step, rest = (steps[0], steps[1:]) if steps else ("*", ())
        return {
            key: _at(inner, rest, change, reference) if step in ("*", key) else inner
            for key, inner in value.items()
        }
    if isinstance(value, Sequence):
        rest = steps[1:] if steps and steps[0] == "*" else steps
        return [_at(inner, rest, change, reference) for inner in value]
    return value


class Names:
    """Remote ids to addresses, among what was read and what the ledger knows."""

    def __init__(self, known: Mapping[Address, str]) -> None:
        """``known``: remote id by address."""
        self._by_remote_id: dict[tuple[str, str], list[Address]] = defaultdict(list)
        for address, remote_id in known.items():
            self._by_remote_id[address.kind, remote_id].append(address)

    def resolved(self, address: Address, live: LiveObject) -> LiveObject:
        """``live``, which has ``address``, with its references as addresses where they are known."""
        if not any(reference.by_remote_id for reference in REGISTRY[live.kind].references):
            return live
        above = set(chain(address))

        def name(remote_id: str, reference: Reference) -> str:
            near = [
                target
                for target in self._by_remote_id.get((reference.kind, remote_id), ())
                if any(step in above for step in chain(target))
            ]
            # Remote ids need not be unique across dealers: the target shares an ancestor, or is alone.
            targets = near or self._by_remote_id.get((reference.kind, remote_id), [])
            return str(targets[0]) if len(targets) == 1 else remote_id

        fields = rewritten(live.kind, live.fields, name, by_remote_id=True)
        return LiveObject(live.kind, live.remote_id, live.external_id, fields)
