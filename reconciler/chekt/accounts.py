"""Who a request is sent as: the authentication and the rate budget of each credential."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from reconciler.chekt import auth, budget
from reconciler.chekt.connection import (
    DOCUMENTED_RATES,
    Assertion,
    ClientSecret,
    Connection,
    DealerKeys,
    EventKey,
    Rate,
    secrets_of,
)
from reconciler.chekt.shared_budget import BucketOnShelf
from reconciler.redaction import Redactor
from reconciler.urls import check_url


@dataclass(frozen=True, slots=True)
class Account:
    """One credential in use."""

    auth: httpx.Auth
    budget: budget.Budget


class Accounts:
    """The accounts of a connection: one for a partner, one a key on the dealer surface."""

    def __init__(
        self,
        connection: Connection,
        redactor: Redactor,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], object],
    ) -> None:
        for secret in secrets_of(connection.credentials):
            redactor.add(secret)
        self._connection = connection
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._by_key: dict[str, Account] = {}
        self._partner: Account | None = None
        match connection.credentials:
            case ClientSecret() as credentials:
                check_url(credentials.token_url, "CHEKT_TOKEN_URL")
                flow = auth.secret_auth(credentials, redactor, clock)
                self._partner = self._account(flow, credentials.client_id)
            case Assertion() as credentials:
                check_url(credentials.token_url, "CHEKT_TOKEN_URL")
                flow = auth.assertion_auth(credentials, redactor, clock)
                self._partner = self._account(flow, credentials.client_id)
            case EventKey() as credentials:
                key = auth.KeyAuth(credentials.key, "the key of the Event API", header="X-API-KEY")
                self._partner = self._account(key, credentials.key)
            case DealerKeys():
                pass

    def of(self, dealer_id: str | None) -> Account:
        """The account for a call that concerns ``dealer_id``. Raises AuthError where no key fits."""
        if self._partner is not None:
            return self._partner
        assert isinstance(self._connection.credentials, DealerKeys)
        key = auth.dealer_key(self._connection.credentials, dealer_id)
        with self._lock:
            if key not in self._by_key:
                self._by_key[key] = self._account(auth.KeyAuth(key, "the dealer API key"), key)
            return self._by_key[key]

    def _account(self, flow: httpx.Auth, credential: str) -> Account:
        connection = self._connection
        host = urlsplit(connection.base_url).netloc.lower()
        documented = DOCUMENTED_RATES[connection.surface]
        rate = connection.rate or documented
        return Account(
            flow,
            budget.Budget(
                rate,
                self._bucket(host, credential),
                clock=self._clock,
                sleep=self._sleep,
                ceiling=rate.per_minute < documented.per_minute,
            ),
        )

    def _bucket(self, host: str, credential: str) -> budget.BucketKeep:
        """Where the bucket of ``credential`` on ``host`` is kept."""
        shelf = self._connection.shelf
        if shelf is None:
            return budget.kept_bucket(self._connection.state_dir, host, credential)
        return BucketOnShelf(shelf, budget.name_of(host, credential), self._clock)


def ceiling(
    connection: Connection, *, clock: Callable[[], float], sleep: Callable[[float], object]
) -> budget.Budget | None:
    """The budget of this run alone, for what ``max_rate`` allows; None without one."""
    if connection.max_rate is None:
        return None
    documented = DOCUMENTED_RATES[connection.surface]
    share = connection.max_rate / documented.per_minute
    rate = Rate(connection.max_rate, max(1, int(documented.burst * share)))
    return budget.Budget(rate, budget.BucketInMemory(), clock=clock, sleep=sleep)
