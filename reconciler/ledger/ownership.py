"""What we own: one row a resource and environment."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property

from reconciler.errors import LedgerError
from reconciler.ledger.database import Decoders, Tables, json_object, json_text
from reconciler.model import Address, JsonValue, Owned, Replaced


class Ownership(Tables):
    """The resources we own in one environment, and the key that digests their secrets."""

    def bind(self, account: str) -> None:
        """Say which account this environment's rows are about, by the origin of its API.

        Remote ids are numbers that mean another building in another account, so rows of one must never
        be read as another's. Raises LedgerError when something is owned in a different account.
        """
        with self._database.transaction():
            environment = self._database.environment
            known = self._database.rows("SELECT account FROM accounts WHERE environment = ?", (environment,))
            before = known[0]["account"] if known else account
            if before != account and self.owned():
                raise LedgerError(
                    f"the ledger of environment {environment} is about {before}, not {account}",
                    hint="Use another --env for another account, or name another `ledger` file.",
                )
            self._database.change(
                "INSERT INTO accounts (environment, account) VALUES (?, ?)"
                " ON CONFLICT (environment) DO UPDATE SET account = excluded.account",
                (environment, account),
            )

    def owned(self) -> dict[Address, Owned]:
        """Everything owned in this environment, by address, in order."""
        rows = self._database.read(
            Owned,
            _OWNED,
            "SELECT address, * FROM owned WHERE environment = ? AND substr(address, 1, ?) = ?",
            (self._database.environment, *self._database.in_part),
        )
        return dict(sorted((each.address, each) for each in rows))

    def record(self, owned: Owned) -> None:
        """Remember ``owned``, in place of what was known of its address."""
        self._database.insert(
            "INSERT INTO owned (environment, address, remote_id, external_id, protect, replaced, secrets,"
            " attested) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (environment, address) DO UPDATE SET remote_id = excluded.remote_id,"
            " external_id = excluded.external_id, protect = excluded.protect,"
            " replaced = excluded.replaced, secrets = excluded.secrets, attested = excluded.attested",
            (
                self._database.environment,
                str(owned.address),
                owned.remote_id,
                owned.external_id,
                int(owned.protect),
                json_text({path: asdict(value) for path, value in owned.replaced.items()}),
                json_text(dict(owned.secrets)),
                None if owned.attested is None else json_text(dict(owned.attested)),
            ),
        )

    def forget(self, address: Address) -> None:
        """Own ``address`` no longer; nothing happens where it was not owned."""
        self._database.change(
            "DELETE FROM owned WHERE environment = ? AND address = ?",
            (self._database.environment, str(address)),
        )

    def attest(self, address: Address, fields: Mapping[str, JsonValue]) -> None:
        """Record that a person set ``fields`` of ``address`` in the portal; owns it from now on."""
        self._database.insert(
            "INSERT INTO owned (environment, address, attested) VALUES (?, ?, ?)"
            " ON CONFLICT (environment, address) DO UPDATE SET attested = excluded.attested",
            (self._database.environment, str(address), json_text(dict(fields))),
        )

    @cached_property
    def _secret_key(self) -> bytes:
        return self._database.key("secrets")

    def secret_digest(self, value: str) -> str:
        """A keyed digest of ``value``: equal for equal secrets in this ledger, useless without it."""
        return hmac.new(self._secret_key, value.encode(), hashlib.sha256).hexdigest()

    def seen_digest(self, value: str) -> str:
        """A digest of a value that the account shows: equal for equal values in this ledger."""
        return self.secret_digest(value)


def _replaced(text: str) -> dict[str, Replaced]:
    return {path: Replaced(**sides) for path, sides in json_object(text).items()}


_OWNED: Decoders = {
    "address": Address.parse,
    "protect": bool,
    "replaced": _replaced,
    "secrets": json_object,
    "attested": json_object,
}
