import type { ServiceFile } from '../../orchestrator/area.ts';
import { conf, type Conf } from '../conf.ts';
import type { DesiredIngress, Front } from '../desired.ts';
import type { Copy } from './hand-over.ts';

/** Where the folder is mounted in the renewer's container. */
export const frontInCerts = '/etc/skylab-front';
/** The header with the version of the virtual hosts that served it. */
export const frontHeader = 'x-skylab-front';

/** The socket on which our nginx is reached, as the other one sees it. */
export const socketOf = ({ folder }: Front): string => `${folder}/run/nginx.sock`;

/** The certificates that the other nginx serves: of which folder in the store, and the file it reads. */
export const copiesOf = ({ domain, privateNames }: DesiredIngress): readonly Copy[] => [
  { of: domain, file: 'certificate.pem' },
  ...(privateNames.length > 0 ? [{ of: 'local', file: 'private-names.pem' }] : []),
];

/** How a person makes the other nginx take the file up. */
export const includeHint = ({ folder, file }: Front): string =>
  [
    `give ${file} to the nginx that holds the port, inside its http block.`,
    `Debian: sudo ln -s ${file} /etc/nginx/sites-enabled/.`,
    `NixOS: services.nginx.appendHttpConfig = "include ${folder}/*.conf;".`,
    `Elsewhere: include ${folder}/*.conf;`,
    'Then: sudo nginx -t && sudo systemctl reload nginx && npm run up',
  ].join(' ');

const grpcPaths = ['/management.ManagementService/', '/signalexchange.SignalExchange/'] as const;

const maps = ({ folder, prefix }: Front, copies: readonly Copy[]): Conf => {
  const own = (name: string): Conf => ({ conf: `$${prefix}_${name}` });
  const certificates = copies.map(
    ({ of, file }) =>
      conf`map "" ${own(of === 'local' ? 'private' : 'public')} {
  default ${folder}/${file};
}`.conf,
  );
  return conf`map $remote_addr ${own('client')} {
  default $remote_addr:$remote_port;
  ~: [$remote_addr]:$remote_port;
}
# Nothing but WebSocket is upgraded.
map $http_upgrade ${own('upgrade')} {
  default "";
  ~*^websocket$ websocket;
}
map ${own('upgrade')} ${own('connection')} {
  default upgrade;
  "" "";
}
# Key and chain in one file, so they always belong together; a variable as its name, so it is read at each handshake and
# a renewed certificate needs no reload.
${{ conf: certificates.join('\n') }}`;
};

interface Host {
  readonly name: string;
  readonly certificate: 'public' | 'private';
  readonly grpc: boolean;
}

const headers = (
  module: 'proxy' | 'grpc',
  prefix: string,
): Conf => conf`  ${module}_set_header Host $http_host;
  ${module}_set_header X-Real-IP ${{ conf: `$${prefix}_client` }};`;

const virtualHost = (front: Front, { name, certificate, grpc }: Host, version: string): Conf => {
  const { prefix } = front;
  const own = (variable: string): Conf => ({ conf: `$${prefix}_${variable}` });
  const socket = socketOf(front);
  const grpcBlock = (path: string): string =>
    conf`  location ${path} { grpc_pass grpc://unix:${socket}; }`.conf;
  const grpcPart = conf`
${headers('grpc', prefix)}
  grpc_read_timeout 1d;
  grpc_send_timeout 1d;
${{ conf: grpcPaths.map(grpcBlock).join('\n') }}`;
  return conf`server {
${{ conf: front.listen.map((one) => `  listen ${one} ssl;`).join('\n') }}
  http2 on;
  server_name ${name};
  ssl_certificate ${own(certificate)};
  ssl_certificate_key ${own(certificate)};
  ssl_protocols TLSv1.2 TLSv1.3;
  # Sign-in codes travel in queries: the stack's nginx logs requests without them, and this one logs none.
  access_log off;
  error_log stderr alert;
  # It also keeps headers of the http block from being added to those of the stack.
  add_header ${frontHeader} ${version} always;
  # Limits, closed paths and headers are the business of the stack's nginx.
  client_max_body_size 0;
  client_body_timeout 1d;
  large_client_header_buffers 4 32k;
  proxy_http_version 1.1;
${headers('proxy', prefix)}
  proxy_set_header Upgrade ${own('upgrade')};
  proxy_set_header Connection ${own('connection')};
  proxy_busy_buffers_size 512k;
  proxy_buffers 4 512k;
  proxy_buffer_size 256k;
  proxy_max_temp_file_size 0;
  proxy_read_timeout 1d;
  proxy_send_timeout 1d;
  proxy_redirect off;
  proxy_intercept_errors off;${grpc ? grpcPart : conf``}
  location / { proxy_pass http://unix:${socket}; }
}`;
};

/** The file for the other nginx; the version in it changes as soon as anything else does. */
export const renderFront = (
  desired: DesiredIngress,
  front: Front,
  digestOf: (text: string) => string,
): { readonly text: string; readonly version: string } => {
  const copies = copiesOf(desired);
  const hosts: readonly Host[] = [
    ...desired.names.map((name) => ({ name, certificate: 'public' as const, grpc: name === desired.mesh })),
    ...desired.privateNames.map(({ name }) => ({ name, certificate: 'private' as const, grpc: false })),
  ];
  const textOf = (version: string): string =>
    conf`# Made by skylab-stack for the nginx that holds port ${desired.port}: changes made here are overwritten.
# To be included inside http { }. Needs nginx 1.25.1 or newer. After it has changed: nginx -t, then reload.

${maps(front, copies)}

${{ conf: hosts.map((host) => virtualHost(front, host, version).conf).join('\n\n') }}
`.conf;
  const version = digestOf(textOf('0')).slice(0, 16);
  return { text: textOf(version), version };
};

/** What the renewer reads: which copies it keeps fresh. */
export const frontFiles = (desired: DesiredIngress, reader: ServiceFile['reader']): readonly ServiceFile[] =>
  desired.front === undefined
    ? []
    : [
        {
          service: 'certs',
          path: 'front.json',
          content: [`${JSON.stringify({ copies: copiesOf(desired) }, null, 2)}\n`],
          reader,
          reloads: true,
        },
      ];
