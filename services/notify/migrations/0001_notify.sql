-- migrate:up
CREATE SCHEMA IF NOT EXISTS notify;

-- The newest directory, so that notify knows it before Kafka answers.
CREATE TABLE notify.directory (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version integer NOT NULL,
    snapshot jsonb NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now()
);

-- The last feed position given out, by agency. Its row is locked until the alerts it numbers are committed: so positions
-- become visible in their order and a reader's cursor never skips one. Counted by agency, lest a cursor tell how many
-- alerts the others get.
CREATE TABLE notify.feed (
    agency text PRIMARY KEY,
    last_position bigint NOT NULL
) WITH (fillfactor = 50);

-- An alert as routing published it; its content stays sealed. A revision that was passed over because a later one was
-- stored before it has no content, and no place in the feed.
CREATE TABLE notify.alert (
    alert_id uuid NOT NULL,
    revision integer NOT NULL,
    feed_position bigint CHECK ((feed_position IS NULL) = (command = 'passed_over')),
    command text NOT NULL,
    form text NOT NULL,
    agency text NOT NULL,
    contact text NOT NULL,
    case_ref text NOT NULL,
    urgency text NOT NULL,
    acknowledge_by timestamptz NOT NULL,
    exercise boolean NOT NULL,
    mandated boolean NOT NULL DEFAULT true,
    rung_of uuid,
    rung_to text CHECK ((rung_of IS NULL) = (rung_to IS NULL)),
    decided_at timestamptz NOT NULL,
    directory_version integer NOT NULL,
    correlation_id text NOT NULL,
    key_id uuid NOT NULL,
    sealed bytea NOT NULL,
    stored_at timestamptz NOT NULL,
    PRIMARY KEY (alert_id, revision)
);
-- What is encrypted does not compress.
ALTER TABLE notify.alert ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX alert_rung ON notify.alert (rung_of) WHERE rung_of IS NOT NULL;
CREATE UNIQUE INDEX alert_feed ON notify.alert (agency, feed_position);
-- Rows are written in the order of this time: a day is found for next to nothing.
CREATE INDEX alert_stored ON notify.alert USING brin (stored_at);

-- One alert through one endpoint or to one contact. Rows are made in the statement that makes their alert, which is why
-- no foreign key is checked for each. A pending one is attempted at due_at; whoever attempts it first moves due_at to the
-- end of its lease, so that a crash leaves it due again. `attempts` counts those begun: a crash grants none for free.
-- The key begins with the alert, so that one index finds a delivery and all of an alert's: each is written twice, and each
-- index with it.
CREATE TABLE notify.delivery (
    alert_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    revision integer NOT NULL,
    channel text NOT NULL CHECK (channel IN ('webhook', 'email')),
    target text NOT NULL,
    lane text NOT NULL,
    state text NOT NULL CHECK (
        state IN ('pending', 'delivered', 'refused', 'exhausted', 'acknowledged', 'declined', 'superseded')
    ),
    attempts integer NOT NULL,
    -- Those before it was redriven: its schedule began anew after them.
    earlier_attempts integer NOT NULL DEFAULT 0,
    -- Those by which nothing arrived for certain. While it is less than `attempts`, the alert may have arrived.
    missed_attempts integer NOT NULL DEFAULT 0,
    -- Of a superseded one: until when an attempt of which nothing is known yet may arrive.
    due_at timestamptz CHECK (CASE state WHEN 'pending' THEN due_at IS NOT NULL WHEN 'superseded' THEN true ELSE due_at IS NULL END),
    leased_by text,
    PRIMARY KEY (alert_id, delivery_id)
);
CREATE INDEX delivery_due ON notify.delivery (lane, due_at) WHERE state = 'pending';
CREATE INDEX delivery_dead ON notify.delivery (delivery_id) WHERE state IN ('refused', 'exhausted');

-- Every try and how it ended; `detail` is an error's type, never its text. A mail server's status may come with an
-- enhanced one (RFC 3463). Delivery ids grow with time, so that the key is written at its end.
CREATE TABLE notify.attempt (
    delivery_id uuid NOT NULL,
    number integer NOT NULL,
    started_at timestamptz NOT NULL,
    duration_ms integer NOT NULL,
    outcome text NOT NULL,
    status_code integer,
    enhanced_code text,
    detail text,
    PRIMARY KEY (delivery_id, number)
);

