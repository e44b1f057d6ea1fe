-- HL7 v2 messages to systems that want to be told: who they are, and what each is still to be told, in order.

CREATE TABLE exchange_receiver (
    id text PRIMARY KEY,
    name text NOT NULL,
    application text NOT NULL,
    facility text NOT NULL,
    host text NOT NULL,
    port integer NOT NULL,
    trusted text NOT NULL DEFAULT '',
    kinds text[] NOT NULL,
    authorities jsonb NOT NULL DEFAULT '{}',
    stopped boolean NOT NULL DEFAULT false,
    made timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE exchange_outgoing (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    receiver text NOT NULL REFERENCES exchange_receiver (id) ON DELETE CASCADE,
    kind text NOT NULL,
    about text NOT NULL,
    body bytea NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'refused')),
    tries integer NOT NULL DEFAULT 0,
    due timestamptz NOT NULL DEFAULT now(),
    problem text NOT NULL DEFAULT '',
    answer bytea NOT NULL DEFAULT '',
    made timestamptz NOT NULL DEFAULT now(),
    sent timestamptz
);
CREATE INDEX exchange_outgoing_waiting ON exchange_outgoing (receiver, number) WHERE state = 'waiting';
