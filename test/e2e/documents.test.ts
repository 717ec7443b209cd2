import { afterAll, beforeAll, expect, test } from 'vitest';
import { executed } from '../support/documents.ts';
import { createTestHost, runProgram, type TestHost } from '../support/host.ts';

/*
 * Every `sh run` block of the documents, in the order of reading, on a sandbox of the test's own: `npm run up` and all
 * other commands find it by SKYLAB_HOSTS and STACK_HOST. What names the plain sandbox by its project, folder or port is
 * led to this one.
 */

let host: TestHost;
beforeAll(async () => {
  host = await createTestHost('documents');
});
afterAll(async () => host.remove());

const ledHere = (command: string): string =>
  command
    .replaceAll('~/.local/state/skylab-sandbox', host.state)
    .replaceAll('skylab-sandbox', host.project)
    .replaceAll('18443', String(host.ports.https))
    .replaceAll('11411', String(host.ports.identity));

test('there is something to execute, beginning with up and ending with down', () => {
  const commands = executed().map((one) => one.command);

  expect([commands[0], commands.at(-1)]).toEqual(['npm run up', 'npm run down']);
});

test.each(executed())('$at: $command', async ({ command, exit }) => {
  const { code, stdout, stderr } = await runProgram(
    'bash',
    ['-o', 'pipefail', '-c', ledHere(command)],
    host.env,
  );

  const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-15).join('\n');
  expect(code, `what it said last:\n${said}\n`).toBe(exit);
});
