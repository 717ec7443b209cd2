import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { AcmeDesired } from '../../src/acme/policy.ts';
import { createCloudflare } from '../../src/dns/cloudflare.ts';
import { createHttp } from '../../src/shared/http.ts';
import { startProvider, tokens, zoneName } from '../support/cloudflare.ts';
import { runProgram } from '../support/host.ts';
import { findPebble, startPebble } from '../support/pebble.ts';
import { line, ratio, timed } from './measure.ts';

/*
 * A first certificate, whole processes side by side: an account, an order, TXT records, validation, files. Both meet the
 * same Pebble and the same DNS provider, which answer at once.
 */

const runs = 5;
const { signal } = new AbortController();

const say = (...lines: readonly string[]) => process.stdout.write(`${lines.join('\n')}\n`);

/** The other end of lego's provider `httpreq`: writes the TXT record at the provider. */
const serveTxt = async (api: string) => {
  const http = createHttp();
  const provider = createCloudflare({ api, http, token: async () => Promise.resolve(tokens.edit.value) });
  const zone = await provider.zoneOf(zoneName, signal);
  const made = new Map<string, string>();
  const server = createServer((request, response) => {
    const answer = async () => {
      const { fqdn, value } = JSON.parse(await text(request)) as { fqdn: string; value: string };
      const key = `${fqdn} ${value}`;
      const name = fqdn.replace(/\.$/, '');
      const fields = { type: 'TXT', name, content: `"${value}"`, ttlSeconds: 60, comment: 'bench' } as const;
      if (request.url === '/present') made.set(key, (await provider.create(zone, fields, signal)) ?? '');
      else await provider.remove(zone.id, made.get(key) ?? '', signal);
    };
    answer().then(
      () => response.end('{}'),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      server.close();
      http.close();
    },
  };
};

/** `npm run bench -- acme`. */
export const benchAcme = async (): Promise<void> => {
  if ('missing' in (await findPebble())) return;
  const hasLego = (await runProgram('lego', ['--version']).catch(() => undefined))?.code === 0;
  const provider = await startProvider();
  const pebble = await startPebble({ dnsServer: `127.0.0.1:${provider.dnsPort}` });
  const txt = await serveTxt(provider.apiUrl);
  const folder = await mkdtemp(join(tmpdir(), 'skylab-bench-'));
  const caFile = join(folder, 'authority.pem');
  await writeFile(caFile, pebble.caPem);
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder };

  const ours = async (names: readonly string[], place: string): Promise<void> => {
    const wanted: AcmeDesired = {
      domain: zoneName,
      names,
      directory: pebble.directoryUrl,
      directoryCa: { file: caFile },
      trust: { url: `${pebble.managementUrl}/roots/0` },
      contact: 'bench@skylab.test',
      certificates: join(place, 'store'),
      mark: 'skylab-bench acme',
      cloudflare: { api: provider.apiUrl },
      dns: { resolvers: [], authoritative: [`127.0.0.1:${provider.dnsPort}`], ttl_seconds: 300 },
    };
    await writeFile(join(place, 'settings.json'), JSON.stringify(wanted));
    await writeFile(join(place, 'cloudflare-token'), tokens.edit.value);
  };
  const must = async (file: string, args: readonly string[], more: Readonly<Record<string, string>>) => {
    const { ms, value } = await timed(async () => runProgram(file, args, { ...env, ...more }));
    if (value.code !== 0) throw new Error(`${file} ended with ${String(value.code)}: ${value.stderr}`);
    return ms;
  };

  try {
    for (const count of [1, 5]) {
      const names = Array.from({ length: count }, (_, index) => `name${index}.${zoneName}`);
      const mine: number[] = [];
      const theirs: number[] = [];
      for (let run = 0; run < runs; run += 1) {
        const place = join(folder, `${count}-${run}`);
        await mkdir(place);
        await ours(names, place);
        mine.push(
          await must(process.execPath, ['dist/cli.js', 'renew', '--work'], { SKYLAB_RENEWER_FILES: place }),
        );
        if (!hasLego) continue;
        const account = ['--accept-tos', '--email', 'bench@skylab.test'];
        const where = ['--server', pebble.directoryUrl, '--path', join(place, 'lego')];
        const resolver = ['--dns.resolvers', `127.0.0.1:${provider.dnsPort}`];
        const solver = ['--dns', 'httpreq', '--dns.disable-cp', ...resolver];
        const domains = names.flatMap((name) => ['--domains', name]);
        theirs.push(
          await must('lego', [...where, ...account, ...solver, ...domains, 'run'], {
            LEGO_CA_CERTIFICATES: caFile,
            LEGO_DISABLE_CNAME_SUPPORT: 'true',
            HTTPREQ_ENDPOINT: txt.url,
          }),
        );
      }
      say(
        `A first certificate for ${count === 1 ? 'one name' : `${count} names`}, whole process`,
        line('node dist/cli.js renew --work', mine),
        `  ${'wanted'.padEnd(44)}${count === 1 ? ' 1.50 s' : ' 2.00 s'} at most`,
        ...(hasLego ? [line('lego run', theirs), ratio(mine, theirs, 'below 1')] : []),
      );
    }
    say(
      '  Ours reads the roots that certificates must chain to, looks for records that ended runs left, looks up the zone at the',
      '  provider, writes the records down before it makes them, asks every authoritative name server for each of them before',
      '  the authority is told, keeps the order for a run that is ended, checks key, names, chain and dates of what comes back,',
      '  and stores it in one step.',
      '  lego is given a server that writes records for it: it looks up no zone and loads nothing for the provider. It does not',
      '  ask a name server (--dns.disable-cp: its own check insists on port 53), validates one name after the other, and checks',
      '  nothing of the certificate.',
      ...(hasLego ? [] : ['  lego is not installed (Debian: apt-get install lego).']),
      '',
    );
  } finally {
    txt.close();
    await pebble.stop();
    await provider.close();
    await rm(folder, { recursive: true, force: true });
  }
};
