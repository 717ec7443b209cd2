import { execFile } from 'node:child_process';
import { delimiter } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createIngressArea } from '../../../src/ingress/apply.ts';
import type { AwaitReload } from '../../../src/ingress/plan.ts';
import type { ContainerExec } from '../../../src/orchestrator/ports.ts';
import { readText } from '../../../src/shared/files.ts';
import { effectsFor } from '../../support/steps.ts';
import { findNginx } from './support/find-nginx.ts';
import { nginxUser, until, untilOnlyNew } from './support/nginx.ts';
import { identity, mesh, prepareStack, type Stack } from './support/stack.ts';

const program = await findNginx();

describe.skipIf('missing' in program)('the ingress area', () => {
  let stack: Stack;
  beforeEach(async () => {
    if (!('missing' in program)) stack = await prepareStack(program.folder);
  });
  afterEach(async () => stack.close());

  /** Runs what would run inside the container beside it, with the same nginx. */
  const exec: ContainerExec = {
    async exec(_service, [file = '', ...args]) {
      const path = 'missing' in program ? '' : `${program.folder}${delimiter}${process.env['PATH'] ?? ''}`;
      return new Promise((resolve) => {
        execFile(
          file,
          args,
          { env: { ...process.env, PATH: path }, ...nginxUser },
          (error, stdout, stderr) => {
            resolve({ exitCode: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
          },
        );
      });
    },
  };
  const area = createIngressArea({
    readText,
    exec,
    readPair: async () => Promise.resolve(undefined),
    frontOwner: undefined,
  });
  const signal = () => AbortSignal.timeout(60_000);
  const planned = async (desired = stack.nginx.desired) =>
    area
      .plan(desired, await area.observe(desired, signal()))
      .filter((step): step is AwaitReload => step.kind === 'await-reload');
  /** What is planned while nginx has not noticed a certificate that was renewed. */
  const afterRenewal = async () => {
    await stack.nginx.watch(false);
    await stack.nginx.putCertificate(await stack.authority.issue([identity, mesh]));
    const [step] = await planned();
    await stack.nginx.watch(true);
    return step;
  };
  const ready = async () =>
    area.facts(stack.nginx.desired, await area.observe(stack.nginx.desired, signal()))['ingress.ready'];

  test('is ready, with nothing left to do, as soon as nginx serves what is in place', async () => {
    expect(await ready()).toMatchObject({
      because: 'absent',
      text: expect.stringContaining('ECONNREFUSED') as unknown,
    });
    expect(await planned()).toMatchObject([{ id: 'await nginx reload', assumed: true }]);

    await stack.nginx.start();

    expect(await ready()).toBe(true);
    expect(await planned()).toEqual([]);
  });

  test('waits until nginx has taken up a changed configuration', async () => {
    await stack.nginx.start();
    const wanted = { ...stack.nginx.desired, strictTransport: false };
    const [step] = await planned(wanted);
    if (step === undefined) throw new Error('nothing was planned');

    const old = await stack.nginx.workers();

    const waiting = area.apply['await-reload'](step, effectsFor(), signal());
    await stack.nginx.putFiles(wanted);
    await waiting;

    expect(await stack.nginx.workers()).not.toEqual(old);
    await untilOnlyNew(stack.nginx.workers, old);

    expect(await planned(wanted)).toEqual([]);
  });

  test('waits until nginx has taken up a renewed certificate', async () => {
    await stack.nginx.start();
    const old = await stack.nginx.workers();
    const step = await afterRenewal();
    if (step === undefined) throw new Error('nothing was planned');
    expect(step.why).toMatch(/^nginx serves certificate \w+ for \S+, the store has \w+$/);

    await area.apply['await-reload'](step, effectsFor(), signal());

    expect(await stack.nginx.workers()).not.toEqual(old);
    await untilOnlyNew(stack.nginx.workers, old);

    expect(await planned()).toEqual([]);
  });

  test("fails with nginx's own line where nginx refuses the files", async () => {
    await stack.nginx.start();
    const wanted = { ...stack.nginx.desired, strictTransport: false };
    const [step] = await planned(wanted);
    if (step === undefined) throw new Error('nothing was planned');
    await stack.nginx.putFiles(wanted, (path, text) => (path === 'mesh.conf' ? `${text}nonsense;` : text));

    const waiting = area.apply['await-reload']({ ...step, deadlineMs: 12_000 }, effectsFor(), signal());

    await expect(waiting).rejects.toMatchObject({
      code: 'INGRESS_INVALID',
      message: expect.stringContaining('unknown directive "nonsense"') as unknown,
    });
  });

  test('fails with what it saw where nginx has nothing against the files, and does not serve them', async () => {
    await stack.nginx.start();
    const wanted = { ...stack.nginx.desired, strictTransport: false };
    const [step] = await planned(wanted);
    if (step === undefined) throw new Error('nothing was planned');

    const waiting = area.apply['await-reload']({ ...step, deadlineMs: 11_000 }, effectsFor(), signal());

    await expect(waiting).rejects.toMatchObject({
      code: 'DEADLINE',
      message: expect.stringMatching(/^after 1 s still: nginx serves configuration \w+ for/) as unknown,
    });
  });

  test('writes nothing: waiting is no effect', async () => {
    await stack.nginx.start();
    const step = await afterRenewal();
    if (step === undefined) throw new Error('nothing was planned');
    const effects = effectsFor();

    await area.apply['await-reload'](step, effects, signal());

    expect(effects.count()).toBe(0);
  });

  test('stops waiting as soon as it is told to', async () => {
    const [step] = await planned();
    if (step === undefined) throw new Error('nothing was planned');
    const controller = new AbortController();
    const waiting = area.apply['await-reload'](step, effectsFor(), controller.signal);
    let ended = false;
    void waiting.catch(() => undefined).finally(() => (ended = true));

    controller.abort(new Error('told to'));

    await expect(waiting).rejects.toThrow('told to');
    await until('it has ended', () => ended);
  });
});
