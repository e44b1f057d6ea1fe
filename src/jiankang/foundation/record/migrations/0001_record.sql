-- The record: current versions, superseded versions, the log of changes, and the index tables of search.
-- docs/architecture.md says what each column is; 64-bit keys are made by jiankang.kernel.ids.key64.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE resource (
    rid bigint NOT NULL,
    home bigint NOT NULL,
    at bigint NOT NULL,
    updated timestamptz NOT NULL,
    version integer NOT NULL,
    type smallint NOT NULL,
    deleted boolean NOT NULL,
    method smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    present bytea NOT NULL,
    keys bigint[] NOT NULL,
    words integer[] NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (rid)
);
-- Bodies are compressed already, and keys are hashes: PostgreSQL need not try again.
ALTER TABLE resource ALTER COLUMN body SET STORAGE EXTERNAL,
    ALTER COLUMN keys SET STORAGE EXTERNAL, ALTER COLUMN words SET STORAGE EXTERNAL,
    ALTER COLUMN present SET STORAGE PLAIN;
CREATE INDEX resource_type_updated ON resource (type, updated, rid);
CREATE INDEX resource_words ON resource USING gin (words) WHERE NOT deleted;

CREATE TABLE history (
    rid bigint NOT NULL,
    home bigint NOT NULL,
    updated timestamptz NOT NULL,
    version integer NOT NULL,
    type smallint NOT NULL,
    deleted boolean NOT NULL,
    method smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (rid, version)
);
ALTER TABLE history ALTER COLUMN body SET STORAGE EXTERNAL;

-- In the order of (xid, seq), read only below the oldest transaction still running, no committed change is ever
-- skipped: a lower seq may commit later, a lower xid below that bound cannot.
CREATE TABLE change (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    rid bigint NOT NULL,
    updated timestamptz NOT NULL,
    version integer NOT NULL,
    type smallint NOT NULL,
    method smallint NOT NULL,
    PRIMARY KEY (xid, seq)
);
CREATE INDEX change_type_seq ON change (type, seq);

CREATE TABLE feed_reader (
    name text PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT '0',
    seq bigint NOT NULL DEFAULT 0,
    moved timestamptz NOT NULL DEFAULT now()
);

-- Up to eight keys of one resource in a row, each in the lane that its lowest three bits name.
CREATE TABLE idx (
    rid bigint NOT NULL,
    home bigint NOT NULL,
    at bigint NOT NULL,
    h0 bigint, h1 bigint, h2 bigint, h3 bigint, h4 bigint, h5 bigint, h6 bigint, h7 bigint
);
CREATE INDEX idx_h0 ON idx (h0, at, rid) WHERE h0 IS NOT NULL;
CREATE INDEX idx_h1 ON idx (h1, at, rid) WHERE h1 IS NOT NULL;
CREATE INDEX idx_h2 ON idx (h2, at, rid) WHERE h2 IS NOT NULL;
CREATE INDEX idx_h3 ON idx (h3, at, rid) WHERE h3 IS NOT NULL;
CREATE INDEX idx_h4 ON idx (h4, at, rid) WHERE h4 IS NOT NULL;
CREATE INDEX idx_h5 ON idx (h5, at, rid) WHERE h5 IS NOT NULL;
CREATE INDEX idx_h6 ON idx (h6, at, rid) WHERE h6 IS NOT NULL;
CREATE INDEX idx_h7 ON idx (h7, at, rid) WHERE h7 IS NOT NULL;

CREATE TABLE str (
    hash bigint NOT NULL,
    rid bigint NOT NULL,
    home bigint NOT NULL,
    norm text COLLATE "C" NOT NULL,
    raw text COLLATE "C"
);
CREATE INDEX str_hash_norm ON str (hash, norm, rid);
CREATE INDEX str_norm_trgm ON str USING gin (norm gin_trgm_ops);
CREATE INDEX str_rid ON str (rid);

CREATE TABLE span (
    hash bigint NOT NULL,
    lo bigint NOT NULL,
    hi bigint NOT NULL,
    rid bigint NOT NULL,
    home bigint NOT NULL
);
CREATE INDEX span_hash_lo ON span (hash, lo, rid, hi);
-- Spans longer than two days: "ends after" cannot be bounded through their start.
CREATE INDEX span_hash_hi_long ON span (hash, hi, rid) WHERE lo < hi - 172800000000 OR lo < -100000000000000000;
CREATE INDEX span_rid ON span (rid);

CREATE TABLE quantity (
    hash bigint NOT NULL,
    lo float8 NOT NULL,
    hi float8 NOT NULL,
    unit bigint NOT NULL,
    canon_unit bigint NOT NULL,
    canon_lo float8 NOT NULL,
    canon_hi float8 NOT NULL,
    rid bigint NOT NULL,
    home bigint NOT NULL
);
CREATE INDEX quantity_hash_lo ON quantity (hash, lo, rid);
CREATE INDEX quantity_hash_canon ON quantity (hash, canon_unit, canon_lo, rid);
-- Ranges are few: "greater than" reads them by their upper ends, and points by their only one.
CREATE INDEX quantity_hash_range ON quantity (hash, hi, rid) WHERE lo < hi;
CREATE INDEX quantity_hash_canon_range ON quantity (hash, canon_unit, canon_hi, rid) WHERE canon_lo < canon_hi;
CREATE INDEX quantity_rid ON quantity (rid);

CREATE TABLE vocabulary (
    entry bigint NOT NULL PRIMARY KEY,
    hash bigint NOT NULL,
    key bigint NOT NULL,
    system text COLLATE "C" NOT NULL,
    code text COLLATE "C",
    text text,
    norm text COLLATE "C"
);
CREATE INDEX vocabulary_hash_code ON vocabulary (hash, code);
CREATE INDEX vocabulary_hash_norm ON vocabulary (hash, norm);
CREATE INDEX vocabulary_key ON vocabulary (key);

CREATE TABLE claim (
    hash bigint NOT NULL PRIMARY KEY,
    claimed timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE dictionary (
    id bigint NOT NULL PRIMARY KEY,
    made timestamptz NOT NULL DEFAULT now(),
    written bigint NOT NULL,
    bytes bytea NOT NULL
);

-- Bulk loading only appends: small thresholds keep the visibility map fresh for index-only scans.
ALTER TABLE idx SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE str SET (autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE span SET (autovacuum_vacuum_insert_scale_factor = 0.05);
