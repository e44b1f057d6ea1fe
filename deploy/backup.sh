#!/bin/sh
# Backups: sh backup.sh base | dump. docs/operations/backups.md says when, and how to go back.
#   base   a copy of the whole server, checked; with the kept pieces of the log it goes back to any moment since
#   dump   the database alone, for another version of PostgreSQL or another machine
# Set: BACKUP (folder), BACKUP_KEEP (how many of each), PGBIN, and PGHOST, PGPORT, PGUSER, PGPASSFILE.
set -eu
umask 077
bin=${PGBIN:-/usr/lib/postgresql/15/bin}
backup=${BACKUP:-/var/lib/jiankang-backup}
keep=${BACKUP_KEEP:-7}
now=$(date -u +%Y%m%dT%H%M%SZ)

oldest_first() { find "$1" -mindepth 1 -maxdepth 1 -name '2*' | sort; }
forget() { # all but the newest $keep of folder $1
    oldest_first "$1" | head -n "-$keep" | while read -r old; do rm -rf "$old"; done
}

case "${1:-}" in
base)
    mkdir -p "$backup/base"
    "$bin/pg_basebackup" -D "$backup/base/part" -X stream -c fast --no-password
    "$bin/pg_verifybackup" -q "$backup/base/part"
    mv "$backup/base/part" "$backup/base/$now"
    forget "$backup/base"
    first=$(oldest_first "$backup/base" | head -n 1)
    if [ -d "$backup/wal" ]; then # older pieces of the log are of no use any more
        "$bin/pg_archivecleanup" "$backup/wal" \
            "$(sed -n 's/^START WAL LOCATION: .* (file \([0-9A-F]*\))$/\1/p' "$first/backup_label")"
    fi
    echo "$backup/base/$now"
    ;;
dump)
    mkdir -p "$backup/dump"
    PGOPTIONS="-c statement_timeout=0" "$bin/pg_dump" -Fc -Z 1 --no-password -f "$backup/dump/part" "${PGDATABASE:-jiankang}"
    "$bin/pg_restore" -l "$backup/dump/part" >/dev/null # can be read to its end
    mv "$backup/dump/part" "$backup/dump/$now.dump"
    forget "$backup/dump"
    echo "$backup/dump/$now.dump"
    ;;
*)
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
    ;;
esac
