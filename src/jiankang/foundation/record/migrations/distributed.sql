-- Run once by `jiankang db migrate --distributed`, after the migrations, on a Citus coordinator.
-- docs/decisions/0002-beyond-one-machine.md says why these columns. A unique key must hold the distribution column.

CREATE EXTENSION IF NOT EXISTS citus;

ALTER TABLE resource DROP CONSTRAINT resource_pkey, ADD PRIMARY KEY (rid, home);
ALTER TABLE history DROP CONSTRAINT history_pkey, ADD PRIMARY KEY (rid, version, home);

SELECT create_reference_table('vocabulary');
SELECT create_reference_table('claim');
SELECT create_reference_table('dictionary');
SELECT citus_add_local_table_to_metadata('change');
SELECT citus_add_local_table_to_metadata('feed_reader');
-- Taken with SKIP LOCKED, which rows kept on every node cannot be.
SELECT citus_add_local_table_to_metadata('job');
SELECT citus_add_local_table_to_metadata('job_part');
SELECT citus_add_local_table_to_metadata('job_error');
SELECT citus_add_local_table_to_metadata('search_parameter');
SELECT citus_add_local_table_to_metadata('search_generation');
SELECT citus_add_local_table_to_metadata('reindex');

SELECT create_distributed_table('resource', 'home');
SELECT create_distributed_table('history', 'home', colocate_with => 'resource');
SELECT create_distributed_table('idx', 'home', colocate_with => 'resource');
SELECT create_distributed_table('str', 'home', colocate_with => 'resource');
SELECT create_distributed_table('span', 'home', colocate_with => 'resource');
SELECT create_distributed_table('quantity', 'home', colocate_with => 'resource');
