-- Codes and their relations: what CodeSystem, ValueSet, ConceptMap and NamingSystem resources and imported files say,
-- laid out for asking. All of it can be built again from them.

CREATE TABLE code_system (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text NOT NULL,
    version text NOT NULL DEFAULT '',
    origin text NOT NULL,              -- 'record', 'import' or 'built-in'
    resource text,                     -- the id of the CodeSystem in the record, when it comes from there
    ready boolean NOT NULL DEFAULT false,
    polyhierarchy boolean NOT NULL DEFAULT false,
    concepts integer NOT NULL DEFAULT 0,
    supplements text,
    all_codes text,                    -- CodeSystem.valueSet
    header text NOT NULL,              -- the CodeSystem without its concepts, as JSON
    source text,                       -- what an import reads: its name, size and digest
    done integer NOT NULL DEFAULT 0,   -- concepts written so far, from where an import goes on
    changed timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX code_system_url ON code_system (url, version) WHERE ready;
CREATE INDEX code_system_resource ON code_system (resource);
CREATE INDEX code_system_all_codes ON code_system (all_codes) WHERE all_codes IS NOT NULL;
CREATE INDEX code_system_supplements ON code_system (supplements) WHERE supplements IS NOT NULL;

-- `n` counts the concepts of a system in tree order: those below one by way of first parents are
-- n+1 … last, the others are in `closure`.
CREATE TABLE concept (
    system integer NOT NULL,
    n integer NOT NULL,
    last integer NOT NULL,
    flags smallint NOT NULL,           -- 1 inactive, 2 not selectable, 4 the tree says less than `closure`
    code text COLLATE "C" NOT NULL,
    display text NOT NULL,
    parents integer[] NOT NULL,
    ancestors integer[] NOT NULL,
    facts bigint[] NOT NULL,           -- digests of `property=value` and of `property`
    more text,                         -- {"definition", "designation", "property"} as JSON
    words tsvector NOT NULL,           -- `system:word` for each word, so that one index serves all systems
    PRIMARY KEY (system, n)
);
CREATE UNIQUE INDEX concept_code ON concept (system, code);
CREATE INDEX concept_facts ON concept USING gin (facts);
CREATE INDEX concept_words ON concept USING gin (words);

-- Where concepts have several parents: those that one subsumes besides n+1 … last.
CREATE TABLE closure (
    system integer NOT NULL,
    ancestor integer NOT NULL,
    others integer[] NOT NULL,
    PRIMARY KEY (system, ancestor)
);

CREATE TABLE value_set (
    url text NOT NULL,
    version text NOT NULL DEFAULT '',
    resource text NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (url, version)
);
CREATE INDEX value_set_resource ON value_set (resource);

CREATE TABLE concept_map (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text,
    version text NOT NULL DEFAULT '',
    resource text NOT NULL UNIQUE,
    header text NOT NULL
);
CREATE INDEX concept_map_url ON concept_map (url, version);

CREATE TABLE mapping (
    map integer NOT NULL REFERENCES concept_map ON DELETE CASCADE,
    n integer NOT NULL,
    source_system text NOT NULL,
    source text COLLATE "C" NOT NULL,
    target_system text NOT NULL,
    target text COLLATE "C",
    body text NOT NULL,                -- [element, target] of the ConceptMap as JSON
    PRIMARY KEY (map, n)
);
CREATE INDEX mapping_source ON mapping (source, source_system);
CREATE INDEX mapping_target ON mapping (target, target_system);

CREATE TABLE system_name (
    name text NOT NULL,                -- an OID or other name …
    url text NOT NULL,                 -- … of the system known by this URL
    resource text NOT NULL,
    PRIMARY KEY (name, resource)
);

-- Which resources of the record were taken in, and when: what was written past the hook is taken in at the next start.
CREATE TABLE terminology_taken (
    type text NOT NULL,
    id text NOT NULL,
    taken timestamptz NOT NULL,
    PRIMARY KEY (type, id)
);

CREATE TABLE closure_table (
    owner text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL DEFAULT 0,
    PRIMARY KEY (owner, name)
);

CREATE TABLE closure_member (
    owner text NOT NULL,
    name text NOT NULL,
    system text NOT NULL,
    code text NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (owner, name, system, code)
);

-- Counts changes, in lanes so that writers seldom wait for one another: their sum tells caches that something is new.
CREATE TABLE terminology_stamp (lane smallint PRIMARY KEY, n bigint NOT NULL);
INSERT INTO terminology_stamp SELECT lane, 0 FROM generate_series(0, 15) AS lane;
