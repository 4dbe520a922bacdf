#!/bin/sh
# Writes one consistent dump of everything that is confirmed, while the place runs:
#
#   IDLING_DATABASE_URL=postgresql://… ./backup.sh /backups/idling-2026-01-31.dump
#
# Redis needs none. Pictures lie in IDLING_FILES_URL, named by their content and never changed:
# copy that folder or bucket after the dump, and nothing the dump names is missing.
set -eu
target=${1:?"usage: $0 FILE"}
: "${IDLING_DATABASE_URL:?}"
umask 077
pg_dump --format=custom --no-owner --no-privileges --file="$target.part" "$IDLING_DATABASE_URL"
mv "$target.part" "$target"