-- Endpoints that keep failing and are spared. No row: asked as every other.
CREATE TABLE notify.suspension (
    endpoint_id text PRIMARY KEY,
    agency text NOT NULL,
    reason text NOT NULL CHECK (reason IN ('failing', 'gone')),
    since timestamptz NOT NULL,
    probe_at timestamptz NOT NULL,
    probes integer NOT NULL
);

-- Of each endpoint when its next heartbeat is due and how much of its agency's feed the last one that it took covered.
-- Whoever sends it holds it until `leased_until`; sent again after a crash, it has the same sequence.
CREATE TABLE notify.heartbeat (
    endpoint_id text PRIMARY KEY,
    agency text NOT NULL,
    sequence bigint NOT NULL,
    covered_until bigint NOT NULL,
    covered_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    leased_until timestamptz
);
CREATE TABLE notify.heartbeat_attempt (
    endpoint_id text NOT NULL,
    sequence bigint NOT NULL,
    started_at timestamptz NOT NULL,
    alert_count integer NOT NULL,
    outcome text NOT NULL,
    status_code integer,
    detail text,
    PRIMARY KEY (endpoint_id, sequence, started_at)
);

-- Who took responsibility, sealed under the key of the case; null where that key was shredded before.
CREATE TABLE notify.acknowledgement (
    alert_id uuid PRIMARY KEY,
    revision integer NOT NULL,
    agency text NOT NULL,
    acknowledged_at timestamptz NOT NULL,
    key_id uuid NOT NULL,
    person_sealed bytea,
    role_sealed bytea
);

-- Who did not take an alert over and why, sealed likewise. An acknowledgement may stand beside it, and wins.
CREATE TABLE notify.refusal (
    alert_id uuid PRIMARY KEY,
    revision integer NOT NULL,
    agency text NOT NULL,
    refused_at timestamptz NOT NULL,
    reason text NOT NULL CHECK (
        reason IN ('wrong_agency', 'no_capacity', 'conflict_of_interest', 'duplicate', 'other')
    ),
    key_id uuid NOT NULL,
    person_sealed bytea,
    role_sealed bytea,
    note_sealed bytea
);

-- Alerts whose time to acknowledge them runs, a row each until it is over: a row goes with the acknowledgement or refusal, with the
-- alert's withdrawal, or with the receipt that says that nobody came. By the clock, so that whoever looks reads no more than
-- is late, and so that the index is written at a few places; the alert knows the rest.
CREATE TABLE notify.awaited (
    acknowledge_by timestamptz NOT NULL,
    alert_id uuid NOT NULL,
    PRIMARY KEY (acknowledge_by, alert_id)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000);

