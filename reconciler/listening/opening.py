"""What reconciler.yaml says under ``listen``, with its secrets looked up: endpoints and their consumers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from reconciler.errors import ConfigError, SecretError
from reconciler.listening.consumers import CommandConsumer, Consumer, ForwardConsumer, LogConsumer
from reconciler.listening.endpoints import Encoding, Endpoint, Network, Signing
from reconciler.manifests import Project, secrets
from reconciler.manifests.ledger_setting import LedgerBranch
from reconciler.manifests.listen_settings import (
    ConsumerSettings,
    ListenEndpointSettings,
    ListenSettings,
    listen_address,
)
from reconciler.model import SecretRef
from reconciler.runtime import Runtime

_ALL: tuple[Encoding, ...] = ("hex", "base64", "sha256_hex")
_SHORTEST_STEP = 16
_STEP = re.compile(r"[A-Za-z0-9._~-]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen, and who is believed about the senders."""

    host: str
    port: int
    proxies: tuple[Network, ...]


def settings_of(project: Project) -> ListenSettings:
    """The ``listen`` block. Raises ConfigError without one, and for a ledger that cannot hold an inbox."""
    settings = project.settings.listen
    if settings is None:
        raise ConfigError(
            "reconciler.yaml has no listen block: there is nothing to listen for",
            hint="Write listen: {endpoints: {NAME: {path: /chekt/app, system: app, "
            "secrets: [{env: NAME}]}}}; the README shows a whole one.",
        )
    check_ledger(project)
    return settings


def check_ledger(project: Project) -> None:
    """Raises ConfigError where the project's ledger is a git branch."""
    if isinstance(project.settings.ledger_place, LedgerBranch) and not project.environment.is_embedded:
        raise ConfigError(
            "events cannot be kept in a ledger on a git branch: each would be a push before its answer",
            hint="Listen in a project, or on a machine, whose `ledger:` is a file or a database.",
        )


def place_of(settings: ListenSettings, address: str | None, *, behind_proxy: bool) -> Place:
    """Where to listen; ``address`` and ``behind_proxy`` of the command line win.

    Raises ConfigError for an address that others reach in the clear, and for an allow list that would be
    compared with the address of a proxy.
    """
    try:
        host, port = settings.place if address is None else listen_address(address)
    except ValueError as exc:
        raise ConfigError(f"--address {address}: not an address to listen on", hint=f"{exc}.") from exc
    proxied = behind_proxy or settings.behind_proxy
    if not proxied and not ip_address(host).is_loopback:
        raise ConfigError(
            f"{host} is reached by others, and the receiver speaks plain http: signatures and events would "
            "cross the network in the clear",
            hint="Listen on 127.0.0.1 behind a proxy that speaks TLS, or, where such a proxy is on another "
            "machine, write behind_proxy: true (--behind-proxy).",
        )
    listed = [name for name, each in settings.endpoints.items() if each.allow]
    if proxied and listed and not settings.trusted_proxies:
        raise ConfigError(
            f"listen.endpoints.{listed[0]}.allow: behind a proxy every delivery comes from the proxy",
            hint="Name it under listen.trusted_proxies; it is then believed about who it forwards.",
        )
    return Place(host, port, tuple(ip_network(each) for each in settings.trusted_proxies))


