#!/bin/sh
# Start the primary; the first time, make it: empty, with its roles. PGDATA, PGBIN and SECRETS may be set.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${PGBIN:-/usr/lib/postgresql/15/bin}
data=${PGDATA:-/var/lib/postgresql/data}
secrets=${SECRETS:-/etc/jiankang/secrets}
if [ ! -f "$data/PG_VERSION" ]; then
    "$bin/initdb" -D "$data.new" -U postgres -A peer --locale=C -E UTF8 --data-checksums --no-instructions
    # Only this machine may enter while the roles are made, and nobody is waited for.
    socket=$(mktemp -d)
    "$bin/pg_ctl" -D "$data.new" -w -s -l "$data.new/first.log" \
        -o "-c listen_addresses= -c unix_socket_directories=$socket -c hba_file=$here/pg_hba.conf -c ident_file=$here/pg_ident.conf" start
    "$bin/psql" -X -q -h "$socket" -U postgres -v ON_ERROR_STOP=1 \
        -v password="$(cat "$secrets/database_password")" -f "$here/role.sql" >/dev/null
    "$bin/pg_ctl" -D "$data.new" -w -s stop
    mv "$data.new" "$data"
fi
exec "$bin/postgres" -D "$data" -c config_file="$here/primary.conf" \
    -c hba_file="$here/pg_hba.conf" -c ident_file="$here/pg_ident.conf" "$@"
