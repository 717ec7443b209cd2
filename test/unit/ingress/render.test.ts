import { describe, expect, test } from 'vitest';
import { desiredIngress } from '../../../src/ingress/desired.ts';
import { renderFront } from '../../../src/ingress/doors/front.ts';
import { renderIngress } from '../../../src/ingress/render.ts';
import { digestOf } from '../../../src/shared/files.ts';
import { testSettings } from '../../support/settings.ts';
import { named, parseConf, textOfFile, type Directive } from './conf-syntax.ts';

const desired = desiredIngress(testSettings('/state'));
const filesOf = (wanted = desired) =>
  new Map(renderIngress(wanted, digestOf).files.map((file) => [file.path, file]));
const textOf = (path: string, wanted = desired): string => textOfFile(filesOf(wanted).get(path));
const serverOf = (path: string): readonly Directive[] => parseConf(textOf(path))[0]?.block ?? [];
const wordsOf = (directives: readonly Directive[], name: string): readonly (readonly string[])[] =>
  named(directives, name).map(({ words }) => words.slice(1));

describe('the files of nginx', () => {
  test('are all for its user, and only the start script needs a new container', () => {
    const files = [...filesOf().values()];

    expect(files.map(({ path, reloads }) => [path, reloads])).toEqual([
      ['nginx.conf', true],
      ['mesh.conf', true],
      ['identity.conf', true],
      ['private.conf', true],
      ['run.sh', false],
    ]);
    expect(new Set(files.map(({ service, reader }) => `${service} ${reader.uid}:${reader.gid}`))).toEqual(
      new Set(['nginx 1000:1000']),
    );
  });

  test('listen on the very port that the issuer carries, for each name', () => {
    for (const [path, name] of [
      ['mesh.conf', 'netbird.lab.localhost'],
      ['identity.conf', 'pocketid.lab.localhost'],
    ] as const) {
      expect(wordsOf(serverOf(path), 'listen')).toEqual([['18443', 'ssl']]);
      expect(wordsOf(serverOf(path), 'server_name')).toEqual([[name]]);
      expect(wordsOf(serverOf(path), 'http2')).toEqual([['on']]);
    }
  });

  test("have Pocket ID's three buffer settings, which only work together", () => {
    const server = serverOf('identity.conf');

    expect(wordsOf(server, 'proxy_busy_buffers_size')).toEqual([['512k']]);
    expect(wordsOf(server, 'proxy_buffers')).toEqual([['4', '512k']]);
    expect(wordsOf(server, 'proxy_buffer_size')).toEqual([['256k']]);
  });

  test('look every upstream up when a request comes', () => {
    const all = ['mesh.conf', 'identity.conf'].flatMap((path) =>
      named(serverOf(path), 'location').flatMap(({ block = [] }) => [
        ...wordsOf(block, 'proxy_pass'),
        ...wordsOf(block, 'grpc_pass'),
      ]),
    );

    expect(all.flat()).toHaveLength(8);
    expect(new Set(all.flat())).toEqual(new Set(['http://$upstream', 'grpc://$upstream']));
    expect(textOf('nginx.conf')).toContain('resolver 127.0.0.11 ');
  });

  test('never replace the answer of an upstream', () => {
    for (const path of ['nginx.conf', 'mesh.conf', 'identity.conf'])
      expect(textOf(path)).not.toMatch(/intercept_errors|error_page/);
  });

  test('leave daemon to the start script, which would refuse to say it twice', () => {
    expect(textOf('nginx.conf')).not.toContain('daemon');
    expect(textOf('run.sh')).toContain('nginx -e stderr -c "$files/nginx.conf" -g \'daemon off;\'');
  });

  test('write nowhere but into /tmp', () => {
    const http = named(parseConf(textOf('nginx.conf')), 'http')[0]?.block ?? [];
    const temporary = http.filter(({ words }) => words[0]?.endsWith('_temp_path'));

    expect(temporary.map(({ words }) => words[1])).toEqual([
      '/tmp/client-body',
      '/tmp/proxy',
      '/tmp/fastcgi',
      '/tmp/uwsgi',
      '/tmp/scgi',
    ]);
    expect(wordsOf(parseConf(textOf('nginx.conf')), 'pid')).toEqual([['/tmp/nginx.pid']]);
  });

  test('answer the health check on loopback only', () => {
    const http = named(parseConf(textOf('nginx.conf')), 'http')[0]?.block ?? [];
    const listens = named(http, 'server').flatMap(({ block = [] }) => wordsOf(block, 'listen'));

    expect(listens).toContainEqual(['127.0.0.1:8081']);
  });

  test('carry another version as soon as anything in them differs, and the same one otherwise', () => {
    const { version } = renderIngress(desired, digestOf);

    expect(renderIngress({ ...desired }, digestOf).version).toBe(version);
    expect(renderIngress({ ...desired, resolver: '10.0.0.1' }, digestOf).version).not.toBe(version);
    expect(renderIngress({ ...desired, strictTransport: false }, digestOf).version).not.toBe(version);
    expect(textOf('mesh.conf')).toContain(`x-skylab-config ${version} always;`);
  });

  test('pin browsers to https only where a public authority signs', () => {
    const settings = testSettings('/state');
    const privately = desiredIngress({
      ...settings,
      certificates: { ...settings.certificates, trust: { file: '/ca.pem' } },
    });

    expect(textOf('mesh.conf')).toContain('Strict-Transport-Security max-age=31536000 always;');
    expect(textOf('mesh.conf', privately)).not.toContain('add_header Strict-Transport-Security');
  });
});

