import { conf, type Conf } from '../conf.ts';
import type { DesiredIngress } from '../desired.ts';

/** How long open requests have to end when nginx is asked to stop. */
const stopGraceSeconds = 10;

/**
 * What the container of nginx runs: it starts nginx and, in the background, lets it take up a new version of its files or
 * certificates. `parts` are the names of those files.
 */
export const runScript = (desired: DesiredIngress, parts: readonly string[]): Conf => conf`#!/bin/sh
# Made by skylab-stack: changes made here are overwritten.
# Starts nginx. In the background it looks every second for new files or certificates: what nginx accepts is taken up,
# what it refuses is said once, and nginx serves on with what it has. Asked to stop, it gives open requests
# ${stopGraceSeconds} seconds; clients' streams would last for days.
set -u
files=${desired.places.files}/current

fingerprint() {
  cksum ${{ conf: parts.map((part) => `"$files/${part}"`).join(' ') }} ${desired.places.certificates}/*/current/*.pem 2>&1
}

watch() {
  taken=$1
  refused=
  while sleep 1 && kill -0 "$nginx" 2>/dev/null; do
    seen=$(fingerprint)
    [ "$seen" != "$taken" ] || continue
    if said=$(nginx -e stderr -t -q -c "$files/nginx.conf" 2>&1); then
      kill -HUP "$nginx" && taken=$seen && echo "run.sh: nginx takes up what changed" >&2
    elif [ "$seen" != "$refused" ]; then
      refused=$seen
      echo "run.sh: nginx serves on with what it has: $(printf '%s\n' "$said" | grep -m 1 emerg)" >&2
    fi
  done
}

${
  desired.front === undefined
    ? conf``
    : conf`# A socket that a killed nginx left would keep this one from listening.
rm -f ${desired.places.socket}
`
}taken=$(fingerprint)
nginx -e stderr -c "$files/nginx.conf" -g 'daemon off;' &
nginx=$!
watch "$taken" &

stop() {
  kill -QUIT "$nginx"
  left=${stopGraceSeconds}
  while [ "$left" -gt 0 ] && kill -0 "$nginx"; do
    sleep 1
    left=$((left - 1))
  done
  kill -TERM "$nginx"
}
trap 'stop 2>/dev/null &' QUIT
trap 'kill -TERM "$nginx"' TERM
# A signal ends the wait, not nginx.
while kill -0 "$nginx" 2>/dev/null; do
  wait "$nginx"
  code=$?
done
exit "$code"
`;
