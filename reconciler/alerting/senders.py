"""Ways to reach people: a JSON webhook, and whatever the ``apprise`` package speaks."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable

from reconciler.alerting.book import Receiver, sentence
from reconciler.errors import ConfigError, RemoteError
from reconciler.manifests import Project, secrets
from reconciler.manifests.settings import AlertSettings
from reconciler.model import JsonObject, SecretRef
from reconciler.runtime import Runtime

TIMEOUT = 5.0
"""Seconds to wait for a receiver: arming must not wait for it."""

SIGNATURE = "X-Reconciler-Signature"


def receivers(project: Project, runtime: Runtime) -> list[Receiver]:
    """Everybody that reconciler.yaml names under ``alerts``. Raises SecretError, ConfigError."""

    def resolve(ref: SecretRef) -> str:
        value = secrets.resolve(ref, project.directory, runtime.env)
        runtime.redactor.add(value)
        return value

    return [_receiver(number, each, resolve) for number, each in enumerate(project.settings.alerts, 1)]


def _receiver(number: int, settings: AlertSettings, resolve: Callable[[SecretRef], str]) -> Receiver:
    if settings.apprise is not None:
        return Receiver(f"apprise {number}", apprise_sender(resolve(settings.apprise)))
    assert settings.webhook is not None
    url = settings.webhook.url
    secret = settings.webhook.secret
    sender = webhook_sender(
        resolve(url) if isinstance(url, SecretRef) else url, None if secret is None else resolve(secret)
    )
    return Receiver(f"webhook {number}", sender)


def webhook_sender(url: str, secret: str | None) -> Callable[[JsonObject], None]:
    """Posts the alert's JSON to ``url``; anything but a 2xx raises RemoteError."""

    def send(content: JsonObject) -> None:
        import httpx  # noqa: PLC0415  only a run that has something to tell pays for it

        body = json.dumps(content, sort_keys=True, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json"}
        if secret is not None:
            headers[SIGNATURE] = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
        try:
            response = httpx.post(url, content=body, headers=headers, timeout=TIMEOUT)
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise RemoteError(f"the alert was not delivered: {type(exc).__name__}") from exc
        if not response.is_success:
            raise RemoteError(f"the alert was not delivered: the webhook answered {response.status_code}")

    return send


def apprise_sender(url: str) -> Callable[[JsonObject], None]:
    """Notifies ``url`` through apprise. Raises ConfigError where it is missing, or does not know the URL."""
    try:
        import apprise  # noqa: PLC0415  an extra: most projects do without
    except ImportError as exc:
        raise ConfigError(
            "alerts through apprise need the apprise package",
            hint="Install it with: pip install 'chekt-reconciler[alerts]'",
        ) from exc
    target = apprise.Apprise()
    if not target.add(url):
        raise ConfigError(
            "the apprise URL of an alert is not one that apprise knows", hint="See apprise's wiki."
        )

    def send(content: JsonObject) -> None:
        title = f"reconciler: {content['code']} ({content['status']})"
        if not target.notify(title=title, body=sentence(content)):
            raise RemoteError("the alert was not delivered: apprise reports a failure")

    return send