class Opener:
    """Looks up secrets of one project, which are masked from then on, and remembers their variables."""

    def __init__(self, project: Project, runtime: Runtime) -> None:
        self._project = project
        self._runtime = runtime
        self._variables: set[str] = set()

    def endpoints(self, settings: ListenSettings) -> list[Endpoint]:
        """The endpoints with their secrets. Raises SecretError, which names the place."""
        return [self._endpoint(name, each) for name, each in settings.endpoints.items()]

    def _endpoint(self, name: str, settings: ListenEndpointSettings) -> Endpoint:
        path = settings.path
        if settings.secret_path is not None:
            path = f"{path}/{self._step(name, settings.secret_path)}"
        return Endpoint(
            name=name,
            path=path,
            system=settings.system,
            signing=self._signing(name, settings),
            networks=tuple(ip_network(each) for each in settings.allow),
            events=frozenset(settings.events),
            consumers=tuple(settings.consumers),
        )

    def _step(self, name: str, ref: SecretRef) -> str:
        step = self._secret(f"{name}.secret_path", ref)
        if len(step) < _SHORTEST_STEP or not _STEP.fullmatch(step):
            raise SecretError(
                f"listen.endpoints.{name}.secret_path: it is shorter than {_SHORTEST_STEP} characters, "
                "or has others than letters, digits and . _ ~ -",
                hint="Make a long random one, for example with `openssl rand -hex 24`.",
            )
        return step

    def _signing(self, name: str, settings: ListenEndpointSettings) -> Signing | None:
        known = [self._secret(f"{name}.secrets", ref).encode() for ref in settings.secrets]
        known += [self._secret(f"{name}.webhook", ref).encode() for ref in self._of_webhook(settings)]
        if settings.system == "dealer":
            return None
        if settings.system == "partner":
            return Signing(tuple(known), "x-webhook-signature", None, ("sha256_hex",))
        stamped = None if settings.signed == "body" else "x-chekt-timestamp"
        return Signing(
            tuple(known),
            "x-chekt-signature",
            stamped,
            tuple(settings.encodings or _ALL),
            settings.timestamp_window,
        )

    def _of_webhook(self, settings: ListenEndpointSettings) -> Iterator[SecretRef]:
        for resource in self._project.resources:
            if resource.address.kind == "webhook" and resource.address.id == settings.webhook:
                secret = resource.fields["secret"]
                assert isinstance(secret, SecretRef)
                yield secret

    def _secret(self, place: str, ref: SecretRef) -> str:
        if ref.store == "env":
            self._variables.add(ref.name)
        try:
            value = secrets.resolve(ref, self._project.directory, self._runtime.env)
        except SecretError as exc:
            raise SecretError(f"listen.endpoints.{place}: {exc.message}", hint=exc.hint) from exc
        self._runtime.redactor.add(value)
        return value

    def consumers(
        self, settings: ListenSettings, write: Callable[[str], None]
    ) -> dict[tuple[str, str], Consumer]:
        """The consumers by endpoint and name; ``write`` takes the lines of the log. Raises SecretError."""
        found = [
            (endpoint, name, each)
            for endpoint, its in settings.endpoints.items()
            for name, each in its.consumers.items()
        ]
        forwards = {
            (endpoint, name): self._forward(f"{endpoint}.consumers.{name}", each)
            for endpoint, name, each in found
            if each.forward is not None
        }
        env = {name: value for name, value in self._runtime.env.items() if name not in self._variables}
        return {
            (endpoint, name): forwards.get((endpoint, name)) or _local(each, env, write)
            for endpoint, name, each in found
        }

    def _forward(self, place: str, settings: ConsumerSettings) -> Consumer:
        import httpx  # noqa: PLC0415  a receiver that forwards nothing does without

        assert settings.forward is not None
        url = settings.forward
        if isinstance(url, SecretRef):
            url = self._secret(f"{place}.forward", url)
            if urlsplit(url).scheme not in ("http", "https"):
                raise SecretError(f"listen.endpoints.{place}.forward: what is kept there is no URL")
        secret = None if settings.secret is None else self._secret(f"{place}.secret", settings.secret)
        http = httpx.Client(timeout=settings.timeout, limits=httpx.Limits(max_connections=settings.parallel))
        return ForwardConsumer(url, None if secret is None else secret.encode(), http)


def _local(settings: ConsumerSettings, env: Mapping[str, str], write: Callable[[str], None]) -> Consumer:
    """A consumer on this machine: a command, whose environment is ``env``, or the log."""
    if settings.command is None:
        return LogConsumer(write)
    return CommandConsumer(settings.command, settings.timeout, env)
