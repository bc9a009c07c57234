"""``listen`` in reconciler.yaml: the webhook receiver (chekt-api/README.md section 7)."""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from reconciler.kinds.schedule import Duration, seconds
from reconciler.kinds.values import Identifier, NetworkSet, Text
from reconciler.manifests.setting_types import HookUrl, Seconds, Secret, SettingsModel

_ADDRESS = re.compile(r"(localhost|[0-9.]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def listen_address(text: str) -> tuple[str, int]:
    """The IP address and the port of ``text``. Raises ValueError."""
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found[2]) > 65535:
        raise ValueError('write an IP address and a port, such as "127.0.0.1:8788" or "[::1]:8788"')
    host = found[1].strip("[]")
    return ("127.0.0.1" if host == "localhost" else ipaddress.ip_address(host).compressed), int(found[2])


def _address(text: str) -> str:
    listen_address(text)
    return text


def _path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise ValueError('write a path of letters, digits and . _ ~ -, such as "/chekt/app"')
    return text


class ConsumerSettings(SettingsModel):
    """Somebody who is told of every event of an endpoint: a command, a URL or the log; one of the three."""

    command: Annotated[
        list[Text] | None,
        Field(
            min_length=1,
            description="Program and arguments, without a shell; the event's JSON is on its stdin. "
            "Exit code 0: done.",
        ),
    ] = None
    forward: Annotated[
        HookUrl | None, Field(description="URL that the event's JSON is posted to as it came. A 2xx: done.")
    ] = None
    log: Annotated[Literal[True] | None, Field(description="true: a JSON line on stdout for each event.")] = (
        None
    )
    secret: Annotated[
        Secret | None,
        Field(description="Signs what is forwarded: X-Reconciler-Signature is sha256= and the HMAC in hex."),
    ] = None
    timeout: Annotated[Seconds, Field(description="Seconds that one attempt may take.")] = 30
    attempts: Annotated[
        int,
        Field(ge=1, le=100, description="Attempts, after 1, 2, 4, ... up to 600 s, before it is set aside."),
    ] = 20
    parallel: Annotated[
        int,
        Field(ge=1, le=32, description="Events under way at once; with 1 they are begun in their order."),
    ] = 1

    @model_validator(mode="after")
    def _one_of(self) -> ConsumerSettings:
        if sum(each is not None for each in (self.command, self.forward, self.log)) != 1:
            raise PydanticCustomError("consumer", "write one of command, forward and log")
        if self.secret is not None and self.forward is None:
            raise PydanticCustomError("consumer", "secret goes with forward")
        return self


class ListenEndpointSettings(SettingsModel):
    """A path at which CHeKT delivers events, and what proves that it is CHeKT."""

    path: Annotated[Text, AfterValidator(_path), Field(description='Its path: "/chekt/app".')]
    system: Annotated[
        Literal["app", "partner", "dealer"],
        Field(
            description="app: CHeKT Apps, signed with a timestamp. partner: registrations of the partner "
            "API, signed over the body. dealer: dealer webhooks, not signed."
        ),
    ]
    secrets: Annotated[
        list[Secret],
        Field(max_length=2, description="What the deliveries are signed with; two while it is changed."),
    ] = []
    webhook: Annotated[
        Identifier | None,
        Field(description="id of a webhook manifest, whose secret also signs (system partner)."),
    ] = None
    signed: Annotated[
        Literal["timestamp_and_body", "body"] | None,
        Field(
            description="System app: what is signed; timestamp_and_body when left out. body has no window."
        ),
    ] = None
    encodings: Annotated[
        list[Literal["hex", "base64", "sha256_hex"]] | None,
        Field(
            min_length=1,
            description="System app: how the signature may be written; each when left out. "
            "sha256_hex is sha256= before hex.",
        ),
    ] = None
    window: Annotated[
        Duration | None, Field(description='System app: how far the timestamp may be from now; "5m".')
    ] = None
    secret_path: Annotated[
        Secret | None, Field(description="A last step of the path that only CHeKT and you know.")
    ] = None
    allow: Annotated[
        NetworkSet, Field(description="Addresses and networks that deliveries may come from; any when empty.")
    ] = []
    events: Annotated[list[Text], Field(description="Event types that are kept; all when empty.")] = []
    consumers: Annotated[
        dict[Identifier, ConsumerSettings], Field(description="By name: who is told of every event.")
    ] = {}

    @property
    def timestamp_window(self) -> timedelta:
        """``window`` as a length of time."""
        return timedelta(seconds=seconds(self.window or "5m"))

    @model_validator(mode="after")
    def _proves_its_sender(self) -> ListenEndpointSettings:
        if self.system != "app" and (self.signed or self.encodings or self.window):
            raise PydanticCustomError("endpoint", "signed, encodings and window go with system: app")
        if self.system != "partner" and self.webhook is not None:
            raise PydanticCustomError("endpoint", "webhook goes with system: partner")
        if self.signed == "body" and self.window:
            raise PydanticCustomError("endpoint", "what is signed as body has no timestamp; leave out window")
        if self.system == "dealer":
            if self.secrets:
                raise PydanticCustomError("endpoint", "dealer webhooks are not signed; leave out secrets")
            if self.secret_path is None and not self.allow:
                raise PydanticCustomError(
                    "endpoint",
                    "anybody could write to an endpoint without a signature; add secret_path or allow",
                )
        elif not self.secrets and self.webhook is None:
            added = "secrets" if self.system == "app" else "secrets or webhook"
            text = "its deliveries are signed, with what is not written; add {added}"
            raise PydanticCustomError("endpoint", text, {"added": added})
        return self


class ListenSettings(SettingsModel):
    """The webhook receiver: ``reconciler listen``."""

    model_config = ConfigDict(json_schema_extra={"required": ["endpoints"]})

    address: Annotated[
        Text, AfterValidator(_address), Field(description="IP address and port to listen on.")
    ] = "127.0.0.1:8788"
    behind_proxy: Annotated[
        bool,
        Field(description="A proxy in front speaks TLS. Without it only this machine is listened to."),
    ] = False
    trusted_proxies: Annotated[
        NetworkSet, Field(description="Proxies that are believed about who they forward, X-Forwarded-For.")
    ] = []
    max_body: Annotated[
        int, Field(ge=1024, le=16 * 1024 * 1024, description="Bytes of one delivery, at most.")
    ] = 1024 * 1024
    keep: Annotated[
        Duration, Field(description="How long the body of an event is kept that everybody was told of.")
    ] = "168h"
    remember: Annotated[
        Duration, Field(description="How long an event is known, so that it is not taken for a new one.")
    ] = "2160h"
    endpoints: Annotated[
        dict[Identifier, ListenEndpointSettings],
        Field(min_length=1, description="By name: where CHeKT delivers. Keep a name when its path moves."),
    ]

    @property
    def place(self) -> tuple[str, int]:
        """``address`` as an IP address and a port."""
        return listen_address(self.address)

    @property
    def keep_bodies(self) -> timedelta:
        """``keep`` as a length of time."""
        return timedelta(seconds=seconds(self.keep))

    @property
    def remember_events(self) -> timedelta:
        """``remember`` as a length of time, at least that of ``keep``."""
        return max(self.keep_bodies, timedelta(seconds=seconds(self.remember)))

    @model_validator(mode="after")
    def _distinct(self) -> ListenSettings:
        paths = [each.path for each in self.endpoints.values()]
        if len(set(paths)) != len(paths):
            raise PydanticCustomError("listen", "two endpoints have one path; give each its own")
        return self
