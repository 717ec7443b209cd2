#!/bin/sh
# Runs what lies in /docker-entrypoint.d before nginx, and nothing before another command, as the official image does.
set -e
case "${1:-}" in
  nginx | nginx-debug)
    for script in /docker-entrypoint.d/*; do
      [ -x "$script" ] || continue
      [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "$0: running $script"
      case "$script" in
        *.envsh) . "$script" ;;
        *.sh) "$script" ;;
      esac
    done
    ;;
esac
exec "$@"
