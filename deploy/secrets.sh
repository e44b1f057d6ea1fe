#!/bin/sh
# Make the secrets of an installation, once: sh secrets.sh FOLDER. Nothing that is there already is changed.
set -eu
umask 077
mkdir -p "$1"
cd "$1"
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
[ -f database_password ] || random > database_password
[ -f signing_key ] || random > signing_key
password=$(cat database_password)
[ -f pgpass ] || printf '*:*:*:*:%s\n' "$password" > pgpass
[ -f userlist.txt ] || printf '"jiankang" "%s"\n' "$password" > userlist.txt
[ -f jiankang.secret.env ] || printf 'JIANKANG_SECRET=%s\n' "$(cat signing_key)" > jiankang.secret.env
