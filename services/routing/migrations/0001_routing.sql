-- migrate:up
CREATE SCHEMA IF NOT EXISTS routing;

-- Every version of the directory ever applied, as it was published. `content_digest` (keyed) tells whether a file changes anything.
CREATE TABLE routing.directory (
    version integer PRIMARY KEY,
    snapshot jsonb NOT NULL,
    content_digest bytea NOT NULL,
    applied_at timestamptz NOT NULL,
    applied_by text NOT NULL
);

-- Every version of a protocol pack ever published, as its author sent it. `author` is an operator's id, or `deployment` for what came with
-- the installation, which signs nothing. `attestation` (keyed) says that routing took exactly this row.
CREATE TABLE routing.pack (
    name text NOT NULL,
    version text NOT NULL,
    content bytea NOT NULL,
    sha256 text NOT NULL,
    in_force_from timestamptz NOT NULL,
    author text NOT NULL,
    author_key text,
    signature bytea,
    signed_at timestamptz,
    published_at timestamptz NOT NULL,
    attestation bytea NOT NULL,
    PRIMARY KEY (name, version)
);

-- Nothing decides that is not here. `in_force_from` is the pack's own, or the instant of the approval if that was later.
CREATE TABLE routing.pack_approval (
    name text NOT NULL,
    version text NOT NULL,
    sha256 text NOT NULL,
    in_force_from timestamptz NOT NULL,
    approver text NOT NULL,
    approver_key text,
    signature bytea,
    signed_at timestamptz,
    approved_at timestamptz NOT NULL,
    attestation bytea NOT NULL,
    PRIMARY KEY (name, version),
    FOREIGN KEY (name, version) REFERENCES routing.pack (name, version)
);

-- The next offset of each partition. A broker that lost its log has another cluster id, so it starts again at 0.
CREATE TABLE routing.position (
    cluster_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (cluster_id, topic, partition)
) WITH (fillfactor = 50);

-- One row a case, locked by whoever decides one of its events. `state` is sealed under the case key; null is the empty state.
CREATE TABLE routing.case_state (
    case_ref text PRIMARY KEY,
    state bytea,
    taken_at timestamptz NOT NULL
) WITH (fillfactor = 80);

-- The ledger. What names groups or the event's type is in `detail`, sealed under `key_id`; what is left is ids, times, rules and agencies.
-- `values_sealed` are the values of the groups that somebody was shown, from which rungs and amendments take theirs.
-- `packs` are separated by spaces, and so are `pack_hashes`, the SHA-256 of the content of each. `errors` is what the source may read, as JSON: paths and words, never a value. A null `content_digest`: the event could not be opened.
-- `undeliverable` is what no coordinator could be told of, since the directory has none.
CREATE TABLE routing.decision (
    source text NOT NULL,
    event_id text NOT NULL,
    case_ref text NOT NULL,
    county text,
    outcome text NOT NULL CHECK (outcome IN ('routed', 'quarantined', 'superseded')),
    packs text NOT NULL,
    pack_hashes text NOT NULL,
    errors text NOT NULL,
    key_id uuid NOT NULL,
    content_digest bytea,
    detail bytea NOT NULL,
    values_sealed bytea,
    duties_sealed bytea,
    undeliverable text,
    directory_version integer NOT NULL,
    decided_at timestamptz NOT NULL,
    correlation_id text NOT NULL,
    cluster_id text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    PRIMARY KEY (event_id, source)
);

-- What each agency is told. A later `revision` amends or stops what was not delivered; `replaces` is the alert that an update or cancel is about.
-- `detail` is sealed: the groups of a rung or an amendment; of other rows the decision has them. A null `contact` is an external body, told by the duty's holder. What could not be read of a record
-- (its source, its event id, its case) is `unknown`. `rules` are separated by spaces.
CREATE TABLE routing.alert (
    alert_id uuid NOT NULL,
    revision integer NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    case_ref text NOT NULL,
    form text NOT NULL CHECK (form IN ('alert', 'duty_notice')),
    kind text NOT NULL CHECK (kind IN ('alert', 'update', 'cancel', 'error')),
    agency text NOT NULL,
    role text,
    contact text,
    rules text NOT NULL,
    urgency text NOT NULL,
    acknowledge_by timestamptz NOT NULL,
    escalation integer NOT NULL,
    reason text,
    exercise boolean NOT NULL,
    decided_at timestamptz NOT NULL,
    command text NOT NULL CHECK (command IN ('deliver', 'amend', 'stop')),
    replaces uuid,
    detail bytea,
    PRIMARY KEY (alert_id, revision)
);
CREATE INDEX alert_of_event ON routing.alert (event_id);
CREATE INDEX alert_of_case ON routing.alert (case_ref);
-- Rows are written in the order of this time: what was decided lately is found for next to nothing.
CREATE INDEX alert_decided ON routing.alert USING brin (decided_at);

-- Alerts that climb at `due` unless somebody acknowledges them before. (source, event_id, agency, cause, told_at) names the alert's row in the
-- state of its case, which alone knows whether it still climbs; a row that does not is deleted when it is due. `failed` is the rung of which
-- nobody can be reached, if that is why it is due.
CREATE TABLE routing.ladder (
    alert_id uuid PRIMARY KEY,
    source text NOT NULL,
    event_id text NOT NULL,
    agency text NOT NULL,
    cause text NOT NULL,
    told_at timestamptz NOT NULL,
    case_ref text NOT NULL,
    due timestamptz NOT NULL,
    failed integer
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000);
CREATE INDEX ladder_when_due ON routing.ladder (due);

