import { describe, expect, test } from 'vitest';
import { domainOfPrivateName, privateDomains } from '../../../src/settings/private-names.ts';
import { privateNames } from '../../../src/settings/settings.ts';
import { StackError } from '../../../src/shared/errors.ts';
import { testSettings } from '../../support/settings.ts';

const problemsOf = (names: string): unknown => {
  try {
    testSettings('/state', `private_names: ${names}`);
  } catch (error) {
    if (error instanceof StackError) return error.data['problems'];
    throw error;
  }
  return 'no problem';
};

describe('private names', () => {
  test('lead to the real name with the port that the issuer carries', () => {
    const settings = testSettings(
      '/state',
      'private_names: { m.home.arpa: mesh, id.skylab.local: identity }',
    );

    expect(privateNames(settings)).toEqual([
      { name: 'id.skylab.local', target: 'https://pocketid.lab.localhost:18443' },
      { name: 'm.home.arpa', target: 'https://netbird.lab.localhost:18443' },
    ]);
  });

  test('are refused under the public domain and in every domain that somebody else may have', () => {
    expect(problemsOf('{ id.lab.localhost: identity }')).toEqual([
      'private_names/id.lab.localhost: lies under lab.localhost, where names have public certificates; leave it out',
    ]);
    for (const name of ['pocketid.example.com', 'id.co.uk', 'local', 'home.arpa', 'mylocal.net'])
      expect(problemsOf(`{ ${name}: identity }`)).toEqual([
        expect.stringMatching(/does not end in a domain that is private for ever|is not a host name/),
      ]);
  });

  test.each([
    ['pocketid.skylab.local', 'skylab.local'],
    ['a.b.skylab.local', 'b.skylab.local'],
    ['pocketid.local', 'pocketid.local'],
    ['pocketid.home.arpa', 'pocketid.home.arpa'],
    ['pocketid.skylab.home.arpa', 'skylab.home.arpa'],
    ['pocketid.skylab.com', undefined],
    ['local', undefined],
  ])('a CA for %s may sign for %s', (name, domain) => {
    expect(domainOfPrivateName(name)).toBe(domain);
  });

  test('of one domain share it, and a domain below another is not named again', () => {
    expect(privateDomains(['b.skylab.local', 'a.skylab.local', 'x.y.skylab.local', 'nas.lan'])).toEqual([
      'nas.lan',
      'skylab.local',
    ]);
  });
});
