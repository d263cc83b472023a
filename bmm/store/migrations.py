"""The schema, as migrations in the order they were written: append at the end, never edit one that has been released."""

from pathlib import Path

import sqlite_utils
from sqlite_utils.db import Database
from sqlite_utils.migrations import Migrations

schema = Migrations("bmm")


def migrate(path: Path) -> None:
    """Bring the database file to the newest schema; each migration is one transaction of its own."""
    db = sqlite_utils.Database(path)
    schema.apply(db)
    db.close()


@schema()
def m0001_initial(db: Database) -> None:
    db.executescript("""
        CREATE TABLE organisations (
            id TEXT PRIMARY KEY, name TEXT NOT NULL, data_key BLOB NOT NULL, created_at TEXT NOT NULL
        ) STRICT;
        CREATE TABLE users (
            id TEXT PRIMARY KEY, email TEXT UNIQUE, name TEXT NOT NULL, created_at TEXT NOT NULL
        ) STRICT;
        CREATE TABLE memberships (
            organisation_id TEXT NOT NULL REFERENCES organisations(id), user_id TEXT NOT NULL REFERENCES users(id),
            role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')), created_at TEXT NOT NULL,
            PRIMARY KEY (organisation_id, user_id)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE servers (
            id TEXT PRIMARY KEY, organisation_id TEXT NOT NULL REFERENCES organisations(id), slug TEXT NOT NULL, name TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('draft', 'live', 'failed', 'deleted')),
            version INTEGER, uid_block INTEGER NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, deleted_at TEXT
        ) STRICT;
        CREATE UNIQUE INDEX servers_slug ON servers (slug) WHERE deleted_at IS NULL;
        CREATE INDEX servers_slug_history ON servers (slug, deleted_at);
        CREATE UNIQUE INDEX servers_uid_block ON servers (uid_block) WHERE deleted_at IS NULL;
        CREATE TABLE versions (
            server_id TEXT NOT NULL REFERENCES servers(id), number INTEGER NOT NULL, bundle TEXT NOT NULL, build_id TEXT NOT NULL,
            created_at TEXT NOT NULL, PRIMARY KEY (server_id, number)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE builds (
            id TEXT PRIMARY KEY, organisation_id TEXT NOT NULL REFERENCES organisations(id), server_id TEXT NOT NULL REFERENCES servers(id),
            spec TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN
                ('queued', 'checking', 'bundling', 'trial', 'publishing', 'live', 'failed')),
            attempt INTEGER NOT NULL DEFAULT 0, lease_until TEXT, bundle TEXT, version INTEGER, replaces INTEGER, error_code TEXT, error TEXT,
            created_by TEXT, created_at TEXT NOT NULL, finished_at TEXT
        ) STRICT;
        CREATE INDEX builds_open ON builds (created_at) WHERE finished_at IS NULL;
        CREATE INDEX builds_of_server ON builds (server_id, created_at);
        CREATE TABLE build_events (
            id INTEGER PRIMARY KEY AUTOINCREMENT, build_id TEXT NOT NULL REFERENCES builds(id), at TEXT NOT NULL, step TEXT NOT NULL,
            level TEXT NOT NULL CHECK (level IN ('info', 'warning', 'error')), message TEXT NOT NULL
        ) STRICT;
        CREATE INDEX build_events_of_build ON build_events (build_id, id);
        CREATE TABLE containers (
            id TEXT PRIMARY KEY, server_id TEXT NOT NULL REFERENCES servers(id), version INTEGER NOT NULL, event_file TEXT NOT NULL,
            event_offset INTEGER NOT NULL DEFAULT 0, started_at TEXT NOT NULL, ended_at TEXT
        ) STRICT;
        CREATE INDEX containers_of_server ON containers (server_id) WHERE ended_at IS NULL;
        CREATE TABLE calls (
            id TEXT PRIMARY KEY, organisation_id TEXT NOT NULL, server_id TEXT NOT NULL REFERENCES servers(id), version INTEGER NOT NULL,
            at TEXT NOT NULL, tool TEXT NOT NULL, ok INTEGER NOT NULL, ms REAL NOT NULL, error TEXT, subject TEXT, client TEXT,
            grant_id TEXT
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX calls_of_server ON calls (server_id, at);
        CREATE TABLE logs (
            id INTEGER PRIMARY KEY AUTOINCREMENT, server_id TEXT NOT NULL REFERENCES servers(id), version INTEGER NOT NULL,
            at TEXT NOT NULL, level TEXT NOT NULL, tool TEXT, message TEXT NOT NULL
        ) STRICT;
        CREATE INDEX logs_of_server ON logs (server_id, id);
        CREATE TABLE secrets (
            server_id TEXT NOT NULL REFERENCES servers(id), key TEXT NOT NULL, organisation_id TEXT NOT NULL, sealed BLOB NOT NULL,
            updated_at TEXT NOT NULL, PRIMARY KEY (server_id, key)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE sign_in_links (
            hash TEXT PRIMARY KEY, user_id TEXT REFERENCES users(id), created_at TEXT NOT NULL, expires_at TEXT NOT NULL, used_at TEXT
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE sessions (
            hash TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users(id), created_at TEXT NOT NULL, expires_at TEXT NOT NULL,
            ended_at TEXT
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE oauth_clients (
            id TEXT PRIMARY KEY, name TEXT NOT NULL, metadata TEXT NOT NULL, secret_hash TEXT, fingerprint TEXT,
            created_at TEXT NOT NULL, used_at TEXT
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX oauth_clients_fingerprint ON oauth_clients (fingerprint);
        CREATE TABLE grants (
            id TEXT PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('client', 'token')), organisation_id TEXT NOT NULL, user_id TEXT
                REFERENCES users(id), client_id TEXT, server_id TEXT NOT NULL REFERENCES servers(id), scope TEXT NOT NULL,
            created_at TEXT NOT NULL, expires_at TEXT NOT NULL, revoked_at TEXT, revoked_why TEXT
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX grants_of_server ON grants (server_id);
        CREATE TABLE oauth_codes (
            hash TEXT PRIMARY KEY, grant_id TEXT NOT NULL REFERENCES grants(id), client_id TEXT NOT NULL, redirect_uri TEXT NOT NULL,
            challenge TEXT NOT NULL, resource TEXT NOT NULL, created_at TEXT NOT NULL, expires_at TEXT NOT NULL, redeemed_at TEXT
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE refresh_tokens (
            hash TEXT PRIMARY KEY, grant_id TEXT NOT NULL REFERENCES grants(id), parent TEXT, created_at TEXT NOT NULL,
            expires_at TEXT NOT NULL, rotated_at TEXT
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX refresh_tokens_of_grant ON refresh_tokens (grant_id);
        CREATE TABLE signing_keys (
            id TEXT PRIMARY KEY, public TEXT NOT NULL, sealed BLOB NOT NULL, created_at TEXT NOT NULL, retired_at TEXT
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE audit (
            id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, organisation_id TEXT, actor TEXT NOT NULL, action TEXT NOT NULL,
            target TEXT, detail TEXT NOT NULL DEFAULT '{}'
        ) STRICT;
        CREATE INDEX audit_of_organisation ON audit (organisation_id, id);
    """)


