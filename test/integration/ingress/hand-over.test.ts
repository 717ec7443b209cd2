import { chmod, chown, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { handOver, readCopies, staleCopies } from '../../../src/ingress/doors/hand-over.ts';
import { frontFiles } from '../../../src/ingress/doors/front.ts';
import { desiredIngress } from '../../../src/ingress/desired.ts';
import { effectsFor } from '../../support/steps.ts';
import { testSettings } from '../../support/settings.ts';
import { textOfFile } from '../../unit/ingress/conf-syntax.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skylab-front-'));
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

const copies = [
  { of: 'lab.localhost', file: 'certificate.pem' },
  { of: 'local', file: 'private-names.pem' },
];
const pairOf =
  (serial: number) =>
  async (of: string): Promise<{ chainPem: string; keyPem: string } | undefined> =>
    Promise.resolve(
      of === 'local' ? undefined : { chainPem: `chain ${serial}\n`, keyPem: `key ${serial}\n` },
    );

test('a certificate is handed over with its key in one file, once, and again when it is another one', async () => {
  const effects = effectsFor();

  expect(await handOver(folder, copies, pairOf(1), effects)).toEqual(['certificate.pem']);
  expect(await handOver(folder, copies, pairOf(1), effects)).toEqual([]);
  expect(await readFile(join(folder, 'certificate.pem'), 'utf8')).toBe('key 1\nchain 1\n');

  expect((await staleCopies(folder, copies, pairOf(2))).map((one) => one.file)).toEqual(['certificate.pem']);
  expect(await handOver(folder, copies, pairOf(2), effects)).toEqual(['certificate.pem']);
  expect(effects.count()).toBe(2);
});

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stdout.write('skipped: only root can give a folder to a foreign group\n');

test.skipIf(!isRoot)('a copy belongs to the group of the folder, and to nobody else', async () => {
  await chown(folder, 0, 4242);
  await chmod(folder, 0o2750);

  await handOver(folder, copies, pairOf(1), effectsFor());

  const { gid, mode } = await stat(join(folder, 'certificate.pem'));
  expect([gid, mode & 0o777]).toEqual([4242, 0o640]);
});

test('the renewer reads which copies there are from what is rendered; nothing where none are', async () => {
  expect(await readCopies(folder)).toEqual([]);
  const yaml = 'ingress: { mode: behind }\nprivate_names: { id.skylab.local: identity }';
  const [file] = frontFiles(desiredIngress(testSettings('/state', yaml)), { uid: 1, gid: 1 });
  await writeFile(join(folder, file?.path ?? ''), textOfFile(file));

  expect(await readCopies(folder)).toEqual(copies);

  await writeFile(join(folder, 'front.json'), '{}');
  await expect(readCopies(folder)).rejects.toMatchObject({ code: 'SETTINGS_INVALID' });
});
