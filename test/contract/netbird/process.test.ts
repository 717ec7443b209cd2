import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWorkplace, type Workplace } from './stand-in.ts';

/* The program as it goes into its images: one bundled file, started with the flags and variables of the real ones. */

let folder: string;
let program: string;
let workplace: Workplace;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'netbird-program-'));
  program = join(folder, 'netbird.mjs');
  await build({
    entryPoints: ['sandbox/netbird/main.ts'],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // ws is CommonJS and asks for Node's own modules by require.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    outfile: program,
    logLevel: 'error',
  });
  workplace = openWorkplace({ issuer: 'http://127.0.0.1:9', keysLocation: 'http://127.0.0.1:9' });
});

afterAll(() => {
  workplace.remove();
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Starts the program; `whenListening` runs once, when it says so. Resolves when it has ended. */
const run = (
  args: readonly string[],
  variables: Readonly<Record<string, string>>,
  whenListening: (child: ChildProcess, ports: Readonly<Record<string, number>>) => void,
): Promise<Ended> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...args], { env: { PATH: '', ...variables } });
    let output = '';
    let isListening = false;
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
      const ports = /listening: (\{.*\})/.exec(output)?.[1];
      if (isListening || ports === undefined) return;
      isListening = true;
      whenListening(child, JSON.parse(ports) as Record<string, number>);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('close', (code) => resolve({ code, output }));
  });

const stopAtOnce = (child: ChildProcess): void => void child.kill('SIGKILL');

const managementFlags = (): readonly string[] => [
  'management',
  '--config',
  workplace.configPath,
  '--datadir',
  workplace.dataDirectory,
  '--port',
  '0',
  '--log-file',
  'console',
  '--single-account-mode-domain=netbird.lab.test',
  '--dns-domain',
  'netbird.selfhosted',
  '--disable-anonymous-metrics',
  '--disable-geolite-update=true',
  '--disable-legacy-port',
];

/** Far below the time after which an idle connection is given up anyway. */
const promptMs = 10_000;

const relayVariables = {
  NB_EXPOSED_ADDRESS: 'rels://netbird.lab.test:443',
  NB_AUTH_SECRET: 'not-to-be-printed',
  NB_LISTEN_ADDRESS: '127.0.0.1:0',
  NB_HEALTH_LISTEN_ADDRESS: '127.0.0.1:0',
};

const started: readonly (readonly [
  role: string,
  args: () => readonly string[],
  variables: Record<string, string>,
])[] = [
  ['management', managementFlags, {}],
  ['signal', () => ['signal', '--port', '0', '--log-file', 'console'], {}],
  ['relay', () => ['relay'], relayVariables],
];

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test.each(started)(
    `%s ends at once with 0 on ${signal}, open connections or not`,
    async (_role, args, variables) => {
      let signalledAtMs = 0;
      const ended = await run(args(), variables, (child, ports) => {
        const idle = connect({ host: '127.0.0.1', port: ports['main'] ?? 0 }, () => {
          idle.write('GET / HTTP/1.1\r\n');
          signalledAtMs = Date.now();
          child.kill(signal);
        });
        idle.on('error', () => idle.destroy());
      });

      expect(ended.code).toBe(0);
      expect(Date.now() - signalledAtMs).toBeLessThan(promptMs);
      expect(ended.output).toContain('not the real server');
      expect(ended.output).not.toContain('not-to-be-printed');
    },
  );
}

test.each<readonly [args: readonly string[], variables: Record<string, string>, line: string | RegExp]>([
  [[], {}, 'unknown role ""'],
  [['turn'], {}, 'unknown role "turn"'],
  [['management', '--nope'], {}, 'Error: unknown flag: --nope'],
  [['management', '--port', 'abc'], {}, 'invalid argument "abc" for --port'],
  [
    ['management', '--config', '/nowhere/m.json'],
    {},
    /failed reading provided config file: \/nowhere\/m\.json: ENOENT/,
  ],
  [['management', '--disable-single-account-mode'], {}, /--disable-single-account-mode is not possible here/],
  [['management', '--cert-file', 'x'], {}, /--cert-file is not possible here/],
  [['signal', '--port'], {}, 'flag needs an argument: --port'],
  [['signal', 'run'], {}, 'unexpected argument: run'],
  [['relay'], { NB_EXPOSED_ADDRESS: 'rels://x:1' }, 'invalid config: auth secret is required'],
  [['relay'], { NB_AUTH_SECRET: 's' }, 'invalid config: exposed address is required'],
  [['relay'], { ...relayVariables, NB_ENABLE_STUN: 'true' }, 'has no STUN server'],
  [['relay'], { ...relayVariables, NB_LISTEN_ADDRESS: '33080' }, /for NB_LISTEN_ADDRESS: wanted host:port/],
])('%j does not start: one line, exit 1', async (args, variables, line) => {
  const { code, output } = await run(args, variables, stopAtOnce);
  const lines = output.trimEnd().split('\n');

  expect(code).toBe(1);
  expect(lines.at(-1)).toMatch(line);
  expect(lines.length).toBeLessThanOrEqual(2);
});

test('a port that is taken is one line and exit 1', async () => {
  const seen = await new Promise<Ended>((resolve) => {
    void run(['signal', '--port', '0'], {}, (first, ports) => {
      void run(['signal', '--port', String(ports['main'])], {}, stopAtOnce).then((second) => {
        first.kill();
        resolve(second);
        return undefined;
      });
    });
  });

  expect(seen.code).toBe(1);
  expect(seen.output.trimEnd().split('\n').at(-1)).toMatch(/EADDRINUSE/);
});

test('a start that is refused leaves no data behind', async () => {
  const data = join(folder, 'data');
  await run(['management', '--config', '/nowhere/m.json', '--datadir', data], {}, stopAtOnce);

  expect(existsSync(data)).toBe(false);
});
