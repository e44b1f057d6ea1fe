-- Who is who: registrations of sources, the persons they are linked to, and why (foundation/identity/README.md).

-- One row for each Patient of the record: `record` is its comparable form (msgpack of identity.model.Record).
-- `person` is where it is linked now; the log in identity_change says how that came about.
CREATE TABLE identity_record (
    rid bigint NOT NULL PRIMARY KEY,
    person uuid NOT NULL,
    id text COLLATE "C" NOT NULL,
    matchable boolean NOT NULL,
    record bytea NOT NULL
);
CREATE INDEX identity_record_person ON identity_record (person);
CREATE INDEX identity_record_mute ON identity_record (rid) WHERE NOT matchable;

-- By which version of the normaliser and of the keys all Patients of the record have been read (identity.catching_up).
CREATE TABLE identity_shape (
    one boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    version integer NOT NULL
);

-- Where to look for candidates: identity.blocking.
CREATE TABLE identity_key (
    key bigint NOT NULL,
    rid bigint NOT NULL,
    PRIMARY KEY (key, rid)
);

-- Every link ever made, moved or taken away, and every registration written again (kind `revise`: before is after); rows
-- are never changed. One operation (a registration, a merge, its undoing) has one id. `before` is null for a registration's first link, `after` for one whose Patient was deleted.
CREATE TABLE identity_change (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation uuid NOT NULL,
    kind text NOT NULL,
    rid bigint NOT NULL,
    before uuid,
    after uuid,
    actor text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    model text,
    bits real,
    evidence bigint,
    reasons text[] NOT NULL DEFAULT '{}',
    xid xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX identity_change_order ON identity_change (xid, seq);
CREATE INDEX identity_change_rid ON identity_change (rid, seq);
CREATE INDEX identity_change_operation ON identity_change (operation);
CREATE INDEX identity_change_before ON identity_change (before) WHERE before IS NOT NULL;

-- What people decided: their links have this id in identity_change, their rules in identity_rule.
CREATE TABLE identity_operation (
    id uuid NOT NULL PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('merge', 'move', 'never', 'always', 'undo')),
    actor text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    note text,
    undoes uuid REFERENCES identity_operation
);
CREATE INDEX identity_operation_at ON identity_operation (at);
CREATE UNIQUE INDEX identity_operation_undoes ON identity_operation (undoes);

-- What a steward said for good about two registrations, lower rid first; `ended` is the operation that took it back.
CREATE TABLE identity_rule (
    low bigint NOT NULL,
    high bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('always', 'never')),
    operation uuid NOT NULL,
    actor text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    note text,
    ended uuid,
    PRIMARY KEY (low, high, operation),
    CHECK (low < high)
);
CREATE UNIQUE INDEX identity_rule_low ON identity_rule (low, high) WHERE ended IS NULL;
CREATE INDEX identity_rule_high ON identity_rule (high) WHERE ended IS NULL;
CREATE INDEX identity_rule_operation ON identity_rule (operation);

-- What stewards are asked: are these two registrations one person? Open while `answer` is null and the two are
-- linked to different persons (kind `pair`), or to one person although they have come to differ (kind `doubt`): so a
-- link made elsewhere answers it, and its undoing asks again.
CREATE TABLE identity_task (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    low bigint NOT NULL,
    high bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('pair', 'doubt')),
    reasons text[] NOT NULL,
    bits real NOT NULL,
    model text NOT NULL,
    made timestamptz NOT NULL DEFAULT clock_timestamp(),
    answer text CHECK (answer IN ('same', 'different', 'gone')),
    answered timestamptz,
    actor text,
    operation uuid,
    UNIQUE (low, high),
    CHECK (low < high)
);
CREATE INDEX identity_task_open ON identity_task (made) WHERE answer IS NULL;
CREATE INDEX identity_task_high ON identity_task (high);

-- Who is told of persons that change (IHE PMIR): a Subscription with channel `message`, and how far it was told.
CREATE TABLE identity_subscriber (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    endpoint text NOT NULL,
    headers text[] NOT NULL,
    criteria text NOT NULL,
    actor jsonb NOT NULL,
    xid xid8 NOT NULL,
    seq bigint NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    due timestamptz NOT NULL DEFAULT now(),
    error text,
    ends timestamptz
);
CREATE INDEX identity_subscriber_due ON identity_subscriber (due);
