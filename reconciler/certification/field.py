"""The field side of a site on the simulator: doors, a person at the keypad, a network that fails.

Everything goes through ``/sim/v0``, which answers on this machine only. ``restore`` puts back what was
found, but for the state: who may change that is the model's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from reconciler.certification.record import Record
from reconciler.chekt import wire
from reconciler.chekt.client import Client
from reconciler.chekt.transport import Call
from reconciler.errors import ApiError, AuthError, ConfigError, RemoteError
from reconciler.model import JsonObject, JsonValue

DOOR = "901"
"""The zone of the door that people come and go by; its number is in no panel's way."""

_SIM = "/sim/v0"
_OWN = ("zones", "user_codes")
"""What of a site the field changes, as the simulator stores it."""


class Field:
    """What a person, the weather and the simulator's operator do at one site."""

    def __init__(
        self, client: Client, site_id: str, record: Record, keep: Callable[[JsonObject], None]
    ) -> None:
        """``keep`` takes what ``restore_found`` needs, each time before more is changed.

        Raises ConfigError where the host is not the simulator: a tunnel to another one, say.
        """
        self._client = client
        self._site = f"{_SIM}/sites/{site_id}"
        self._object = f"{_SIM}/objects/site/{site_id}"
        self._record = record
        self._keep = keep
        try:
            self._switches = self._object_at(f"{_SIM}/switches")
            found = self._object_at(self._object)["body"]
        except RemoteError as exc:
            raise ConfigError(
                f"this is not the sandbox: {exc.message}",
                hint="Start `reconciler sandbox serve` on this machine, or use --env embedded.",
            ) from exc
        body: Mapping[str, JsonValue] = found if wire.is_object(found) else {}
        self._found: JsonObject = {name: body.get(name) for name in _OWN}
        self._touched: JsonObject = {}
        self._faults: list[JsonObject] = []
        self._hooks: list[str] = []

    def restore(self) -> None:
        """Switches, doors, codes, faults and webhooks as they were found."""
        self._send("PUT", f"{_SIM}/switches", self._touched)
        self._send("PATCH", self._object, self._found)
        self.drop_faults()
        for hook in self._hooks:
            self._unhook(hook)
        self._hooks.clear()

    def _unhook(self, hook: str) -> None:
        try:
            self._send("DELETE", f"{_SIM}/objects/webhook/{hook}")
        except ApiError as exc:
            if exc.status != 404:  # one that is gone, with a simulator that was started anew, is put back
                raise

    def restore_found(self, found: Mapping[str, JsonValue]) -> None:
        """Put back what an earlier field, which was never restored, found and kept."""
        switches, body = found.get("switches"), found.get("body")
        faults, hooks = wire.array(found.get("faults"), ()) or (), wire.array(found.get("hooks"), ()) or ()
        self._touched = dict(switches) if wire.is_object(switches) else {}
        self._found = dict(body) if wire.is_object(body) else self._found
        self._faults = [dict(each) for each in faults if wire.is_object(each)]
        self._hooks = [wire.text(each) for each in hooks]
        self.restore()
        self._switches = self._object_at(f"{_SIM}/switches")
        self._touched = {}

    def _keep_found(self) -> None:
        self._keep(
            {
                "switches": self._touched,
                "body": self._found,
                "faults": [*self._faults],
                "hooks": [*self._hooks],
            }
        )

    def set_switches(self, **values: JsonValue) -> None:
        """Set switches of the simulator, until ``restore``."""
        self._touched |= {name: self._switches[name] for name in values}
        self._keep_found()
        self._send("PUT", f"{_SIM}/switches", values)

    @contextmanager
    def switched(self, **values: JsonValue) -> Iterator[None]:
        """Switches for the time of a block, in which only the names given change."""
        before = self._object_at(f"{_SIM}/switches")
        self.set_switches(**values)
        told = ", ".join(f"{name.replace('_', ' ')} {value:g} s" for name, value in _delays(values))
        if told:
            self._record.note("field", f"the panel has: {told}")
        try:
            yield
        finally:
            self.set_switches(**{name: before[name] for name in values})

    def fault(self, action: str, **details: JsonValue) -> None:
        """Have one thing go wrong (``faults.Fault`` of the sandbox)."""
        fault: JsonObject = {"action": action, **details}
        self._faults.append(fault)
        self._keep_found()
        self._record.note("field", f"the network is told to fail: {action}")
        self._send("POST", f"{_SIM}/faults", fault)

    def drop_faults(self) -> None:
        """Forget the faults set here that have struck nobody; others' stay."""
        left = self._objects_at(f"{_SIM}/faults")
        ours = [each for each in left if _aim(each) in map(_aim, self._faults)]
        self._faults.clear()
        if ours:
            self._send("DELETE", f"{_SIM}/faults")
            for fault in left:
                if fault not in ours:
                    self._send("POST", f"{_SIM}/faults", fault)

    def hook(self, url: str, events: list[JsonValue], secret: str) -> None:
        """Have the account's webhooks go to ``url`` too, as if somebody had registered it."""
        body: JsonObject = {"url": url, "events": events, "secret": secret}
        made = self._send("POST", f"{_SIM}/objects/webhook", {"external_id": url, "body": body})
        if wire.is_object(made):
            self._hooks.append(wire.text(made["id"]))
            self._keep_found()

    def door(self, status: str) -> None:
        """Open or close the entry door."""
        self._keep_found()
        self._record.note("field", f"the front door (zone {DOOR}) is {status}")
        self._send(
            "PUT", f"{self._site}/zones/{DOOR}", {"status": status, "entry": True, "name": "Front Door"}
        )

    def codes(self, users: Mapping[str, str]) -> None:
        """Give the keypad its users, by code."""
        self._keep_found()
        self._send("PUT", f"{self._site}/user-codes", dict(users))

    def keys(self, key: str, code: str) -> bool:
        """Press ``key`` (away, stay, night, disarm) with ``code``; False where the keypad refuses."""
        try:
            self._send("POST", f"{self._site}/keypad", {"key": key, "user_code": code})
        except (ApiError, AuthError):
            self._record.note("field", f"somebody at the keypad: {key}; refused")
            return False
        self._record.note("field", f"somebody at the keypad: {key}")
        return True

    def put(self, state: str) -> None:
        """Put the panel into ``state`` at once."""
        self._record.note("field", f"the panel is put to {state}")
        self._send("PUT", f"{self._site}/arming", {"state": state, "by": "certification"})

    def panel(self) -> str:
        """The panel's own word for the state; those of several partitions, where they differ."""
        found = [wire.text(each["state"]) for each in self._objects_at(f"{self._site}/arming")]
        return ", ".join(dict.fromkeys(found))

    def attempts(self, url: str) -> int:
        """How often the deliveries to ``url`` that were not taken were tried."""
        return sum(
            int(wire.text(each["attempts"]))
            for each in self._objects_at(f"{_SIM}/deliveries")
            if each["url"] == url and each["status"] in ("queued", "failed")
        )

    def deliver(self) -> None:
        """Have the webhooks sent that are due; a served simulator does so by itself, too."""
        self._send("POST", f"{_SIM}/deliveries")

    def _object_at(self, path: str) -> JsonObject:
        answer = self._client.transport.send(Call("GET", path, once=True))
        if not wire.is_object(answer.body):
            raise self._client.transport.unexpected(answer.endpoint, answer.status, "expected an object")
        return dict(answer.body)

    def _objects_at(self, path: str) -> list[JsonObject]:
        listed = wire.array(self._send("GET", path), ()) or ()
        return [dict(each) for each in listed if wire.is_object(each)]

    def _send(self, method: str, path: str, body: JsonValue = None) -> JsonValue:
        return self._client.transport.send(Call(method, path, body=body, once=True)).body


def _aim(fault: Mapping[str, JsonValue]) -> tuple[JsonValue, ...]:
    """What a fault strikes, and how: what does not change while it waits."""
    return tuple(fault.get(name, ".*") for name in ("action", "method", "path"))


def _delays(values: Mapping[str, JsonValue]) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if name.endswith("_delay") and isinstance(value, (int, float)):
            yield name, value
