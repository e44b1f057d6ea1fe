-- Who is told of what, what they are still to be told, and what they were told lately.

CREATE TABLE subscriber (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    wish jsonb NOT NULL,
    actor jsonb NOT NULL,
    channel text NOT NULL,
    types text[] NOT NULL,
    needs bigint[],
    alike text NOT NULL,
    since xid8,
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('greeting', 'active', 'failing', 'failed')),
    events bigint NOT NULL DEFAULT 0,
    told bigint NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    error text,
    due timestamptz NOT NULL DEFAULT now(),
    beat timestamptz,
    held timestamptz NOT NULL DEFAULT '-infinity',
    holder text,
    ends timestamptz,
    secret_number integer NOT NULL DEFAULT 1,
    secret_shown boolean NOT NULL DEFAULT false
);
CREATE INDEX subscriber_types ON subscriber USING gin (types);
CREATE INDEX subscriber_due ON subscriber (due)
    WHERE (told < events AND state = 'active' AND channel <> 'websocket') OR state IN ('greeting', 'failing');
CREATE INDEX subscriber_beat ON subscriber (beat) WHERE beat IS NOT NULL;
CREATE INDEX subscriber_ends ON subscriber (ends) WHERE ends IS NOT NULL;
ALTER TABLE subscriber SET (autovacuum_vacuum_scale_factor = 0.02, fillfactor = 70);

CREATE TABLE subscriber_event (
    subscriber text COLLATE "C" NOT NULL REFERENCES subscriber (id) ON DELETE CASCADE,
    number bigint NOT NULL,
    type text NOT NULL,
    resource text NOT NULL,
    version integer NOT NULL,
    method text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (subscriber, number),
    UNIQUE (subscriber, type, resource, version)
);
CREATE INDEX subscriber_event_at ON subscriber_event (at);
