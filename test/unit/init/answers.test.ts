import { describe, expect, test } from 'vitest';
import { answersIn, changesOf, refusalOf } from '../../../src/init/answers.ts';
import { answersWithoutPerson } from '../../../src/init/interview.ts';
import { emptySettings } from '../../../src/init/template.ts';
import { editSettings } from '../../../src/settings/edit.ts';
import { parseSettings } from '../../../src/settings/load.ts';
import { isStackError } from '../../../src/shared/errors.ts';
import { textOfHost } from '../../support/hosts.ts';

const answers = {
  domain: 'example.org',
  username: 'anna',
  email: 'anna@example.org',
  firstName: 'Anna',
  reach: 'port',
  port: '8443',
  bind: '192.168.1.10',
  door: 'own',
  token: 'file',
  tokenFile: '/root/token',
} as const;

const written = (text: string) => parseSettings(editSettings(emptySettings, changesOf({ ...answers })), text);

const problemOf = (act: () => unknown) => {
  try {
    act();
  } catch (error) {
    if (isStackError(error)) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('answers', () => {
  test('fill in the whole of an empty file, and are read back from it', () => {
    const text = editSettings(emptySettings, changesOf(answers));

    expect(written('settings.yaml')).toMatchObject({ domain: 'example.org', ingress: { mode: 'own' } });
    expect(answersIn(text).answers).toEqual(answers);
    expect(editSettings(text, changesOf(answersIn(text).answers))).toBe(text);
  });

  test('that a file leaves open are asked for; what it says is known', () => {
    expect(answersIn(textOfHost('SKYLAB')).answers).toEqual({
      reach: 'port',
      port: '8443',
      door: 'own',
      token: 'sops',
    });
  });

  test('keep the place and the key of a sops file that somebody chose', () => {
    const text = editSettings(emptySettings, [
      { path: ['cloudflare', 'token'], value: { sops: 'own.yaml', key: 'a/b' } },
    ]);
    const known = answersIn(text);

    expect(changesOf({ token: 'sops' }, known.sops)).toEqual([
      { path: ['cloudflare', 'token'], value: { sops: 'own.yaml', key: 'a/b' } },
    ]);
  });

  test('with public mean port 443, whatever was said of a port before', () => {
    expect(changesOf({ reach: 'public', port: '8443' })).toContainEqual({
      path: ['reachability', 'port'],
      value: 443,
    });
  });

  test.each([
    ['domain', 'Example.org', 'is not a host name'],
    ['email', 'anna', 'is not an e-mail address'],
    ['port', '0', 'is too small, wanted at least 1'],
    ['bind', 'eth0', 'is not an IP address'],
    ['token', 'paper', 'is not sops, file or env'],
    ['username', '', 'an answer is needed'],
    ['firstName', '<your name>', 'is still to be filled in'],
  ] as const)(
    'that cannot be right are refused in the words of the settings: %s "%s"',
    (id, answer, said) => {
      expect(refusalOf(id, answer)).toContain(said);
    },
  );

  test.each(Object.entries(answers))('that are right are taken: %s %s', (id, answer) => {
    expect(refusalOf(id as keyof typeof answers, answer)).toBeUndefined();
  });
});

describe('without a person', () => {
  const machine = { addresses: ['192.168.1.10'] };
  const { port: _port, bind: _bind, ...needed } = answers;

  test('what is the same for most is assumed: the port, and the only address there is', () => {
    expect(answersWithoutPerson({ flags: needed, known: {}, machine })).toEqual(answers);
  });

  test('an address is missing where there are two to choose from', () => {
    const two = { addresses: ['192.168.1.10', '10.0.0.1'] };
    const error = problemOf(() => answersWithoutPerson({ flags: needed, known: {}, machine: two }));

    expect(error.data['missing']).toEqual(['bind']);
  });

  test('a flag counts more than what the settings say', () => {
    const made = answersWithoutPerson({ flags: { port: '9443' }, known: answers, machine });

    expect(made).toEqual({ ...answers, port: '9443' });
  });
});
