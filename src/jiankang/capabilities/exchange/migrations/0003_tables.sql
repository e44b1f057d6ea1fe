-- Tables of small institutions: how each sender's are read, what was uploaded, which databases are looked at.

CREATE TABLE exchange_table_mapping (
    sender text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    text text NOT NULL,
    made timestamptz NOT NULL DEFAULT now(),
    made_by text NOT NULL,
    PRIMARY KEY (sender, name, version)
);

-- What each row said last, and in which letter, so that a file which repeats it has no second effect.
CREATE TABLE exchange_table_row (
    sender text NOT NULL,
    mapping text NOT NULL,
    key bytea NOT NULL,
    digest bytea NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (sender, mapping, key)
);

CREATE TABLE exchange_table_upload (
    id text PRIMARY KEY,
    sender text NOT NULL,
    title text NOT NULL,
    body bytea NOT NULL,
    mapping text NOT NULL DEFAULT '',
    preview jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'looked' CHECK (state IN ('looked', 'confirmed', 'kept', 'withdrawn')),
    rows integer NOT NULL DEFAULT 0,
    done integer NOT NULL DEFAULT 0,
    unchanged integer NOT NULL DEFAULT 0,
    mended bigint[] NOT NULL DEFAULT '{}',
    due timestamptz NOT NULL DEFAULT now(),
    uploaded timestamptz NOT NULL,
    uploaded_by text NOT NULL,
    problem text NOT NULL DEFAULT ''
);
CREATE INDEX exchange_table_upload_latest ON exchange_table_upload (uploaded DESC);
CREATE INDEX exchange_table_upload_due ON exchange_table_upload (due) WHERE state = 'confirmed';
CREATE INDEX exchange_table_upload_idle ON exchange_table_upload (uploaded) WHERE state IN ('looked', 'withdrawn');
CREATE INDEX exchange_letter_upload ON exchange_letter ((context ->> 'upload')) WHERE context ? 'upload';

CREATE TABLE exchange_table_source (
    name text PRIMARY KEY,
    sender text NOT NULL,
    url text NOT NULL,
    query text NOT NULL,
    watermark text NOT NULL,
    mapping text NOT NULL,
    every_seconds integer NOT NULL CHECK (every_seconds >= 1),
    reached jsonb,
    due timestamptz NOT NULL DEFAULT now(),
    looked timestamptz,
    rows bigint NOT NULL DEFAULT 0,
    problem text NOT NULL DEFAULT ''
);

-- Cases of notifiable diseases that were handed over to the national front-end software.
CREATE TABLE exchange_disease_card (
    condition text PRIMARY KEY,
    digest bytea NOT NULL,
    disease text NOT NULL,
    told timestamptz NOT NULL DEFAULT now()
);
