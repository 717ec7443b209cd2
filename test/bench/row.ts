import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import pc from 'picocolors';
import { createContext, type Context } from '../../src/context.ts';
import { accountWith } from '../../src/netbird/plan.ts';
import { desiredMesh } from '../../src/netbird/desired.ts';
import { desiredIdentity, idEntry } from '../../src/oidc/desired.ts';
import { clientFields, groupFields, userFields } from '../../src/oidc/plan.ts';
import { createAdapters, type Adapters } from '../../src/orchestrator/areas.ts';
import { desiredDatabases } from '../../src/postgres/desired.ts';
import { planDatabases } from '../../src/postgres/plan.ts';
import { makeVerifier } from '../../src/postgres/scram.ts';
import { changeSql } from '../../src/postgres/sql.ts';
import { certificateNames } from '../../src/settings/settings.ts';
import { runProgram } from '../support/host.ts';
import { timed } from './measure.ts';
import type { World } from './world.ts';

/*
 * The work of a first `up`, done in a row by the tools that people know: Compose, then lego, then calls of two APIs.
 */

const { signal } = new AbortController();

const contextOf = async ({ host }: World): Promise<Context> =>
  createContext(
    {
      env: host.env,
      installation: resolve('.'),
      stdin: process.stdin,
      stdout: process.stdout,
      stderr: process.stderr,
      style: pc.createColors(false),
      asks: false,
      live: false,
      signal,
    },
    {},
  );

/** A Compose file more, by which PostgreSQL makes the databases itself when it makes its data folder. */
const writeOverride = async ({ settings, secrets }: Context, folder: string): Promise<string> => {
  const seen = { seen: 'absent', text: '', hint: '' } as const;
  let script = '';
  for (const step of planDatabases(desiredDatabases(settings), seen)) {
    if (step.kind !== 'prepare') continue;
    for (const change of step.changes) {
      const password = 'secret' in change ? await secrets.read(change.secret) : undefined;
      const database = change.kind === 'add-extension' ? change.database : 'postgres';
      script += `\\connect ${database}\n${changeSql(change, makeVerifier(password ?? ''))}`;
    }
  }
  const [sql, override] = [join(folder, 'databases.sql'), join(folder, 'override.json')];
  await writeFile(sql, script, { mode: 0o644 });
  const target = '/docker-entrypoint-initdb.d/databases.sql';
  const volumes = [{ type: 'bind', source: sql, target, read_only: true }];
  await writeFile(override, JSON.stringify({ services: { postgres: { volumes } } }));
  return override;
};

