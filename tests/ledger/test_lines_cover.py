"""Every table of the ledger survives on a git branch, or is known not to need to."""

from __future__ import annotations

from reconciler.ledger.lines import TABLES
from reconciler.ledger.schema import table_names

ELSEWHERE = {
    "keys": "the key of a ledger on a branch is an environment variable",
    "deliveries": "a command that receives refuses a ledger on a branch",
    "consumptions": "a command that receives refuses a ledger on a branch",
    "outcomes": "a command that receives refuses a ledger on a branch",
    "reports": "a command that reports arming refuses a ledger on a branch",
    "lanes": "a fleet's ledger is a PostgreSQL database",
    "due": "a fleet's ledger is a PostgreSQL database",
    "bundles": "a fleet's ledger is a PostgreSQL database",
    "handouts": "a fleet's ledger is a PostgreSQL database",
    "enforced": "a fleet's ledger is a PostgreSQL database",
    "assignments": "a fleet's ledger is a PostgreSQL database",
    "workers": "a fleet's ledger is a PostgreSQL database",
}
"""Tables without a file on the branch, and why that is no loss."""


def test_every_table_is_on_the_branch_or_known_not_to_be() -> None:
    written = {table.name for table in TABLES}
    assert written | ELSEWHERE.keys() == set(table_names())
    assert not written & ELSEWHERE.keys()
