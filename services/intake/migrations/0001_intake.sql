-- migrate:up
CREATE SCHEMA IF NOT EXISTS intake;

-- The version of the directory that intake.source_key holds: one row, so that a start without Kafka knows whom to trust.
CREATE TABLE intake.directory (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version integer NOT NULL CHECK (version >= 1),
    stored_at timestamptz NOT NULL DEFAULT now()
);

-- Who may send what. Keys as SHA-256 in hexadecimal; `types` are catalogue types, or `*` for every one.
CREATE TABLE intake.source_key (
    source text PRIMARY KEY,
    key_hash text NOT NULL,
    types text[] NOT NULL,
    is_active boolean NOT NULL
);

-- What a source may learn of its event. Never how many others were told. The duties stay sealed under the case's key.
CREATE TABLE intake.event_status (
    source text NOT NULL,
    event_id text NOT NULL,
    status text NOT NULL CHECK (status IN ('decided', 'refused', 'superseded')),
    errors jsonb NOT NULL,
    key_id uuid,
    duties_sealed bytea,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (source, event_id)
);

-- Rows come by the thousand a second and are found by their keys alone: cleaning up behind them, and counting them anew, may wait.
ALTER TABLE intake.event_status SET (autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_threshold = 200000);

GRANT USAGE ON SCHEMA intake TO tocsin_intake;
GRANT SELECT, INSERT, UPDATE ON intake.directory TO tocsin_intake;
GRANT SELECT, INSERT, DELETE ON intake.source_key TO tocsin_intake;
GRANT SELECT, INSERT, UPDATE ON intake.event_status TO tocsin_intake;

-- migrate:down
DROP TABLE intake.event_status;
DROP TABLE intake.source_key;
DROP TABLE intake.directory;
REVOKE USAGE ON SCHEMA intake FROM tocsin_intake;
