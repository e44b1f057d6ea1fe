-- Work that goes on after its request was answered: exports and imports (docs/guides/bulk.md).

CREATE TABLE job (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    place text NOT NULL,
    actor jsonb NOT NULL,
    url text NOT NULL,
    asked jsonb NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    plan jsonb,
    progress jsonb NOT NULL DEFAULT '{}',
    digest text COLLATE "C",
    worker text,
    heartbeat timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    problem jsonb,
    created timestamptz NOT NULL DEFAULT now(),
    finished timestamptz,
    expires timestamptz
);
CREATE INDEX job_open ON job (created) WHERE state IN ('queued', 'running');
CREATE INDEX job_expires ON job (expires) WHERE expires IS NOT NULL;
CREATE UNIQUE INDEX job_digest ON job (digest) WHERE state IN ('queued', 'running');

-- One input of an import. `place` bytes of it are done, and `entry` entries of the Bundle that begins there: both
-- move in the transaction that writes what they count. Only `worker` may move them.
CREATE TABLE job_part (
    job text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    source text NOT NULL,
    type text,
    place bigint NOT NULL DEFAULT 0,
    line bigint NOT NULL DEFAULT 0,
    entry integer NOT NULL DEFAULT 0,
    size bigint NOT NULL DEFAULT 0,
    stored bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    done boolean NOT NULL DEFAULT false,
    worker text,
    PRIMARY KEY (job, number)
);

CREATE TABLE job_error (
    job text COLLATE "C" NOT NULL,
    part integer NOT NULL,
    line bigint NOT NULL,
    entry integer NOT NULL,
    outcome text NOT NULL,
    PRIMARY KEY (job, part, line, entry)
);
