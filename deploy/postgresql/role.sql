-- Once, on a new primary: psql -v password="…" -f role.sql. Roles, the database, and what each session is given.
CREATE ROLE jiankang LOGIN PASSWORD :'password';
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'password';
CREATE DATABASE jiankang OWNER jiankang ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
SELECT pg_create_physical_replication_slot('replica');

-- The same as jiankang.kernel.database.SESSION_SETTINGS: a pooler does not pass on what a connection asks for.
ALTER ROLE jiankang IN DATABASE jiankang SET timezone = 'UTC';
ALTER ROLE jiankang IN DATABASE jiankang SET plan_cache_mode = 'force_generic_plan';
ALTER ROLE jiankang IN DATABASE jiankang SET jit = 'off';
ALTER ROLE jiankang IN DATABASE jiankang SET enable_seqscan = 'off';
ALTER ROLE jiankang IN DATABASE jiankang SET statement_timeout = '1min';
ALTER ROLE jiankang IN DATABASE jiankang SET lock_timeout = '30s';
ALTER ROLE jiankang IN DATABASE jiankang SET idle_in_transaction_session_timeout = '2min';
