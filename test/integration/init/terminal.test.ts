import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseSettings } from '../../../src/settings/load.ts';
import { tokens } from '../../support/cloudflare.ts';
import { runProgram } from '../../support/host.ts';
import { keys, type AtTerminal } from '../../support/terminal.ts';
import { addProgram, createFirstTime, type FirstTime } from './support.ts';

/*
 * init with a person at a terminal.
 */

const noTerminal = (await runProgram('script', ['--version']).catch(() => ({ code: 1 }))).code !== 0;

let machine: FirstTime;
beforeAll(async () => {
  machine = await createFirstTime();
});
afterAll(async () => machine.remove());
beforeEach(async () => {
  await rm(machine.hosts, { recursive: true });
  await mkdir(machine.hosts);
});

/** Types an answer in place of what stands there. */
const answer = async (at: AtTerminal, question: string, text: string): Promise<void> => {
  await at.sees(question);
  at.types(`${keys.clear}${text}${keys.enter}`);
};

/** Chooses the line so many below the marked one. */
const choose = async (at: AtTerminal, question: string, below = 0): Promise<void> => {
  await at.sees(question);
  await at.sees('Enter: confirm');
  at.types(keys.down.repeat(below) + keys.enter);
};

/** The questions up to the one for the token; the first one is there already. */
const answerMost = async (at: AtTerminal): Promise<void> => {
  at.types(`${keys.clear}skylab.test${keys.enter}`);
  await at.sees('skylab.test is still delegated to');
  await choose(at, 'What now?', 1);
  await answer(at, 'Sign-in name:', 'anna');
  await answer(at, 'first name:', 'Anna');
  await answer(at, 'e-mail address:', 'anna@skylab.test');
  await choose(at, 'From where', 2);
  await answer(at, 'Which TCP port?', String(machine.port));
  await answer(at, 'At which address', '127.0.0.1');
  await choose(at, 'Who answers');
  await at.sees(`TCP ${machine.port} is free`);
};

const without = (text: string, ...secrets: readonly string[]): void => {
  for (const secret of secrets) expect(text).not.toContain(secret);
};

describe.skipIf(noTerminal)(
  `at a terminal (${noTerminal ? 'needs the program script' : 'by script'})`,
  () => {
    test('a person is asked, a wrong answer is asked again, and the plan ends it', async () => {
      const at = machine.sit([]);
      await answer(at, 'Which domain', 'No Domain');
      await at.sees('is not a host name');
      await answerMost(at);
      await choose(at, 'token kept?', 2);
      await answer(at, 'In which variable?', 'CLOUDFLARE_TOKEN_OF_TEST');
      await at.sees('the token may edit the DNS of skylab.test');
      await at.sees(`wrote ${machine.settingsFile('attic')}`);
      await at.sees('create A netbird.skylab.test');
      await at.sees('next: npm run up');

      expect(await at.ends()).toBe(0);
      without(at.screen(), tokens.edit.value, 'Warning');
      const text = await machine.settings('attic');
      expect(parseSettings(text, '')).toMatchObject({
        domain: 'skylab.test',
        reachability: { mode: 'lan', port: machine.port, bind: '127.0.0.1' },
      });

      const again = machine.sit([]);
      for (const question of [
        'Which domain',
        'What now?',
        'Sign-in name:',
        'first name:',
        'e-mail address:',
      ]) {
        // The look at the delegation fails again: going on is the second line.
        if (question === 'What now?') await choose(again, question, 1);
        else {
          await again.sees(question);
          again.types(keys.enter);
        }
      }
      await choose(again, 'From where');
      for (const question of ['Which TCP port?', 'At which address']) {
        await again.sees(question);
        again.types(keys.enter);
      }
      await choose(again, 'Who answers');
      await choose(again, 'token kept?');
      await again.sees('In which variable?');
      again.types(keys.enter);
      await again.sees('says all of this already');

      expect(await again.ends()).toBe(0);
      expect(await machine.settings('attic')).toBe(text);
    });

    test('what a flag says is not asked; where a check finds it wrong, it is asked again from where it is mended', async () => {
      const flags = [...machine.answers, '--token-env', 'TOKEN_FOR_ANOTHER_ZONE'];
      const at = machine.sit(flags, { TOKEN_FOR_ANOTHER_ZONE: tokens.other.value });
      await choose(at, 'What now?', 1);
      await at.sees('the token is for another zone');
      await choose(at, 'What now?');
      await choose(at, 'token kept?');
      await answer(at, 'In which variable?', 'CLOUDFLARE_TOKEN_OF_TEST');
      await at.sees('wrote');

      expect(await at.ends()).toBe(0);
      expect(parseSettings(await machine.settings('attic'), '').cloudflare.token).toEqual({
        env: 'CLOUDFLARE_TOKEN_OF_TEST',
      });
    });

    test.each([
      ['at a question', async (at: AtTerminal) => at.sees('Which domain')],
      [
        'at the last question',
        async (at: AtTerminal) => {
          await at.sees('Which domain');
          await answerMost(at);
          await at.sees('token kept?');
        },
      ],
    ])('Ctrl-C %s leaves nothing behind', async (_, until) => {
      const at = machine.sit([]);
      await until(at);
      at.types(keys.interrupt);

      expect(await at.ends()).toBe(130);
      expect(at.screen()).toContain('error[INTERRUPTED]: interrupted; nothing was written');
      expect(await machine.written()).toEqual([]);
    });

    test('to stop at a check that failed writes nothing', async () => {
      const at = machine.sit(machine.answers);
      await choose(at, 'What now?', 2);

      expect(await at.ends()).toBe(6);
      expect(at.screen()).toContain('stopped at a check that failed; nothing was written');
      expect(await machine.written()).toEqual([]);
    });

    test('settings that are there are changed only after a look at the difference', async () => {
      await machine.run([...machine.answers, '--json']);
      await writeFile(
        machine.settingsFile('attic'),
        (await machine.settings('attic')).replace('mode: lan', 'mode: lan # mine'),
      );
      const before = await machine.settings('attic');
      const change = ['--no-checks', '--port', String(machine.otherPort), ...machine.answers.slice(0, 10)];
      const rest = ['--bind', '127.0.0.1', '--front-door', 'own', '--token', 'env', '--token-env', 'OTHER'];
      const refused = machine.sit([...change, ...rest]);
      await refused.sees(`+  port: ${machine.otherPort}`);
      await refused.sees('like this?');
      refused.types('n');

      expect(await refused.ends()).toBe(6);
      expect(await machine.settings('attic')).toBe(before);

      const agreed = machine.sit([...change, ...rest]);
      await agreed.sees('like this?');
      agreed.types('y');

      expect(await agreed.ends()).toBe(0);
      expect(await machine.settings('attic')).toBe(
        before
          .replace(String(machine.port), String(machine.otherPort))
          .replace('CLOUDFLARE_TOKEN_OF_TEST', 'OTHER'),
      );
    });
  },
);