/** The other end of lego's provider `httpreq`: writes the TXT record at the sandbox's provider. */
const serveTxt = async ({ settings }: Context, { provider }: Adapters) => {
  const zone = await provider.zoneOf(settings.domain, signal);
  const made = new Map<string, string>();
  const server = createServer((request, response) => {
    const answer = async () => {
      const { fqdn, value } = JSON.parse(await text(request)) as { fqdn: string; value: string };
      const key = `${fqdn} ${value}`;
      if (request.url === '/present') {
        const name = fqdn.replace(/\.$/, '');
        const fields = {
          type: 'TXT',
          name,
          content: `"${value}"`,
          ttlSeconds: 60,
          comment: 'bench',
        } as const;
        made.set(key, (await provider.create(zone, fields, signal)) ?? '');
      } else {
        await provider.remove(zone.id, made.get(key) ?? '', signal);
      }
    };
    answer().then(
      () => response.end('{}'),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() };
};

const issue = async (world: World, context: Context, adapters: Adapters, folder: string): Promise<number> => {
  const { settings } = context;
  const { directory_ca: ca, contact } = settings.certificates;
  if (ca === 'system' || 'file' in ca)
    throw new Error('the sandbox gives the CA of its authority by address');
  const caFile = join(folder, 'authority.pem');
  await writeFile(caFile, (await adapters.http.call('GET', ca.url)).text);
  const txt = await serveTxt(context, adapters);
  // The authority's certificate is for localhost too; names below it lead nowhere for a program of the system.
  const directory = `https://localhost:${world.host.ports.ca}/dir`;
  const resolver = `127.0.0.1:${world.host.ports.dns}`;
  const solver = ['--dns', 'httpreq', '--dns.disable-cp', '--dns.resolvers', resolver];
  const account = ['--accept-tos', '--email', contact ?? 'bench@skylab.localhost'];
  const names = certificateNames(settings).flatMap((name) => ['--domains', name]);
  const place = ['--server', directory, '--path', join(folder, 'lego')];
  const args = [...place, ...account, ...solver, ...names, 'run'];
  const env = {
    ...world.host.env,
    LEGO_CA_CERTIFICATES: caFile,
    LEGO_DISABLE_CNAME_SUPPORT: 'true',
    HTTPREQ_ENDPOINT: txt.url,
  };
  try {
    const { ms, value } = await timed(async () => runProgram('lego', args, env));
    if (value.code !== 0) throw new Error(`lego ended with ${String(value.code)}: ${value.stderr}`);
    return ms;
  } finally {
    txt.close();
  }
};

const callApis = async ({ settings, secrets, effects }: Context, adapters: Adapters): Promise<void> => {
  const { pocketId, netbird, sessions } = adapters;
  const { groups, users, clients } = desiredIdentity(settings);
  const groupIds: string[] = [];
  for (const group of groups) groupIds.push((await pocketId.createGroup(groupFields(group), signal)).id);
  for (const user of users) {
    const fields = { ...userFields(user), isAdmin: user.admin, userGroupIds: groupIds };
    const { id } = await pocketId.createUser(fields, signal);
    await secrets.save(idEntry('user', user.username), id);
  }
  for (const client of clients) {
    await pocketId.createClient({ ...clientFields(client), id: client.id }, signal);
    await pocketId.setAllowedGroups(client.id, groupIds, signal);
  }

  const mesh = desiredMesh(settings);
  const owner = { idToken: await sessions.idTokenOf(mesh.adminUsername, effects, signal) };
  await netbird.currentUser(owner, signal);
  const account = await netbird.account(owner, signal);
  if (account === undefined) throw new Error('NetBird shows no account');
  await netbird.putAccount(owner, accountWith(mesh, account), signal);
  await netbird.currentUser(owner, signal);
  const service = await netbird.createServiceUser(owner, mesh.serviceUser, signal);
  const auth = { serviceToken: await netbird.createToken(owner, service.id, 180, signal) };
  const home = await netbird.createGroup(auth, mesh.homeGroup, signal);
  const people = (await netbird.groups(auth, signal)).find((group) =>
    groups.some((one) => one.name === group.name),
  );
  if (people === undefined) throw new Error('NetBird did not take the group of the ID token');
  const policy = { ...mesh.policy, sourceGroupId: people.id, destinationGroupId: home.id };
  await netbird.putPolicy(auth, policy, undefined, signal);
};

/** What each part of the row took. */
export interface Row {
  readonly compose: number;
  readonly lego: number;
  readonly apis: number;
}

/** One cold start in a row, from what {@link World.prepared} leaves. */
export const runRow = async (world: World): Promise<Row> => {
  const folder = join(world.host.folder, 'row');
  // With lego's account in it: the authority of the sandbox forgets accounts when it starts anew.
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const context = await contextOf(world);
  const override = await writeOverride(context, folder);
  const adapters = createAdapters(context);
  try {
    // Without the renewer: lego takes its place, and it would issue a certificate of its own meanwhile.
    const started = await timed(async () =>
      world.compose([override], ['up', '-d', '--wait', '--scale', 'certs=0']),
    );
    const lego = await issue(world, context, adapters, folder);
    const called = await timed(async () => callApis(context, adapters));
    return { compose: started.ms, lego, apis: called.ms };
  } finally {
    adapters.close();
    context.close();
  }
};
