"""The tables of the ledger and how an older file is brought up to date.

Every row carries its environment. No table holds a secret, a token or a payload: secrets and
payloads appear as digests only. The events of webhooks are kept as they came, for as long as somebody has
to be told of them and some days more.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

from reconciler.errors import LedgerError

APPLICATION_ID = 0x52434E4C
"""``RCNL`` in the file's header: marks an SQLite file as a ledger."""

_V1 = """
CREATE TABLE keys (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE accounts (
    environment TEXT PRIMARY KEY,
    account     TEXT NOT NULL
) STRICT;

CREATE TABLE owned (
    environment TEXT NOT NULL,
    address     TEXT NOT NULL,
    remote_id   TEXT,
    external_id TEXT,
    protect     INTEGER NOT NULL DEFAULT 0,
    replaced    TEXT NOT NULL DEFAULT '{}',
    secrets     TEXT NOT NULL DEFAULT '{}',
    attested    TEXT,
    PRIMARY KEY (environment, address)
) STRICT;

CREATE TABLE runs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    environment   TEXT NOT NULL,
    command       TEXT NOT NULL,
    trace_id      TEXT NOT NULL,
    config_digest TEXT NOT NULL,
    started_at    TEXT NOT NULL,
    ended_at      TEXT,
    result        TEXT
) STRICT;

CREATE TABLE intents (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    run             INTEGER NOT NULL REFERENCES runs (id),
    environment     TEXT NOT NULL,
    address         TEXT NOT NULL,
    operation       TEXT NOT NULL CHECK (operation IN ('create', 'update', 'delete')),
    part            TEXT,
    number          INTEGER NOT NULL CHECK (number > 0),
    payload_digest  TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    remote_id       TEXT,
    external_id     TEXT,
    intended_at     TEXT NOT NULL,
    status          TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'done', 'failed', 'unknown')),
    settled_at      TEXT,
    UNIQUE (environment, address, operation, number),
    CHECK ((status = 'open') = (settled_at IS NULL))
) STRICT;
CREATE INDEX open_intents ON intents (environment, address) WHERE status = 'open';

CREATE TABLE commands (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    environment  TEXT NOT NULL,
    target       TEXT NOT NULL,
    partition    INTEGER,
    schedule     TEXT NOT NULL,
    revision     TEXT NOT NULL,
    tzdata       TEXT NOT NULL,
    reason       TEXT NOT NULL,
    state_before TEXT NOT NULL,
    decided      TEXT NOT NULL,
    result       TEXT NOT NULL,
    state_after  TEXT,
    due          TEXT,
    issued_at    TEXT NOT NULL,
    lateness     REAL NOT NULL,
    note         TEXT NOT NULL
) STRICT;
CREATE INDEX commands_by_target ON commands (environment, target, id);
CREATE TRIGGER commands_keep BEFORE UPDATE ON commands
BEGIN SELECT RAISE(ABORT, 'arming commands are append-only'); END;
CREATE TRIGGER commands_stay BEFORE DELETE ON commands
BEGIN SELECT RAISE(ABORT, 'arming commands are append-only'); END;

CREATE TABLE overrides (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT NOT NULL,
    target      TEXT NOT NULL,
    partition   INTEGER,
    state       TEXT NOT NULL,
    until       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    made_by     TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    cleared_at  TEXT
) STRICT;
CREATE INDEX overrides_in_force ON overrides (environment, target) WHERE cleared_at IS NULL;

CREATE TABLE watched (
    environment TEXT NOT NULL,
    target      TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    memory      TEXT NOT NULL,
    PRIMARY KEY (environment, target, partition)
) STRICT;

CREATE TABLE alerts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT NOT NULL,
    code        TEXT NOT NULL,
    target      TEXT NOT NULL,
    partition   INTEGER,
    message     TEXT NOT NULL,
    opened_at   TEXT NOT NULL,
    resolved_at TEXT,
    told        TEXT NOT NULL DEFAULT '{}',
    settled     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX live_alerts ON alerts (environment) WHERE resolved_at IS NULL OR settled = 0;
"""

