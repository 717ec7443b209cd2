import type { ServiceFile } from '../orchestrator/area.ts';
import { conf, type Conf } from './conf.ts';
import type { DesiredIngress, Upstream } from './desired.ts';
import { frontFiles } from './doors/front.ts';
import { runScript } from './start/run-script.ts';

/** A harmless path of every virtual host: its answer names the version of the configuration that served it. */
export const markerPath = '/.well-known/skylab-ingress';
/** The header with that version. */
export const markerHeader = 'x-skylab-config';

/** The pages with which whoever comes first makes himself administrator, and the call behind them. */
export const closedPaths = ['/setup', '/signup/setup', '/api/signup/setup'] as const;

const main = (desired: DesiredIngress): Conf => {
  const { places, port, domain } = desired;
  return conf`# Made by skylab-stack: changes made here are overwritten.
# Each worker remembers for itself where an upstream is. With one, whoever has seen a restarted container answer goes on
# seeing it; with more, another worker may still look for it at its old address, and answer 502.
worker_processes 1;
pid ${places.scratch}/nginx.pid;
error_log stderr warn;
# A reload leaves clients' streams alone: the worker that has them stays until they end, at most so long.
worker_shutdown_timeout 7d;

events {
  worker_connections 4096;
}

http {
  server_tokens off;
  default_type text/plain;
  server_names_hash_bucket_size 512;
  client_body_temp_path ${places.scratch}/client-body;
  proxy_temp_path ${places.scratch}/proxy;
  fastcgi_temp_path ${places.scratch}/fastcgi;
  uwsgi_temp_path ${places.scratch}/uwsgi;
  scgi_temp_path ${places.scratch}/scgi;
  # The folder above is memory: answers wait at the upstream for a slow client.
  proxy_max_temp_file_size 0;

  # Sign-in codes and tokens travel in queries and in a few paths, so neither is logged. The error log would print
  # whole requests; what went wrong with an upstream stands in the access log.
  map $uri $logged_path {
    default $uri;
    ~*^(?<kept>/lc/|/st/|/api/one-time-access-token/) "$kept...";
  }
  log_format plain '$remote_addr "$request_method $host$logged_path $server_protocol" $status $body_bytes_sent '
    '$request_time upstream "$upstream_addr" $upstream_status "$http_user_agent"';
  access_log /dev/stdout plain;
  error_log stderr alert;

  # Asked at each request, so a container that comes back elsewhere is found, and one that is missing stops nothing.
  resolver ${desired.resolver} valid=2s ipv6=off;
  resolver_timeout 5s;

  ssl_certificate ${places.certificates}/${domain}/current/fullchain.pem;
  ssl_certificate_key ${places.certificates}/${domain}/current/key.pem;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
  ssl_prefer_server_ciphers off;
  ssl_session_cache shared:tls:2m;
  ssl_session_timeout 1h;
  ssl_session_tickets off;

  # Nothing but WebSocket is upgraded: h2c would be a tunnel past every rule below.
  map $http_upgrade $upgrade_to {
    default "";
    ~*^websocket$ websocket;
  }
  map $upgrade_to $connection_to {
    default upgrade;
    "" "";
  }

  # This is the first server that sees a client, so what a client says about itself is replaced, not continued.
  large_client_header_buffers 4 32k;
  proxy_http_version 1.1;
  proxy_connect_timeout 5s;
  proxy_socket_keepalive on;
${headers('proxy', port)}
  proxy_set_header Host $http_host;
  proxy_set_header Upgrade $upgrade_to;
  proxy_set_header Connection $connection_to;
  grpc_connect_timeout 5s;
  grpc_socket_keepalive on;
${headers('grpc', port)}

${behind(desired)}
  # Whoever asks for another name, or for none, gets no handshake.
  server {
    listen ${port} ssl default_server so_keepalive=60s:15s:4;${socketListen(
      desired,
      conf` default_server;
    # Of a plain socket it is the default server that says whether HTTP/2 is spoken.
    http2 on`,
    )}
    ssl_reject_handshake on;
    return 421;
  }

  server {
    listen 127.0.0.1:${desired.healthPort};
    access_log off;
    location = /healthz { return 200 "ok\n"; }
    location / { return 404; }
  }

  include mesh.conf;
  include identity.conf;
  include private.conf;
}
`;
};

/** Another nginx that holds the port is the one that sees clients. Only it can reach the socket, so its word is taken. */
const behind = ({ front }: DesiredIngress): Conf =>
  front === undefined
    ? conf``
    : conf`
  set_real_ip_from unix:;
  real_ip_header X-Real-IP;
`;

const socketListen = ({ front, places }: DesiredIngress, more: Conf): Conf =>
  front === undefined
    ? conf``
    : conf`
  listen unix:${places.socket}${more};`;

const headers = (module: 'proxy' | 'grpc', port: number): Conf =>
  conf`  ${module}_set_header X-Real-IP $remote_addr;
  ${module}_set_header X-Real-Port $remote_port;
  ${module}_set_header X-Forwarded-For $remote_addr;
  ${module}_set_header X-Forwarded-Host $http_host;
  ${module}_set_header X-Forwarded-Port ${port};
  ${module}_set_header X-Forwarded-Proto https;
  ${module}_set_header Forwarded "";
  ${module}_set_header X-API-Key "";`;