describe.skipIf(noTerminal)(
  `the encrypted file (${noTerminal ? 'needs the program script' : 'by script'})`,
  () => {
    const log = () => join(machine.folder, 'arguments');
    const keyFile = () => join(machine.folder, 'home', '.config', 'sops', 'age', 'keys.txt');
    const secretsFile = () => join(machine.hosts, 'attic', 'secrets', 'secrets.yaml');
    const toSecrets = () =>
      machine.answers.map((word, index) => (machine.answers[index - 1] === '--token' ? 'sops' : word));

    /** Programs that do of sops and age what is asked of them here, and write down how they were called. */
    const install = async () => {
      await addProgram(
        machine,
        'sops',
        `echo "sops $*" >> ${log()}
case "$*" in
  *--encrypt*) for last; do :; done
    printf 'acme:\\n    cloudflare_token: ENC[%s]\\nsops:\\n    age:\\n        - recipient: age1test\\n' "$(base64 -w0 < "$last")" ;;
  *) for last; do :; done; sed -n 's/.*ENC\\[\\(.*\\)\\]/\\1/p' "$last" | base64 -d ;;
esac`,
      );
      await addProgram(
        machine,
        'age-keygen',
        `echo "age-keygen $*" >> ${log()}
if [ "$1" = -o ]; then umask 077; echo AGE-SECRET-KEY-1TEST > "$2"; else echo age1test; fi`,
      );
    };

    test('is made where sops and age are installed: the token is pasted once, shown nowhere, and works', async () => {
      await install();
      const at = machine.sit(toSecrets());
      await choose(at, 'What now?', 1);
      await choose(at, 'which is not there yet');
      await at.sees("Cloudflare's API token:");
      at.types(`${tokens.edit.value}${keys.enter}`);
      await at.sees('the token may edit the DNS of skylab.test (may edit skylab.test)');

      expect(await at.ends()).toBe(0);
      const called = await readFile(log(), 'utf8');
      without(`${at.screen()}${called}`, tokens.edit.value);
      expect(called).toContain('--encrypt --age age1test');
      expect((await stat(secretsFile())).mode & 0o777).toBe(0o600);
      without(await readFile(secretsFile(), 'utf8'), tokens.edit.value);
      expect(await readFile(keyFile(), 'utf8')).toContain('AGE-SECRET-KEY');
    });

    test('is left for later with every command to type', async () => {
      await install();
      const at = machine.sit(toSecrets());
      await choose(at, 'What now?', 1);
      await choose(at, 'which is not there yet', 1);
      // After the plan, so that it is the last thing on the screen.
      await at.sees('takes them');
      await at.sees('age-keygen -y');
      await at.sees('cloudflare_token: CLOUDFLARE_DNS_API_TOKEN=your_token_here');
      await at.sees('then: npm run up');

      expect(await at.ends()).toBe(0);
      expect(await machine.written()).toEqual(['attic', 'attic/settings.yaml']);
    });
  },
);
