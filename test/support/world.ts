import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { basename, join } from 'node:path';
import { until } from './engine.ts';
import { runProgram, type TestHost } from './host.ts';

/*
 * The world of a host as a named projection, without ids, times and keys: what must be the same after a run that was
 * killed and repeated as after one that was not. It is read from the outside, with nothing of the program under test.
 */

export type Lines = readonly string[];
/** One sorted list of lines for each part of the world. */
export type World = Readonly<Record<string, Lines>>;

const sorted = (lines: Iterable<string>): Lines => [...lines].sort();
const lines = (text: string): Lines =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** Runs docker; a failure is a fault of the test. */
const docker = async (host: TestHost, ...args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await runProgram('docker', args, host.env);
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
  return stdout;
};

interface Asked {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** GET as JSON, dialled at 127.0.0.1 whatever the name; certificates are what other tests look at. */
const getJson = async ({ url, headers }: Asked): Promise<unknown> => {
  const { protocol, hostname, port, pathname, search } = new URL(url);
  const options = {
    host: '127.0.0.1',
    port,
    path: pathname + search,
    headers: { host: hostname, ...headers },
  };
  const text = await new Promise<string>((done, failed) => {
    const take = (answer: IncomingMessage) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => (body += chunk));
      answer.on('end', () => {
        if (answer.statusCode === 200) done(body);
        else failed(new Error(`GET ${url}: ${answer.statusCode} ${body}`));
      });
    };
    const sent =
      protocol === 'https:'
        ? httpsRequest({ ...options, servername: hostname, rejectUnauthorized: false, agent: false }, take)
        : httpRequest({ ...options, agent: false }, take);
    sent.once('error', failed);
    sent.end();
  });
  return JSON.parse(text) as unknown;
};

const containers = async (host: TestHost): Promise<Lines> => {
  const ids = lines(
    await docker(host, 'ps', '-aq', '--filter', `label=com.docker.compose.project=${host.project}`),
  );
  if (ids.length === 0) return [];
  const label = (name: string) => `{{index .Config.Labels "${name}"}}`;
  const format = [
    label('com.docker.compose.service'),
    label('stack.skylab.image-kind'),
    '{{.Config.Image}}',
    '{{.State.Status}}',
    '{{if .State.Health}}{{.State.Health.Status}}{{else}}no health check{{end}}',
  ].join(' ');
  return sorted(lines(await docker(host, 'inspect', '--format', format, ...ids)));
};

const engineObjects = async (host: TestHost): Promise<Lines> => {
  const filter = ['--filter', `label=com.docker.compose.project=${host.project}`];
  const [volumes, networks] = await Promise.all([
    docker(host, 'volume', 'ls', '--format', 'volume {{.Name}}', ...filter),
    docker(host, 'network', 'ls', '--format', 'network {{.Name}} {{.Driver}}', ...filter),
  ]);
  return sorted([...lines(volumes), ...lines(networks)]);
};

