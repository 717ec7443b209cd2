#!/bin/bash
# Prepares the data folder, fills an empty one, and becomes the server: what the official postgres image does, as far as
# this stack needs it.
set -euo pipefail

fail() {
  echo "error: $*" >&2
  exit 1
}

# Takes NAME from the environment or from the file that NAME_FILE names; both is an error. Second argument: default.
read_setting() {
  local name=$1 file_name=$1_FILE
  [ -z "${!name:-}" ] || [ -z "${!file_name:-}" ] || fail "both $name and $file_name are set"
  local value=${!name:-${2:-}}
  if [ -n "${!file_name:-}" ]; then value=$(<"${!file_name}"); fi
  export "$name=$value"
  unset "$file_name"
}

prepare_folders() {
  mkdir -p "$PGDATA" /var/run/postgresql
  # Another user than root may not change what it does not own; the server itself says what is wrong then.
  chmod 0700 "$PGDATA" || true
  chmod 3775 /var/run/postgresql 2>/dev/null || true
  if [ "$(id -u)" = 0 ]; then
    find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
  fi
}

require_password() {
  [ -n "$POSTGRES_PASSWORD" ] || [ "${POSTGRES_HOST_AUTH_METHOD:-}" = trust ] ||
    fail 'the data folder is empty and there is no superuser password: set POSTGRES_PASSWORD_FILE'
}

# On the socket only, so that nobody who asks over TCP takes this for the finished server.
with_temporary_server() {
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  "$@"
  pg_ctl -D "$PGDATA" -m fast -w stop
}

ask() {
  psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --dbname "$1" "${@:2}"
}

create_database_and_run_scripts() {
  if [ "$POSTGRES_DB" != postgres ]; then
    ask postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
  fi
  local script
  for script in /docker-entrypoint-initdb.d/*; do
    case "$script" in
      *.sh) if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
      *.sql) ask "$POSTGRES_DB" -f "$script" ;;
      *.sql.gz) gunzip -c "$script" | ask "$POSTGRES_DB" ;;
      *.sql.xz) xzcat "$script" | ask "$POSTGRES_DB" ;;
      *.sql.zst) zstd -dc "$script" | ask "$POSTGRES_DB" ;;
    esac
  done
}

initialise() {
  require_password
  local words
  read -ra words <<<"$POSTGRES_INITDB_ARGS"
  initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${words[@]}"
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
  PGPASSWORD=$POSTGRES_PASSWORD with_temporary_server create_database_and_run_scripts
}

if [ "${1:0:1}" = - ]; then set -- postgres "$@"; fi
[ "$1" = postgres ] || exec "$@"

prepare_folders
if [ "$(id -u)" = 0 ]; then exec gosu postgres "$0" "$@"; fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  read_setting POSTGRES_PASSWORD
  read_setting POSTGRES_USER postgres
  read_setting POSTGRES_DB "$POSTGRES_USER"
  read_setting POSTGRES_INITDB_ARGS
  initialise
fi
exec "$@"
