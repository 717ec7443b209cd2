import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Issued } from './authority.ts';
import { nginxUser, until, untilOnlyNew } from './nginx.ts';

/** The nginx of somebody else, who holds the port and has a site of its own on it. */
export interface OtherNginx {
  /** What `nginx -t` says of its whole configuration. */
  readonly check: () => Promise<{ readonly code: number; readonly said: string }>;
  readonly start: () => Promise<void>;
  /** Lets it read its files anew, and waits until no worker that knows the old ones is left. */
  readonly reload: () => Promise<void>;
  readonly said: () => Promise<string>;
  readonly stop: () => Promise<void>;
}

export const otherSite = 'photos.example.test';

/** Lays it out: its http block includes `include`, as sites-enabled would be. Nothing is started. */
export const prepareOther = async (
  programFolder: string,
  { port, include, site }: { readonly port: number; readonly include: string; readonly site: Issued },
): Promise<OtherNginx> => {
  const folder = await mkdtemp(join(tmpdir(), 'skylab-other-'));
  const log = join(folder, 'log');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path ${folder}/${name};`,
  );
  const files = {
    'site.pem': site.fullchain + site.key,
    log: '',
    'nginx.conf': `
pid ${folder}/pid;
events { worker_connections 256; }
http {
${temporary.join('\n')}
  access_log ${folder}/access.log;
  add_header X-Other-Nginx yes always;
  server {
    listen ${port} ssl default_server;
    server_name ${otherSite};
    ssl_certificate ${folder}/site.pem;
    ssl_certificate_key ${folder}/site.pem;
    return 200 "photos";
  }
  include ${include};
}
`,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  if (nginxUser !== undefined)
    for (const path of [folder, ...Object.keys(files).map((name) => join(folder, name))])
      await chown(path, nginxUser.uid, nginxUser.gid);
  let child: ChildProcess | undefined;
  const begin = async (to: string, args: readonly string[]): Promise<ChildProcess> => {
    const output = await open(to, 'a');
    const all = ['-e', 'stderr', '-c', join(folder, 'nginx.conf'), ...args];
    const begun = spawn(join(programFolder, 'nginx'), all, {
      stdio: ['ignore', output.fd, output.fd],
      ...nginxUser,
    });
    await output.close();
    return begun;
  };
  return {
    async check() {
      const to = join(folder, 'check');
      await rm(to, { force: true });
      const begun = await begin(to, ['-t']);
      // It may have ended before anybody listens.
      if (begun.exitCode === null) await once(begun, 'exit');
      const code = begun.exitCode ?? -1;
      return { code, said: await readFile(to, 'utf8') };
    },
    async start() {
      child = await begin(log, ['-g', 'daemon off;']);
      const begun = child;
      await until('the other nginx has started', async () => {
        if (begun.exitCode !== null) throw new Error(`it ended: ${await readFile(log, 'utf8')}`);
        return (await readFile(join(folder, 'pid'), 'utf8').catch(() => '')) !== '';
      });
    },
    async reload() {
      const pid = child?.pid ?? 0;
      const workers = async () =>
        (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter((id) => id !== '');
      const old = await workers();
      child?.kill('SIGHUP');
      await untilOnlyNew(workers, old);
    },
    said: async () => (await readFile(log, 'utf8')) + (await readFile(join(folder, 'access.log'), 'utf8')),
    async stop() {
      if (child !== undefined && child.exitCode === null && child.signalCode === null) {
        const gone = once(child, 'exit');
        child.kill('SIGTERM');
        await gone;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
};
