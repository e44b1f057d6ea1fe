#!/bin/sh
# Go back: sh restore.sh base BACKUP DATA [TIME] | dump FILE DATABASE-URL. The server processes must be stopped.
#   base   make the data folder DATA of a server from a base backup and the kept log, as it was at TIME (else the newest)
#   dump   fill the empty database at DATABASE-URL from a dump, and gather statistics
set -eu
umask 077
bin=${PGBIN:-/usr/lib/postgresql/15/bin}
wal=${WAL_ARCHIVE:-/var/lib/jiankang-backup/wal}

case "${1:-}" in
base)
    [ ! -e "$3" ] || { echo "$3 is there already: move it away first" >&2; exit 3; }
    cp -a "$2" "$3"
    chmod 700 "$3"
    {
        echo "restore_command = 'cp \"$wal/%f\" \"%p\"'"
        echo "recovery_target_action = 'promote'"
        [ -z "${4:-}" ] || echo "recovery_target_time = '$4'"
    } >> "$3/postgresql.auto.conf"
    rm -f "$3/standby.signal" # the copy of a replica would follow the primary again
    touch "$3/recovery.signal"
    echo "start PostgreSQL on $3: it catches up, then serves"
    ;;
dump)
    "$bin/pg_restore" --exit-on-error --no-owner --no-privileges --no-password -d "$3" "$2"
    "$bin/vacuumdb" --analyze --quiet --no-password -d "$3"
    echo "restored; the next start of jiankang puts the feed's places right"
    ;;
*)
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
    ;;
esac
