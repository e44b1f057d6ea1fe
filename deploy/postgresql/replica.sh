#!/bin/sh
# Start the replica; the first time, copy the primary. PGDATA, PGBIN, PRIMARY_HOST, PRIMARY_PORT and PGPASSFILE may be set.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${PGBIN:-/usr/lib/postgresql/15/bin}
data=${PGDATA:-/var/lib/postgresql/data}
primary="host=${PRIMARY_HOST:-primary} port=${PRIMARY_PORT:-5432} user=replicator"
primary="$primary passfile=${PGPASSFILE:-/etc/jiankang/secrets/pgpass}"
if [ ! -f "$data/PG_VERSION" ]; then
    until "$bin/pg_basebackup" -d "$primary" -D "$data.new" -R -S replica -X stream -c fast --no-password; do
        rm -rf "$data.new"
        echo "the primary is not there yet; trying again" >&2
        sleep 2
    done
    mv "$data.new" "$data"
fi
exec "$bin/postgres" -D "$data" -c config_file="$here/replica.conf" \
    -c hba_file="$here/pg_hba.conf" -c ident_file="$here/pg_ident.conf" "$@"
