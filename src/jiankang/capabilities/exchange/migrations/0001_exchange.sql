-- What arrives from others: who sends, every letter as it came, and when each element of a resource was known.

CREATE TABLE exchange_sender (
    id text PRIMARY KEY,
    name text NOT NULL,
    state text NOT NULL DEFAULT 'testing' CHECK (state IN ('testing', 'connected', 'stopped')),
    facility text NOT NULL DEFAULT '',
    settings jsonb NOT NULL DEFAULT '{}',
    names text[] NOT NULL DEFAULT '{}',
    secret bytea,
    certificate text NOT NULL DEFAULT '',
    made timestamptz NOT NULL DEFAULT now(),
    certified timestamptz
);
CREATE INDEX exchange_sender_names ON exchange_sender USING gin (names);

CREATE TABLE exchange_letter (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender text NOT NULL,
    format text NOT NULL,
    key text NOT NULL,
    kind text NOT NULL DEFAULT '',
    digest bytea NOT NULL,
    media_type text NOT NULL,
    context jsonb NOT NULL DEFAULT '{}',
    received timestamptz NOT NULL,
    body bytea NOT NULL,
    answer bytea NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'landed', 'dead', 'refused', 'tested', 'dropped')),
    due timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 0,
    repeats integer NOT NULL DEFAULT 0,
    complaints jsonb NOT NULL DEFAULT '[]',
    made text[] NOT NULL DEFAULT '{}',
    patient text NOT NULL DEFAULT '',
    landed timestamptz,
    mended bytea,
    mended_by text,
    mended_at timestamptz
);
CREATE UNIQUE INDEX exchange_letter_key ON exchange_letter (sender, format, key) WHERE state <> 'refused';
CREATE INDEX exchange_letter_waiting ON exchange_letter (number) WHERE state = 'waiting';
CREATE INDEX exchange_letter_dead ON exchange_letter (number) WHERE state = 'dead';
CREATE INDEX exchange_letter_sender ON exchange_letter (sender, number DESC);
CREATE INDEX exchange_letter_received ON exchange_letter (received);
CREATE INDEX exchange_letter_patient ON exchange_letter (patient) WHERE patient <> '';
ALTER TABLE exchange_letter SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

-- When the elements of a resource were known to those who told of them. Can be made again from the letters.
CREATE TABLE exchange_known (
    rid bigint PRIMARY KEY,
    version integer NOT NULL,
    stamps jsonb NOT NULL
);

CREATE TABLE exchange_gap (
    sender text NOT NULL,
    system text NOT NULL,
    code text NOT NULL,
    display text NOT NULL DEFAULT '',
    place text NOT NULL DEFAULT '',
    seen bigint NOT NULL DEFAULT 0,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    answer jsonb,
    answered timestamptz,
    PRIMARY KEY (sender, system, code)
);
CREATE TABLE exchange_gap_letter (
    sender text NOT NULL,
    system text NOT NULL,
    code text NOT NULL,
    number bigint NOT NULL REFERENCES exchange_letter (number) ON DELETE CASCADE,
    PRIMARY KEY (sender, system, code, number)
);

CREATE TABLE exchange_alert (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    sender text NOT NULL,
    kind text NOT NULL,
    text text NOT NULL,
    number bigint,
    seen timestamptz,
    seen_by text
);
CREATE INDEX exchange_alert_open ON exchange_alert (id DESC) WHERE seen IS NULL;

-- Counts by minute: rate, errors and time until landed of each sender, for the console.
CREATE TABLE exchange_traffic (
    sender text NOT NULL,
    minute timestamptz NOT NULL,
    received bigint NOT NULL DEFAULT 0,
    repeated bigint NOT NULL DEFAULT 0,
    landed bigint NOT NULL DEFAULT 0,
    dead bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    landed_ms bigint NOT NULL DEFAULT 0,
    slowest_ms bigint NOT NULL DEFAULT 0,
    last_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sender, minute)
);