describe('the file for an nginx that holds the port', () => {
  const behind = desiredIngress(
    testSettings('/state', 'ingress: { mode: behind }\nprivate_names: { id.skylab.local: identity }'),
  );
  const { front } = behind;
  if (front === undefined) throw new Error('there is no front');
  const { text, version } = renderFront(behind, front, digestOf);
  const servers = named(parseConf(text), 'server').map(({ block = [] }) => block);

  test('has a virtual host for every name, with the port and the certificate of each', () => {
    expect(
      servers.map((server) =>
        ['server_name', 'listen', 'ssl_certificate'].map((name) => wordsOf(server, name)[0]?.join(' ')),
      ),
    ).toEqual([
      ['pocketid.lab.localhost', '18443 ssl', '$skylab_lab_public'],
      ['netbird.lab.localhost', '18443 ssl', '$skylab_lab_public'],
      ['id.skylab.local', '18443 ssl', '$skylab_lab_private'],
    ]);
    expect(text).toContain(
      'map "" $skylab_lab_public {\n  default /state/skylab-lab-front/certificate.pem;\n}',
    );
  });

  test('passes everything on to one socket, and gRPC as gRPC where the mesh has it', () => {
    const socket = 'unix:/state/skylab-lab-front/run/nginx.sock';
    const all = servers.flatMap((server) => named(server, 'location'));

    expect(
      all
        .map(({ words, block = [] }) => [words[1], block[0]?.words.join(' ')])
        .sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
    ).toEqual([
      ...servers.map(() => ['/', `proxy_pass http://${socket}`]),
      ['/management.ManagementService/', `grpc_pass grpc://${socket}`],
      ['/signalexchange.SignalExchange/', `grpc_pass grpc://${socket}`],
    ]);
  });

  test('listens as its other virtual hosts do, where the settings say so', () => {
    const listen = `ingress: { mode: behind, listen: ["18443", "[::]:18443"] }`;
    const other = desiredIngress(testSettings('/state', listen));
    if (other.front === undefined) throw new Error('there is no front');
    const [server] = named(parseConf(renderFront(other, other.front, digestOf).text), 'server');

    expect(wordsOf(server?.block ?? [], 'listen')).toEqual([
      ['18443', 'ssl'],
      ['[::]:18443', 'ssl'],
    ]);
  });

  test('carries a version that changes with it', () => {
    expect(text).toContain(`add_header x-skylab-front ${version} always;`);
    expect(renderFront({ ...behind, names: [behind.mesh] }, front, digestOf).version).not.toBe(version);
  });

  test('is believed by ours about who asks, over the socket only', () => {
    const http = named(parseConf(textOf('nginx.conf', behind)), 'http')[0]?.block ?? [];

    expect(wordsOf(http, 'set_real_ip_from')).toEqual([['unix:']]);
    expect(textOf('nginx.conf')).not.toContain('real_ip');
    expect(textOf('run.sh', behind)).toContain('rm -f /run/skylab/nginx.sock\n');
    for (const path of ['mesh.conf', 'identity.conf']) expect(textOf(path)).not.toContain('unix:');
  });
});

test('a value that is not one plain word is refused by name', () => {
  expect(() => renderIngress({ ...desired, domain: 'a; root /' }, digestOf)).toThrow(
    expect.objectContaining({
      code: 'SETTINGS_INVALID',
      message: expect.stringContaining('"a; root /"') as unknown,
    }),
  );
});
