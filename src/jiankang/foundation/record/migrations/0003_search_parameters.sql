-- Search parameters of our own, and the passes over stored resources that index them (docs/reference/search.md).

-- One row for each resource type that a SearchParameter is for. Of `present`, bit `bit` says that a resource has a
-- value, the next one that the parameter was known when its index rows were written. A pair of bits is never used
-- again: not for another parameter, not for another expression of this one.
CREATE TABLE search_parameter (
    url text COLLATE "C" NOT NULL,
    base text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    bit integer NOT NULL,
    resource text COLLATE "C" NOT NULL,
    definition text NOT NULL,
    state text NOT NULL CHECK (state IN ('building', 'ready', 'retired')),
    changed timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (url, base)
);
CREATE UNIQUE INDEX search_parameter_code ON search_parameter (base, code) WHERE state <> 'retired';
CREATE UNIQUE INDEX search_parameter_bit ON search_parameter (base, bit);
CREATE INDEX search_parameter_resource ON search_parameter (resource);

-- Goes up with every change to search_parameter, so that each process sees cheaply whether it knows them all.
CREATE TABLE search_generation (
    one boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    number bigint NOT NULL DEFAULT 0
);
INSERT INTO search_generation DEFAULT VALUES;

-- The pass over one type: everything up to (place_updated, place_rid) was read, `done` of about `total` resources.
-- A batch and the place after it are committed together, under a lock on this row. What transactions that ran when it
-- was asked for write, they write as of `since` at the earliest.
CREATE TABLE reindex (
    type text COLLATE "C" NOT NULL PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('waiting', 'reading', 'settling', 'done')),
    asked timestamptz NOT NULL DEFAULT clock_timestamp(),
    since timestamptz NOT NULL,
    place_updated timestamptz NOT NULL DEFAULT '1970-01-01T00:00Z',
    place_rid bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0,
    rewritten bigint NOT NULL DEFAULT 0,
    swept timestamptz,
    finished timestamptz
);