const hidden = [
  [/-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----/g, '<$1>'],
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>'],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>'],
  [/(https:\/\/pebble\.localhost:\d+\/[a-z-]+)\/[0-9a-f]+/g, '$1/<id>'],
  [/"serial":\s*"[0-9A-F]+"/g, '"serial": "<serial>"'],
  // Digests of files that hold secrets.
  [/(_FILES=)['"]?[0-9a-f]{16}['"]?/g, '$1<digest>'],
  // NetBird's ids, and the user Pocket ID makes for the static key.
  [/^[a-z0-9]{20}$/g, '<id>'],
  [/^static-api-user-[A-Za-z0-9]+$/g, 'static-api-user-<id>'],
] as const;

const withoutIds = (text: string): string =>
  hidden.reduce((all, [pattern, by]) => all.replaceAll(pattern, by), text);

/** A file's text with keys, ids and times taken out; secrets stand there by their names. */
const shape = (text: string, secrets: ReadonlyMap<string, string>): string => {
  const named = [...secrets].reduce((all, [name, value]) => all.replaceAll(value, `<${name}>`), text);
  return withoutIds(named);
};

/** Written by the servers themselves, or forgotten at will. */
const foreign = new Set(['netbird', 'netbird-standin', 'cache', 'run.lock']);

const walk = async (root: string, path: string, secrets: ReadonlyMap<string, string>): Promise<Lines> => {
  const place = join(root, path);
  const seen = await lstat(place);
  const shown = path
    .replaceAll(/versions\/\d+/g, 'versions/<n>')
    .replaceAll(/\/[0-9a-f]{16}(?=\/|$)/g, '/<digest>');
  const head = `${shown} ${(seen.mode & 0o7777).toString(8)} ${seen.uid}:${seen.gid}`;
  if (seen.isSymbolicLink()) {
    const target = (await readlink(place)).replace(/^[0-9a-f]{16}$/, '<digest>').replace(/\d+$/, '<n>');
    return [`${shown} -> ${target} ${seen.uid}:${seen.gid}`];
  }
  // Of a process that is gone it means nothing: whoever needs the lock next takes it at once.
  if (basename(path) === 'store.lock') return [];
  if (foreign.has(basename(path))) return [head];
  if (seen.isDirectory()) {
    const names = await readdir(place);
    // The version before the present certificate stays; how many there were is no part of the world.
    const kept = path.endsWith('/versions') ? [String(Math.max(...names.map(Number)))] : names;
    const inside = await Promise.all(kept.map(async (name) => walk(root, join(path, name), secrets)));
    return [`${head} folder`, ...inside.flat()];
  }
  const text = await readFile(place, 'utf8');
  return [`${head} ${path.includes('/secrets/') && !path.includes('/id-') ? '' : shape(text, secrets)}`];
};

const files = async (host: TestHost): Promise<Lines> => {
  const folder = join(host.state, 'secrets');
  const names = await readdir(folder);
  const values = await Promise.all(
    names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const),
  );
  const secrets = new Map(values.filter(([name]) => !name.startsWith('id-')));
  const root = join(host.state, '..');
  return sorted(
    (await Promise.all((await readdir(root)).map(async (name) => walk(root, name, secrets)))).flat(),
  );
};

/** What a query answers, one line a row, columns parted by `|`. */
export const sql = async (host: TestHost, database: string, query: string): Promise<Lines> => {
  const inside = ['exec', '-u', '999', `${host.project}-postgres-1`];
  const psql = ['psql', '-XAtq', '-h', '/var/run/postgresql', '-U', 'postgres', '-d', database, '-c', query];
  return lines(await docker(host, ...inside, ...psql));
};

const databases = async (host: TestHost): Promise<Lines> => {
  const roles = await sql(
    host,
    'postgres',
    `select 'role', rolname, rolsuper, rolcreatedb, rolcreaterole, rolcanlogin from pg_roles where rolname !~ '^pg_'`,
  );
  const all = await sql(
    host,
    'postgres',
    `select datname, pg_get_userbyid(datdba), coalesce(datacl::text, 'no acl') from pg_database where not datistemplate`,
  );
  const extensions = await Promise.all(
    all.map(async (line) => {
      const name = line.split('|')[0] ?? '';
      const found = await sql(host, name, 'select extname, extnamespace::regnamespace from pg_extension');
      return found.map((extension) => `extension ${name} ${extension}`);
    }),
  );
  return sorted([...roles, ...all.map((line) => `database ${line}`), ...extensions.flat()]);
};