-- Statutory clocks. A correction may move `due`; `status` changes when an event is withdrawn or evidence comes.
CREATE TABLE routing.duty (
    duty_id uuid PRIMARY KEY,
    source text NOT NULL,
    event_id text NOT NULL,
    case_ref text NOT NULL,
    rule text NOT NULL,
    holder text,
    what text NOT NULL,
    due timestamptz,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'needs_review', 'closed')),
    decided_at timestamptz NOT NULL,
    -- When somebody is reminded of it next, if it is open then; null once nobody is.
    remind_at timestamptz
);
CREATE INDEX duty_of_event ON routing.duty (event_id);
CREATE INDEX duty_to_remind ON routing.duty (remind_at) WHERE remind_at IS NOT NULL;

-- Facts about alerts, as notify told them (but for `exhausted`: nobody acknowledged up to the last rung): again when it is not sure that we know, so a fact may stand here twice. `delivery_id` is all
-- zeros where the fact is about the alert as a whole; `outcome` of a refusal is its reason.
CREATE TABLE routing.receipt (
    alert_id uuid NOT NULL,
    revision integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('stored', 'delivered', 'failed', 'acknowledged', 'refused', 'unacknowledged', 'unreachable', 'exhausted')),
    delivery_id uuid NOT NULL,
    channel text,
    outcome text,
    at timestamptz NOT NULL
);
CREATE INDEX receipt_of_alert ON routing.receipt (alert_id);

-- What closed a duty, as notify told it: `sealed` opens, under the case key `key_id`, to who, channel, reference and when.
CREATE TABLE routing.evidence (
    duty_id uuid NOT NULL,
    agency text NOT NULL,
    case_ref text NOT NULL,
    key_id uuid NOT NULL,
    sealed bytea NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX evidence_of_duty ON routing.evidence (duty_id);

-- What was decided and not yet taken over: an alert leaves with notify's `stored`, a receipt of ours when we have read it back from the log.
-- (cluster_id, partition, "offset") is the record that caused it, so that a record read again is published again. That is after a restart
-- only, when the table is read through: an index would cost every message more than it ever saves.
CREATE TABLE routing.outbox (
    message_id uuid NOT NULL,
    revision integer NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    topic text NOT NULL,
    key text NOT NULL,
    record bytea NOT NULL,
    cluster_id text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    published_to text NOT NULL,
    created_at timestamptz NOT NULL,
    publish_after timestamptz NOT NULL,
    PRIMARY KEY (message_id, revision)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000);
-- Sealed bytes do not compress.
ALTER TABLE routing.outbox ALTER COLUMN record SET STORAGE EXTERNAL;
CREATE INDEX outbox_when_due ON routing.outbox (publish_after);

-- Records that were refused, whole and as they came (sealed as they were), with the reason.
CREATE TABLE routing.quarantine (
    cluster_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    record_key bytea,
    record bytea,
    source text NOT NULL,
    event_id text NOT NULL,
    case_ref text NOT NULL,
    reason text NOT NULL,
    content_digest bytea,
    error_type text,
    error_at text,
    quarantined_at timestamptz NOT NULL,
    PRIMARY KEY (cluster_id, topic, partition, "offset")
);
CREATE INDEX quarantine_of_event ON routing.quarantine (event_id, source);

-- Every read of what cases are about, with who read. `detail` names no value of a case. What an operator signed is kept beside it; `statement` is its
-- digest, so that a signed question is answered once.
CREATE TABLE routing.read (
    at timestamptz NOT NULL,
    operator text NOT NULL,
    what text NOT NULL,
    detail text NOT NULL,
    statement bytea UNIQUE,
    operator_key text,
    signature bytea,
    signed_at timestamptz
);

-- Rows come by the thousand a second and are found by their keys alone: cleaning up behind them, and counting them anew, may wait.
ALTER TABLE routing.case_state SET (autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_threshold = 200000, autovacuum_vacuum_threshold = 50000);
ALTER TABLE routing.decision SET (autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_threshold = 200000);
ALTER TABLE routing.alert SET (autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_threshold = 200000);
ALTER TABLE routing.ladder SET (autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_threshold = 200000);
ALTER TABLE routing.duty SET (autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_threshold = 200000);
ALTER TABLE routing.receipt SET (autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_threshold = 200000);
ALTER TABLE routing.outbox SET (autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_threshold = 200000, vacuum_truncate = off);

GRANT USAGE ON SCHEMA routing TO tocsin_routing;
-- Append-only: what was decided, told and learned is never changed.
GRANT SELECT, INSERT ON
    routing.directory, routing.pack, routing.pack_approval, routing.decision, routing.alert, routing.duty, routing.receipt, routing.evidence, routing.quarantine, routing.read TO tocsin_routing;
GRANT UPDATE (due, status, remind_at) ON routing.duty TO tocsin_routing;
GRANT SELECT, INSERT, UPDATE ON routing.position, routing.case_state TO tocsin_routing;
GRANT SELECT, INSERT, UPDATE, DELETE ON routing.outbox, routing.ladder TO tocsin_routing;

-- migrate:down
DROP TABLE routing.read, routing.quarantine, routing.outbox, routing.evidence, routing.receipt, routing.ladder, routing.duty, routing.alert, routing.decision,
    routing.case_state, routing.position, routing.pack_approval, routing.pack, routing.directory;
REVOKE USAGE ON SCHEMA routing FROM tocsin_routing;
