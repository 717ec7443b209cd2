import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestHost, type TestHost } from '../../support/host.ts';
import { codesIn, complaint, filesBelow } from './support.ts';

/*
 * Passkeys and every client are bound to the issuer: a stack that was set up keeps it until somebody says otherwise.
 */

const nowhere = { DOCKER_HOST: 'unix:///nowhere/docker.sock' };

let host: TestHost;
let remembered: string;
beforeEach(async () => {
  host = await createTestHost('issuer');
  const secrets = join(host.state, 'secrets');
  remembered = join(secrets, 'id-issuer');
  await mkdir(secrets, { recursive: true, mode: 0o700 });
  // What a run leaves behind that came to its end.
  await writeFile(remembered, `https://pocketid.skylab.localhost:${host.ports.https}`, { mode: 0o600 });
});
afterEach(async () => host.remove());

const change = async (section: string, values: object) =>
  host.change((settings) => {
    settings[section] = { ...(settings[section] as object), ...values };
  });

test('up with the issuer that it was set up with goes on to the next thing', async () => {
  expect(codesIn(await host.run(['up'], nowhere))).toEqual(['ENGINE_UNREACHABLE']);
});

test('another port is another issuer: up says both, and makes nothing', async () => {
  await change('reachability', { port: host.ports.stun });
  const up = await host.run(['up'], nowhere);
  const document = await host.run(['up', '--json'], nowhere);

  expect(up.code).toBe(78);
  expect(complaint(host, up)).toMatchInlineSnapshot(`
    "error[ISSUER_CHANGED]: the stack was set up with the issuer https://pocketid.skylab.localhost:<https port>, the settings say https://pocketid.skylab.localhost:<stun port>
      fix: put the old name and port back; or --new-issuer, and every passkey, device and client is set up again
      see: docs/errors.md#issuer_changed"
  `);
  expect(JSON.parse(document.stdout)).toMatchObject({ error: { code: 'ISSUER_CHANGED' } });
  expect(await filesBelow(host.state)).toEqual(['secrets/id-issuer']);
});

test('another name is another issuer, too', async () => {
  await change('names', { identity: 'login' });
  const up = await host.run(['up'], nowhere);

  expect(codesIn(up)).toEqual(['ISSUER_CHANGED']);
  expect(existsSync(join(host.state, 'run.lock'))).toBe(false);
});

test('--new-issuer goes on, and what was remembered stays until a run comes to its end', async () => {
  const before = await readFile(remembered, 'utf8');
  await change('reachability', { port: host.ports.stun });
  const up = await host.run(['up', '--new-issuer'], nowhere);

  expect(codesIn(up)).toEqual(['ENGINE_UNREACHABLE']);
  expect(await readFile(remembered, 'utf8')).toBe(before);
});
