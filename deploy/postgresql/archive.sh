#!/bin/sh
# Keep one finished piece of PostgreSQL's log: whole or not at all, never over another.
set -eu
archive=${WAL_ARCHIVE:-/var/lib/jiankang-backup/wal}
mkdir -p "$archive"
if [ -f "$archive/$2" ]; then
    cmp -s "$1" "$archive/$2" # the same piece again, after a crash, is well
    exit
fi
cp "$1" "$archive/$2.part"
sync "$archive/$2.part"
mv "$archive/$2.part" "$archive/$2"
sync "$archive"