_V2 = """
-- In version 1 an unknown write was final and never sent again, which is what failed says.
UPDATE intents SET status = 'failed' WHERE status = 'unknown';
ALTER TABLE intents ADD COLUMN moves TEXT NOT NULL DEFAULT '{}';
ALTER TABLE intents ADD COLUMN seen TEXT NOT NULL DEFAULT '';
DROP INDEX open_intents;
CREATE INDEX unsettled_intents ON intents (environment, address) WHERE status IN ('open', 'unknown');

CREATE TABLE resolutions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT NOT NULL,
    address     TEXT NOT NULL,
    operation   TEXT NOT NULL,
    part        TEXT,
    number      INTEGER NOT NULL,
    happened    INTEGER NOT NULL CHECK (happened IN (0, 1)),
    remote_id   TEXT,
    seen        TEXT NOT NULL,
    resolved_by TEXT NOT NULL,
    resolved_at TEXT NOT NULL
) STRICT;
CREATE TRIGGER resolutions_keep BEFORE UPDATE ON resolutions
BEGIN SELECT RAISE(ABORT, 'resolutions are append-only'); END;
CREATE TRIGGER resolutions_stay BEFORE DELETE ON resolutions
BEGIN SELECT RAISE(ABORT, 'resolutions are append-only'); END;
"""