-- The register of duties, of each agency as far as its feed was read for it: whoever asks reads on, so that no alert pays
-- for it when it is stored. A duty's words stay sealed in the alert or notice that carries it. Positions are given out as
-- those of the feed, again with each change of a duty.
CREATE TABLE notify.duty_register (
    agency text PRIMARY KEY,
    read_until bigint NOT NULL,
    last_position bigint NOT NULL
);
CREATE TABLE notify.duty (
    duty_id uuid PRIMARY KEY,
    agency text NOT NULL,
    position bigint NOT NULL,
    alert_id uuid NOT NULL,
    revision integer NOT NULL,
    status text NOT NULL CHECK (status IN ('open', 'needs_review', 'closed')),
    -- When what says so was decided: records may come again.
    said_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX duty_listed ON notify.duty (agency, position);

-- What closed a duty (who, channel, reference, when), sealed under the key of the case.
CREATE TABLE notify.evidence (
    duty_id uuid PRIMARY KEY,
    agency text NOT NULL,
    key_id uuid NOT NULL,
    sealed bytea NOT NULL,
    recorded_at timestamptz NOT NULL
);

-- Receipts on their way to routing, a row for each published batch. A row goes when routing's group has committed past
-- `next_offsets` of the cluster it was published to; one that was published to another cluster is published again.
CREATE TABLE notify.outbox (
    batch_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member text NOT NULL,
    claimed_at timestamptz NOT NULL,
    receipts bytea NOT NULL,
    cluster_id text,
    partitions integer[],
    next_offsets bigint[]
);

-- Endpoints that are being added, each by one request: held until then while it is tried, and by its receipt until routing has
-- taken that over. Two requests with a secret each would otherwise both be told that theirs is in force.
CREATE TABLE notify.onboarding (
    endpoint_id text PRIMARY KEY,
    request_id uuid NOT NULL,
    held_until timestamptz NOT NULL,
    batch_id bigint
);

-- What operators looked at and did: deliveries, never what they say, and who may sign in. `detail` is what was asked for.
CREATE TABLE notify.read (
    at timestamptz NOT NULL,
    operator text NOT NULL,
    what text NOT NULL,
    detail text NOT NULL
);

-- A record that is no alert: kept, so that nothing is lost while somebody finds out why it was published.
CREATE TABLE notify.unreadable (
    cluster_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    position bigint NOT NULL,
    value bytea,
    stored_at timestamptz NOT NULL,
    PRIMARY KEY (cluster_id, topic, partition, position)
);

-- Rows come by the thousand a second and are found by their keys alone: cleaning up behind them, and counting them anew, may wait.
ALTER TABLE notify.alert SET (autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_threshold = 200000);
ALTER TABLE notify.delivery SET (autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_threshold = 200000, autovacuum_vacuum_threshold = 50000);
ALTER TABLE notify.attempt SET (autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_threshold = 200000);
ALTER TABLE notify.awaited SET (autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_threshold = 200000);
-- People at the contacts of agencies who may sign in. Name, role, passphrase (argon2id) and the secret of the time-based
-- codes are sealed together under a key of the deployment; the sign-in name is a keyed digest. A step of the clock that
-- was used, and any before it, is never used again.
CREATE TABLE notify.person (
    person_id uuid PRIMARY KEY,
    agency text NOT NULL,
    contact_id text NOT NULL,
    sign_in_digest bytea NOT NULL UNIQUE,
    sealed bytea NOT NULL,
    last_step bigint NOT NULL,
    enrolled_at timestamptz NOT NULL
);

-- One-time codes by which a contact's person enrols, by their hash, and what that person has typed so far.
CREATE TABLE notify.enrolment (
    code_hash bytea PRIMARY KEY,
    person_id uuid NOT NULL,
    agency text NOT NULL,
    contact_id text NOT NULL,
    expires_at timestamptz NOT NULL,
    draft bytea,
    sign_in_digest bytea
);

-- Who is signed in, by the hash of the token that the browser holds.
CREATE TABLE notify.session (
    token_hash bytea PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES notify.person ON DELETE CASCADE,
    begun_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL
);
CREATE INDEX session_of_person ON notify.session (person_id);

-- How often somebody tried to sign in, by keyed digests of name and address.
CREATE TABLE notify.throttle (
    subject bytea PRIMARY KEY,
    tries integer NOT NULL,
    ends_at timestamptz NOT NULL
);

-- Which person was shown which alert, written before it is shown. Who it was is sealed under the key of the case: the
-- row in notify.person goes when somebody leaves.
CREATE TABLE notify.alert_read (
    read_at timestamptz NOT NULL,
    alert_id uuid NOT NULL,
    revision integer NOT NULL,
    agency text NOT NULL,
    person_id uuid NOT NULL,
    key_id uuid NOT NULL,
    person_sealed bytea,
    role_sealed bytea
);

GRANT USAGE ON SCHEMA notify TO tocsin_notify;
GRANT SELECT, INSERT, UPDATE ON
    notify.directory, notify.feed, notify.delivery, notify.heartbeat, notify.refusal, notify.duty_register, notify.duty TO tocsin_notify;
GRANT SELECT, INSERT ON
    notify.alert, notify.attempt, notify.heartbeat_attempt, notify.acknowledgement, notify.evidence,
    notify.unreadable, notify.read, notify.alert_read TO tocsin_notify;
GRANT SELECT, INSERT, DELETE ON notify.suspension TO tocsin_notify;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    notify.person, notify.enrolment, notify.session, notify.throttle TO tocsin_notify;
GRANT SELECT, INSERT, UPDATE, DELETE ON notify.awaited, notify.outbox, notify.onboarding TO tocsin_notify;

-- migrate:down
DROP TABLE notify.alert_read, notify.throttle, notify.session, notify.enrolment, notify.person;
DROP TABLE notify.unreadable;
DROP TABLE notify.read;
DROP TABLE notify.onboarding;
DROP TABLE notify.outbox;
DROP TABLE notify.evidence;
DROP TABLE notify.duty;
DROP TABLE notify.duty_register;
DROP TABLE notify.awaited;
DROP TABLE notify.refusal;
DROP TABLE notify.acknowledgement;
DROP TABLE notify.heartbeat_attempt;
DROP TABLE notify.heartbeat;
DROP TABLE notify.suspension;
DROP TABLE notify.attempt;
DROP TABLE notify.delivery;
DROP TABLE notify.alert;
DROP TABLE notify.feed;
DROP TABLE notify.directory;
REVOKE USAGE ON SCHEMA notify FROM tocsin_notify;