@schema()
def m0002_settings_of_a_running_server(db: Database) -> None:
    db.executescript("""
        ALTER TABLE servers ADD COLUMN calls_per_minute INTEGER CHECK (calls_per_minute > 0);
        ALTER TABLE servers ADD COLUMN public INTEGER NOT NULL DEFAULT 0 CHECK (public IN (0, 1));
        CREATE TABLE origins (
            server_id TEXT NOT NULL REFERENCES servers(id), origin TEXT NOT NULL, created_at TEXT NOT NULL,
            PRIMARY KEY (server_id, origin)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX origins_by_name ON origins (origin);
    """)


@schema()
def m0003_drafts(db: Database) -> None:
    db.executescript("""
        CREATE TABLE drafts (
            id TEXT PRIMARY KEY, organisation_id TEXT NOT NULL REFERENCES organisations(id), slug TEXT, base_version INTEGER,
            source TEXT NOT NULL, ask_model INTEGER NOT NULL CHECK (ask_model IN (0, 1)), prompt TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('queued', 'drafting', 'ready', 'failed', 'built')),
            base TEXT, suggestion TEXT, findings TEXT NOT NULL DEFAULT '[]', error_code TEXT, error TEXT,
            attempt INTEGER NOT NULL DEFAULT 0, lease_until TEXT, created_by TEXT, created_at TEXT NOT NULL, finished_at TEXT
        ) STRICT;
        CREATE INDEX drafts_open ON drafts (created_at) WHERE finished_at IS NULL;
        CREATE INDEX drafts_of_organisation ON drafts (organisation_id, created_at);
        CREATE TABLE draft_rounds (
            draft_id TEXT NOT NULL REFERENCES drafts(id), number INTEGER NOT NULL, kind TEXT NOT NULL CHECK (kind IN
                ('draft', 'iterate', 'curate', 'repair')),
            said TEXT NOT NULL, subject TEXT, asked_at TEXT, answered_at TEXT, model TEXT, prompt_version TEXT, digest TEXT, answer TEXT,
            document TEXT, stop_reason TEXT, tokens_in INTEGER NOT NULL DEFAULT 0, tokens_out INTEGER NOT NULL DEFAULT 0,
            tokens_cached INTEGER NOT NULL DEFAULT 0, cost INTEGER NOT NULL DEFAULT 0, ms INTEGER NOT NULL DEFAULT 0, error_code TEXT,
            error TEXT, PRIMARY KEY (draft_id, number)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX draft_rounds_paid ON draft_rounds (asked_at) WHERE asked_at IS NOT NULL;
        CREATE TABLE draft_events (
            id INTEGER PRIMARY KEY AUTOINCREMENT, draft_id TEXT NOT NULL REFERENCES drafts(id), at TEXT NOT NULL, step TEXT NOT NULL,
            level TEXT NOT NULL CHECK (level IN ('info', 'warning', 'error')), message TEXT NOT NULL, tool TEXT
        ) STRICT;
        CREATE INDEX draft_events_of_draft ON draft_events (draft_id, id);
        ALTER TABLE builds ADD COLUMN draft_id TEXT REFERENCES drafts(id);
        CREATE INDEX builds_of_draft ON builds (draft_id, created_at) WHERE draft_id IS NOT NULL;
    """)


@schema()
def m0004_findings_of_builds(db: Database) -> None:
    db.executescript("ALTER TABLE builds ADD COLUMN findings TEXT NOT NULL DEFAULT '[]';")


@schema()
def m0005_trials(db: Database) -> None:
    db.executescript("""
        CREATE TABLE trials (
            build_id TEXT PRIMARY KEY REFERENCES builds(id), at TEXT NOT NULL, trial TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
    """)


@schema()
def m0006_what_drafts_keep_sealed(db: Database) -> None:
    db.executescript("""
        CREATE TABLE draft_kept (
            draft_id TEXT NOT NULL REFERENCES drafts(id), what TEXT NOT NULL CHECK (what IN ('given', 'seen')), sealed BLOB NOT NULL,
            created_at TEXT NOT NULL, PRIMARY KEY (draft_id, what)
        ) STRICT, WITHOUT ROWID;
    """)
