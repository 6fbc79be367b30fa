-- migrate:up
-- One key per case, wrapped by the key-encryption key. A null in `wrapped` is a shredded key: the row stays as its tombstone.
CREATE SCHEMA IF NOT EXISTS keyring;

CREATE TABLE keyring.case_key (
    key_id uuid PRIMARY KEY,
    case_ref text NOT NULL UNIQUE,
    wrapped bytea,
    kek_version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Rows come by the thousand a second and are found by their keys alone: cleaning up behind them, and counting them anew, may wait.
ALTER TABLE keyring.case_key SET (autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_threshold = 200000);

GRANT USAGE ON SCHEMA keyring TO tocsin_intake, tocsin_routing, tocsin_notify;
GRANT SELECT, INSERT ON keyring.case_key TO tocsin_intake;
GRANT SELECT ON keyring.case_key TO tocsin_routing, tocsin_notify;

-- migrate:down
DROP TABLE keyring.case_key;
REVOKE USAGE ON SCHEMA keyring FROM tocsin_intake, tocsin_routing, tocsin_notify;