/** What every virtual host begins with. `version` is that of the whole configuration. */
const preamble = (
  desired: DesiredIngress,
  name: string,
  version: string,
): Conf => conf`  listen ${desired.port} ssl;${socketListen(desired, conf``)}
  http2 on;
  server_name ${name};
  add_header X-Content-Type-Options nosniff always;
  location = ${markerPath} {
    access_log off;
    add_header ${markerHeader} ${version} always;
    return 204;
  }`;

/** What the virtual hosts of public names begin with. */
const publicPreamble = (
  desired: DesiredIngress,
  name: string,
  version: string,
): Conf => conf`${preamble(desired, name, version)}
${desired.strictTransport ? conf`  add_header Strict-Transport-Security max-age=31536000 always;` : conf`  # A private authority signs this name: no Strict-Transport-Security.`}`;

/** A block that proxies with a module. It stays open for a day where `streams`, as clients' streams do. */
const route = (scheme: 'http' | 'grpc', path: string, { host, port }: Upstream, streams: boolean): Conf => {
  const module = conf`${scheme === 'grpc' ? 'grpc' : 'proxy'}`;
  const open = conf`
    ${module}_read_timeout 1d;
    ${module}_send_timeout 1d;`;
  // An open stream is one long request body.
  const body = conf`
    client_body_timeout 1d;
    client_max_body_size 0;`;
  return conf`  location ${path} {
    set $upstream ${host}:${port};
    ${module}_pass ${scheme}://$upstream;${streams ? open : conf``}${scheme === 'grpc' ? body : conf``}
  }`;
};

const meshHost = (desired: DesiredIngress, version: string): Conf => {
  const { management, signal, relay, dashboard } = desired.upstreams;
  return conf`server {
${publicPreamble(desired, desired.mesh, version)}
  # Frames of its own are how the dashboard renews a sign-in.
  add_header X-Frame-Options SAMEORIGIN always;

${route('http', '/api/', management, false)}
${route('grpc', '/management.ManagementService/', management, true)}
${route('http', '/ws-proxy/management', management, true)}
${route('grpc', '/signalexchange.SignalExchange/', signal, true)}
${route('http', '/ws-proxy/signal', signal, true)}
${route('http', '/relay', relay, true)}
  # Errors pass as they are: the dashboard answers sign-in addresses with 404 and the page in it.
${route('http', '/', dashboard, false)}
}
`;
};

const identityHost = (desired: DesiredIngress, version: string): Conf => conf`server {
${publicPreamble(desired, desired.identity, version)}
  client_max_body_size 10m;
  proxy_busy_buffers_size 512k;
  proxy_buffers 4 512k;
  proxy_buffer_size 256k;

  # The first administrator is made from inside, over loopback.
  location ~* ^(${{ conf: closedPaths.join('|') }})(/|$) {
    add_header ${markerHeader} ${version} always;
    return 404;
  }
${route('http', '/', desired.upstreams.identity, false)}
}
`;

/**
 * Private names lead to the real one, with path and query. For this time only (307): browsers keep what is permanent for
 * ever, and the port or the name of the real one may change.
 */
const privateHosts = (desired: DesiredIngress, version: string): Conf => {
  const { certificates } = desired.places;
  const host = (name: string, target: string): Conf => conf`server {
${preamble(desired, name, version)}
  ssl_certificate ${certificates}/local/current/fullchain.pem;
  ssl_certificate_key ${certificates}/local/current/key.pem;

  location / { return 307 ${target}$request_uri; }
}
`;
  const all = desired.privateNames.map(({ name, target }) => host(name, target).conf);
  return { conf: `# Private names.\n${all.join('\n')}` };
};

const parts = ['nginx.conf', 'mesh.conf', 'identity.conf', 'private.conf'] as const;

/** The user as whom nginx runs: the one who owns the certificates. */
const reader = { uid: 1000, gid: 1000 } as const;

export interface RenderedIngress {
  readonly files: readonly ServiceFile[];
  /** What the marker says once this is served. */
  readonly version: string;
}

/**
 * Every file nginx reads. `digestOf` gives hex digits for a text.
 * @throws {StackError} SETTINGS_INVALID where a value would not be one word
 */
export const renderIngress = (
  desired: DesiredIngress,
  digestOf: (text: string) => string,
): RenderedIngress => {
  const texts = (version: string) => [
    main(desired),
    meshHost(desired, version),
    identityHost(desired, version),
    privateHosts(desired, version),
  ];
  const version = digestOf(
    texts('0')
      .map((text) => text.conf)
      .join(''),
  ).slice(0, 16);
  const file = (path: string, text: Conf, reloads: boolean): ServiceFile => ({
    service: 'nginx',
    path,
    content: [text.conf],
    reader,
    reloads,
  });
  return {
    version,
    files: [
      ...texts(version).map((text, index) => file(parts[index] ?? '', text, true)),
      // It is read once, when the container starts.
      file('run.sh', runScript(desired, parts), false),
      ...frontFiles(desired, reader),
    ],
  };
};