/** Every record of the zone, TXT records too: none of those may be left. */
export const dnsRecords = async (host: TestHost): Promise<Lines> => {
  const api = `http://cloudflare.localhost:${host.ports.api}/client/v4/zones`;
  const headers = { authorization: 'Bearer sandbox-token' };
  const zones = (await getJson({ url: api, headers })) as { result: { id: string }[] };
  const found = await Promise.all(
    zones.result.map(
      async ({ id }) =>
        (await getJson({ url: `${api}/${id}/dns_records?per_page=100`, headers })) as {
          result: { type: string; name: string; content: string; proxied: boolean; comment?: string }[];
        },
    ),
  );
  return sorted(
    found
      .flatMap((page) => page.result)
      .map(
        ({ type, name, content, proxied, comment }) =>
          `${type} ${name} ${content} ${proxied} ${comment ?? ''}`,
      ),
  );
};

/** Fields whose values are different in every world. */
const isOwn = (key: string) =>
  /(^|_)id$|Id$|At$|_at$|_since$|^created_by$|last_|^expiration_date$|^network_serial$|^dns_domain$|^network_range/.test(
    key,
  );

/** JSON without ids and times, keys and unordered lists sorted. */
const plain = (value: unknown): unknown => {
  if (Array.isArray(value))
    return value.map(plain).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (typeof value === 'string') return withoutIds(value);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !isOwn(key))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, plain(inner)]),
  );
};

const asLines = (kind: string, list: unknown): Lines =>
  ((plain(list) ?? []) as readonly unknown[]).map((one) => `${kind} ${JSON.stringify(one)}`);

const identity = async (host: TestHost): Promise<Lines> => {
  const key = await readFile(join(host.state, 'secrets', 'pocket-id-static-api-key'), 'utf8');
  const get = async (path: string) =>
    getJson({ url: `http://localhost:${host.ports.identity}${path}`, headers: { 'x-api-key': key } });
  const list = async (kind: string, path: string) =>
    asLines(kind, ((await get(`${path}?pagination[limit]=100`)) as { data: unknown }).data);
  const parts = await Promise.all([
    list('user', '/api/users'),
    list('group', '/api/user-groups'),
    list('client', '/api/oidc/clients'),
  ]);
  return [...parts.flat(), `client netbird ${JSON.stringify(plain(await get('/api/oidc/clients/netbird')))}`];
};

const mesh = async (host: TestHost): Promise<Lines> => {
  const folder = join(host.state, 'secrets');
  const token = await readFile(join(folder, 'netbird-service-token'), 'utf8');
  const serviceUser = await readFile(join(folder, 'id-netbird-service-user'), 'utf8');
  const get = async (path: string) =>
    getJson({
      url: `https://netbird.skylab.localhost:${host.ports.https}/api/${path}`,
      headers: { authorization: `Token ${token}` },
    });
  const parts = await Promise.all([
    ...['users', 'accounts', 'groups', 'policies', 'setup-keys'].map(async (path) =>
      asLines(path, await get(path)),
    ),
    get('users?service_user=true').then((found) => asLines('service users', found)),
    get(`users/${serviceUser}/tokens`).then((found) => asLines('token', found)),
  ]);
  return parts.flat();
};

/** The renewer asks the authority for its advice by itself, soon after it has started, and `up` does not wait for that. */
const untilAdvised = async (host: TestHost): Promise<void> => {
  const folder = join(host.state, 'certificates', 'skylab.localhost');
  await until(
    "the authority's advice is written down",
    120_000,
    async () => readdir(folder),
    (names) => names.includes('renewal.json'),
  );
};

/** Looks at all of it. */
export const lookAtWorld = async (host: TestHost): Promise<World> => {
  await untilAdvised(host);
  const [running, objects, onDisk, inPostgres, records, people, meshed] = await Promise.all([
    containers(host),
    engineObjects(host),
    files(host),
    databases(host),
    dnsRecords(host),
    identity(host),
    mesh(host),
  ]);
  return {
    containers: running,
    engine: objects,
    files: onDisk,
    databases: inPostgres,
    dns: records,
    identity: people,
    mesh: meshed,
  };
};

/** What lies on disk alone, for runs that never start a container. */
export const lookAtFiles = async (host: TestHost): Promise<World> => ({ files: await files(host) });