_V3 = """
ALTER TABLE commands ADD COLUMN changed_at TEXT;
ALTER TABLE commands ADD COLUMN changed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE commands ADD COLUMN changed_through TEXT NOT NULL DEFAULT '';

CREATE TABLE answers (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    environment     TEXT NOT NULL,
    site            TEXT NOT NULL,
    site_id         TEXT NOT NULL,
    verification    TEXT NOT NULL,
    verification_id TEXT NOT NULL,
    contact         TEXT NOT NULL,
    contact_id      TEXT NOT NULL,
    action          TEXT NOT NULL CHECK (action IN ('dispatch', 'disregard')),
    asked_at        TEXT,
    responded_at    TEXT NOT NULL,
    answered_by     TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    status          TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'done', 'failed', 'unknown')),
    settled_at      TEXT,
    answer_id       TEXT,
    note            TEXT NOT NULL DEFAULT ''
) STRICT;
-- What failed was refused or never sent; of all else there is one a verification, by either of its ids.
CREATE UNIQUE INDEX one_answer ON answers (environment, site_id, verification) WHERE status <> 'failed';
CREATE UNIQUE INDEX one_answer_by_uuid ON answers (environment, verification_id) WHERE status <> 'failed';
CREATE TRIGGER answers_stay BEFORE DELETE ON answers
BEGIN SELECT RAISE(ABORT, 'answers to verifications are kept'); END;

CREATE TABLE reports (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    environment     TEXT NOT NULL,
    site            TEXT NOT NULL,
    dealer_id       TEXT NOT NULL,
    site_id         TEXT NOT NULL,
    sequence        INTEGER NOT NULL,
    partition       TEXT NOT NULL,
    state           TEXT NOT NULL,
    zones           TEXT NOT NULL DEFAULT '[]',
    source          TEXT NOT NULL DEFAULT '',
    user_id         TEXT NOT NULL DEFAULT '',
    resync          INTEGER NOT NULL DEFAULT 0,
    happened_at     TEXT NOT NULL,
    queued_at       TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    status          TEXT NOT NULL DEFAULT 'queued'
                    CHECK (status IN ('queued', 'sending', 'done', 'failed', 'unknown')),
    settled_at      TEXT,
    note            TEXT NOT NULL DEFAULT '',
    UNIQUE (environment, site_id, sequence)
) STRICT;
CREATE INDEX waiting_reports ON reports (environment, site_id) WHERE status IN ('queued', 'sending');
CREATE INDEX reports_by_site ON reports (environment, site);
CREATE TRIGGER reports_stay BEFORE DELETE ON reports
BEGIN SELECT RAISE(ABORT, 'arming reports are kept'); END;

CREATE TABLE confirmations (
    environment TEXT NOT NULL,
    account     TEXT NOT NULL,
    endpoint    TEXT NOT NULL,
    grade       TEXT NOT NULL,
    shape       TEXT NOT NULL,
    seen_at     TEXT NOT NULL,
    PRIMARY KEY (environment, account, endpoint)
) STRICT;

CREATE TABLE deliveries (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT NOT NULL,
    endpoint    TEXT NOT NULL,
    system      TEXT NOT NULL CHECK (system IN ('app', 'partner', 'dealer')),
    event_key   TEXT NOT NULL,
    event_id    TEXT NOT NULL,
    event_type  TEXT NOT NULL,
    received_at TEXT NOT NULL,
    repeats     INTEGER NOT NULL DEFAULT 0,
    body        BLOB,
    UNIQUE (environment, endpoint, event_key)
) STRICT;
CREATE INDEX deliveries_by_time ON deliveries (environment, received_at);

CREATE TABLE consumptions (
    delivery    INTEGER NOT NULL REFERENCES deliveries (id),
    environment TEXT NOT NULL,
    endpoint    TEXT NOT NULL,
    consumer    TEXT NOT NULL,
    status      TEXT NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'done', 'set_aside')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    forgiven    INTEGER NOT NULL DEFAULT 0,
    due_at      TEXT NOT NULL,
    note        TEXT NOT NULL DEFAULT '',
    settled_at  TEXT,
    PRIMARY KEY (delivery, consumer),
    CHECK ((status = 'waiting') = (settled_at IS NULL))
) STRICT;
CREATE INDEX waiting_consumptions ON consumptions (environment, endpoint, consumer, due_at)
    WHERE status = 'waiting';
CREATE INDEX consumptions_set_aside ON consumptions (environment, delivery) WHERE status = 'set_aside';

CREATE TABLE outcomes (
    environment TEXT NOT NULL,
    endpoint    TEXT NOT NULL,
    consumer    TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    number      INTEGER NOT NULL,
    last_at     TEXT NOT NULL,
    PRIMARY KEY (environment, endpoint, consumer, outcome)
) STRICT;

CREATE TABLE lanes (
    environment  TEXT NOT NULL,
    lane         TEXT NOT NULL,
    generation   INTEGER NOT NULL DEFAULT 0,
    holder       TEXT NOT NULL DEFAULT '',
    leased_until REAL NOT NULL DEFAULT 0,
    look_at      TEXT,
    priority     INTEGER NOT NULL DEFAULT 0,
    woken        INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (environment, lane)
) STRICT;

CREATE TABLE due (
    environment TEXT NOT NULL,
    target      TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    slot        INTEGER NOT NULL CHECK (slot IN (0, 1)),
    lane        TEXT NOT NULL,
    priority    INTEGER NOT NULL,
    at          TEXT NOT NULL,
    generation  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (environment, target, partition, slot)
) STRICT;
CREATE INDEX due_by_lane ON due (environment, lane, priority, at);

CREATE TABLE bundles (
    environment  TEXT NOT NULL,
    digest       TEXT NOT NULL,
    packed       BLOB NOT NULL,
    published_at TEXT NOT NULL,
    PRIMARY KEY (environment, digest)
) STRICT;

CREATE TABLE enforced (
    environment  TEXT PRIMARY KEY,
    bundle       TEXT NOT NULL,
    published_at TEXT NOT NULL
) STRICT;

CREATE TABLE handouts (
    environment TEXT NOT NULL,
    run         INTEGER NOT NULL REFERENCES runs (id),
    bundle      TEXT NOT NULL,
    parallelism INTEGER NOT NULL,
    beat        INTEGER NOT NULL DEFAULT 0,
    stopping    INTEGER NOT NULL DEFAULT 0,
    closed      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (environment, run)
) STRICT;
CREATE INDEX open_handouts ON handouts (environment) WHERE closed = 0;

CREATE TABLE assignments (
    environment TEXT NOT NULL,
    run         INTEGER NOT NULL REFERENCES runs (id),
    lane        TEXT NOT NULL,
    status      TEXT NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'running', 'ended')),
    generation  INTEGER NOT NULL DEFAULT 0,
    worker      TEXT,
    done        INTEGER NOT NULL DEFAULT 0,
    total       INTEGER NOT NULL,
    task        TEXT NOT NULL,
    result      TEXT,
    PRIMARY KEY (environment, run, lane)
) STRICT;

-- The only rows without an environment: a worker serves every one of its ledger.
CREATE TABLE workers (
    name       TEXT PRIMARY KEY,
    host       TEXT NOT NULL,
    pid        INTEGER NOT NULL,
    version    TEXT NOT NULL,
    lanes      INTEGER NOT NULL,
    working    INTEGER NOT NULL,
    draining   INTEGER NOT NULL,
    beat       INTEGER NOT NULL,
    started_at TEXT NOT NULL,
    seen_at    TEXT NOT NULL
) STRICT;
"""

MIGRATIONS: tuple[str, ...] = (_V1, _V2, _V3)
"""Script ``n`` brings a file of version ``n`` to ``n + 1``. Append; never edit a released one."""

SCHEMA_VERSION = len(MIGRATIONS)


def table_names() -> list[str]:
    """The tables in the order in which they were made: those that others refer to come first."""
    return [name for script in MIGRATIONS for name in re.findall(r"CREATE TABLE (\w+)", script)]


def statements(script: str) -> Iterator[str]:
    """The statements of ``script``, one at a time: a whole script would commit the transaction around it."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    assert not pending.strip(), pending


def newer(place: str, version: int) -> LedgerError:
    """Why a ledger of format ``version``, at ``place``, cannot be used by this program."""
    return LedgerError(
        f"the ledger {place} has format {version}; this version of reconciler knows up to {SCHEMA_VERSION}",
        hint="Upgrade chekt-reconciler to the version that wrote the ledger, or a later one.",
    )
