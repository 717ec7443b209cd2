import type { ServiceFile } from '../orchestrator/area.ts';
import { followedFiles, followedInContainer, wantedAddress } from '../settings/public-address.ts';
import type { Settings } from '../settings/settings.ts';

/*
 * The files of coturn: its configuration, and what starts it. turnserver runs on with a configuration it cannot read, and
 * relays for everyone then; and it reads its external address only at its start.
 */

/** Networks a relayed connection must not lead into: the host itself, link-local (cloud metadata), multicast. */
const deniedPeers = [
  '0.0.0.0-0.255.255.255',
  '127.0.0.0-127.255.255.255',
  '169.254.0.0-169.254.255.255',
  '::1',
];

/** Directives that coturn 4.6 and 4.17 read alike. The external address stands here only where it is a given one. */
const configuration = (settings: Settings): ServiceFile['content'] => {
  const { reachability, turn, addresses } = settings;
  const wanted = wantedAddress(settings);
  const before = [
    `listening-port=${reachability.stun_port}`,
    ...(turn.network === 'host'
      ? ['listening-ip=127.0.0.1', `listening-ip=${reachability.bind}`, `relay-ip=${reachability.bind}`]
      : []),
    ...(wanted.from === 'settings' ? [`external-ip=${wanted.address}`] : []),
    `min-port=${turn.relay_ports.min}`,
    `max-port=${turn.relay_ports.max}`,
    `realm=${addresses.turn}`,
    'fingerprint',
    'use-auth-secret',
    'static-auth-secret=',
  ];
  const after = [
    '',
    'no-cli',
    'no-tls',
    'no-multicast-peers',
    ...deniedPeers.map((range) => `denied-peer-ip=${range}`),
    'user-quota=12',
    'total-quota=120',
    'log-file=stdout',
    'pidfile=/var/tmp/turnserver.pid',
    '',
  ];
  return [before.join('\n'), { secret: 'turn-secret' }, after.join('\n')];
};

/** What starts turnserver; where an address is followed, it also starts it anew with another one. */
const runScript = (settings: Settings): string => {
  const follows = wantedAddress(settings).from === 'internet';
  return `#!/bin/sh
# Made by skylab-stack: changes made here are overwritten.
set -u
umask 077
conf=/etc/skylab/current/turnserver.conf
copy=/var/tmp/turnserver.conf

# turnserver gets a copy that was looked at: one that it could not read would make it relay for everyone. The external
# address, where there is one, comes at its end.
prepare() {
  cat "$conf" >"$copy.new" && grep -q '^use-auth-secret$' "$copy.new" &&
    grep -q '^static-auth-secret=.' "$copy.new" || return 1
  [ -z "$1" ] || echo "external-ip=$1" >>"$copy.new"
  mv "$copy.new" "$copy"
}

refuse() {
  echo 'run.sh: the configuration of turnserver cannot be read, or asks nobody for credentials: it is not started' >&2
  exit 1
}
${follows ? following(settings) : starting}`;
};

const starting = `
prepare '' || refuse
exec turnserver -c "$copy"
`;

/**
 * On the host's network the address that others dial is that of the router, and relayed connections begin at the one in
 * \`bind\`: coturn has to know both. On a bridge it has one address of its own.
 */
const relayedFrom = ({ turn, reachability: { bind } }: Settings): string =>
  turn.network === 'host' && bind !== '0.0.0.0' && bind !== '::' ? `/${bind}` : '';

const following = (settings: Settings): string => {
  const from = relayedFrom(settings);
  // Both have to be of one kind; a bridge is IPv4.
  const others = from.includes(':') ? '*[!0-9a-fA-F:]*' : '*[!0-9.]*';
  return `file=${followedInContainer}/${followedFiles.address}
server=

# The address that was found for this host, as turnserver takes it; nothing where there is none that it could use.
external() {
  seen=
  [ -r "$file" ] && read -r seen <"$file"
  case $seen in
    '' | ${others}) ;;
    *) echo "$seen${from}" ;;
  esac
}

start() {
  turnserver -c "$copy" &
  server=$!
}

stop() {
  [ -z "$server" ] || { kill -TERM "$server" 2>/dev/null && wait "$server"; }
}

trap 'trap "" TERM INT; stop; exit 143' TERM INT

taken=$(external)
prepare "$taken" || refuse
start

# Looks every two seconds: whether turnserver is still there, and whether the address is another one. It keeps its
# connections in memory alone, and those over the old address are lost with that address.
said=
while sleep 2 & wait $!; do
  kill -0 "$server" 2>/dev/null || { wait "$server"; code=$?; echo "run.sh: turnserver ended ($code)" >&2; exit "$code"; }
  seen=$(external)
  [ -n "$seen" ] && [ "$seen" != "$taken" ] || continue
  if prepare "$seen"; then
    echo "run.sh: the external address is $seen now, turnserver starts anew" >&2
    stop
    taken=$seen
    said=
    start
  elif [ "$said" != "$seen" ]; then
    said=$seen
    echo 'run.sh: the configuration cannot be read: turnserver runs on with what it has' >&2
  fi
done
stop
exit 1
`;
};

/** The user as whom the image runs. */
const reader = { uid: 65_534, gid: 65_534 } as const;

/** Every file that coturn reads. */
export const turnFiles = (settings: Settings): readonly ServiceFile[] => [
  { service: 'coturn', path: 'turnserver.conf', content: configuration(settings), reader, reloads: false },
  { service: 'coturn', path: 'run.sh', content: [runScript(settings)], reader, reloads: false },
];
