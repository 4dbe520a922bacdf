#!/bin/sh
# Puts a dump of backup.sh into an empty database, or in place of what is there, whole or not at all:
#
#   IDLING_DATABASE_URL=postgresql://OWNER… ./restore.sh /backups/idling-2026-01-31.dump
#
# End the servers first and start them afterwards. The migration that follows sees that the data was restored
# and gives the log a new epoch: devices get a fresh state, and send again what they still have waiting.
set -eu
source=${1:?"usage: $0 FILE"}
: "${IDLING_DATABASE_URL:?}"
umask 077
commands=$(mktemp)
trap 'rm -f "$commands"' EXIT
# Read whole before anything is dropped: a dump that was cut short must not cost what is there.
{
    echo 'DROP SCHEMA public CASCADE; CREATE SCHEMA public;'
    pg_restore --no-owner --no-privileges --file=- "$source" && echo 'SELECT 1 AS whole;'
} >"$commands"
[ "$(tail -n 1 "$commands")" = 'SELECT 1 AS whole;' ] || { echo "$source cannot be read whole" >&2; exit 1; }
psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --single-transaction --file="$commands" --output=/dev/null \
    "$IDLING_DATABASE_URL"
idling-ws migrate
