import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPrivateEngine, until, type PrivateEngine } from '../support/engine.ts';
import { createTestHost, runProgram, type TestHost } from '../support/host.ts';

/*
 * The Engine goes away and comes back, without us and with us. It is an Engine of this test's own.
 */

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stdout.write('engine: skipped, only root can start an Engine of its own\n');

let engine: PrivateEngine;
let host: TestHost;

interface StepEvent {
  readonly type: string;
  readonly kind?: string;
  readonly step?: { readonly id: string };
}
const eventsOf = (stdout: string): readonly StepEvent[] =>
  stdout
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as StepEvent);

/** `<service> <running|…> <healthy|…>` of every container. */
const containers = async (): Promise<readonly string[]> => {
  const ids = await runProgram(
    'docker',
    ['ps', '-aq', '--filter', `label=com.docker.compose.project=${host.project}`],
    host.env,
  );
  const format =
    '{{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}healthy{{end}}';
  const all = ids.stdout.split('\n').filter((id) => id !== '');
  return (await runProgram('docker', ['inspect', '--format', format, ...all], host.env)).stdout
    .split('\n')
    .filter((line) => line !== '')
    .sort();
};

const areHealthy = (seen: readonly string[]) =>
  seen.length === 11 && seen.every((line) => line.endsWith(' running healthy'));

/** Asks Pebble for the root it has now, and nginx for a chain that ends there. */
const trustScript = `
  const { get } = await import('node:https');
  const { connect } = await import('node:tls');
  const [, authority, port, name] = process.argv;
  const lookup = (_name, options, done) =>
    options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
  const root = await new Promise((done, failed) => {
    get(authority, { rejectUnauthorized: false, lookup }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => (text += chunk)).on('end', () => done(text));
    }).on('error', failed);
  });
  const socket = connect({ host: '127.0.0.1', port, servername: name, ca: [root] }, () => {
    process.stdout.write('trusted');
    socket.end();
  });
`;
const chain = async () => {
  const words = [
    '--input-type=module',
    '-e',
    trustScript,
    `https://pebble.localhost:${host.ports.caManagement}/roots/0`,
  ];
  const [file = '', ...before] = engine.enter;
  const args = [...before, process.execPath, ...words, String(host.ports.https), 'netbird.skylab.localhost'];
  const { stdout, stderr } = await runProgram(file, args, host.env);
  return stdout === 'trusted'
    ? stdout
    : (stderr.split('\n').find((line) => line.includes('Error')) ?? stderr);
};

/** What nobody but us could do is done by nobody: everything works again, and `up` has nothing to do. */
const worksWithoutUs = async (withinMs: number) => {
  await until('all containers are healthy', withinMs, containers, areHealthy);
  await until(
    'nginx serves what chains to the new root of the authority',
    300_000,
    chain,
    (seen) => seen === 'trusted',
  );
  const again = await host.run(['up', '--json']);
  expect(again.stderr).toBe('');
  expect(again.code).toBe(0);
  return eventsOf(again.stdout).flatMap((event) => (event.type === 'started' ? [event.step?.id] : []));
};

describe.runIf(isRoot)('an Engine that goes away', { concurrent: false }, () => {
  beforeAll(async () => {
    engine = await createPrivateEngine();
    await engine.start();
    host = await createTestHost('engine', {}, engine);
    const planned = await host.run(['plan', '--json']);
    const { steps } = JSON.parse(planned.stdout) as { steps: { step: { id: string } }[] };
    await engine.copyImages(
      steps.flatMap(({ step }) =>
        step.id.startsWith('get image ') ? [step.id.slice('get image '.length)] : [],
      ),
    );
  });
  afterAll(async () => {
    await host.remove();
    await engine.remove();
  });

  test('dies in the middle of a run: that run says so, and the next one is whole', async () => {
    const child = host.start(['up', '--json']);
    let stdout = '';
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const code = new Promise<number | null>((done) => child.once('close', done));
    await new Promise<void>((done) => {
      child.stdout?.on('data', (chunk: Buffer) => {
        stdout += chunk.toString();
        if (eventsOf(stdout).some((event) => event.kind === 'compose')) done();
      });
    });
    await engine.stop('SIGKILL');

    expect(await code).toBe(3);
    expect(`${stdout}${stderr}`).toContain('ENGINE_UNREACHABLE');

    await engine.start();
    const next = await host.run(['up']);
    expect(next.stderr).toContain('29 passed, 0 failed, 0 skipped');
    expect(next.code).toBe(0);
    await until('all containers are healthy', 120_000, containers, areHealthy);
  });

  test('is stopped and started: all is healthy within 120 s without us, on a new certificate', async () => {
    await engine.stop('SIGTERM');
    await engine.start();

    expect(await worksWithoutUs(120_000)).toEqual([]);
  });

  test('is killed and started: all is healthy within 180 s without us, on a new certificate', async () => {
    await engine.stop('SIGKILL');
    await engine.start();

    expect(await worksWithoutUs(180_000)).toEqual([]);
  });
});
