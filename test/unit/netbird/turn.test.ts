import { describe, expect, test } from 'vitest';
import { turnFiles } from '../../../src/netbird/turn.ts';
import { testSettings } from '../../support/settings.ts';

const settingsWith = (reachability: string, network: 'host' | 'bridge' = 'host') =>
  testSettings('/state', `turn: { network: ${network} }`, 'lab', `reachability: ${reachability}`);

const textOf = (path: string, settings: ReturnType<typeof settingsWith>): string =>
  (turnFiles(settings).find((file) => file.path === path)?.content ?? [])
    .map((part) => (typeof part === 'string' ? part : 'secret' in part ? `<${part.secret}>` : part.real))
    .join('');

const external = (settings: ReturnType<typeof settingsWith>): readonly string[] =>
  textOf('turnserver.conf', settings)
    .split('\n')
    .filter((line) => line.startsWith('external-ip'));

const followed = '{ mode: port, bind: 192.168.1.10 }';

describe('the external address', () => {
  test('stands in the configuration where it is a given one, and nothing watches it', () => {
    const given = settingsWith('{ mode: port, address: 203.0.113.9, bind: 192.168.1.10 }');

    expect(external(given)).toEqual(['external-ip=203.0.113.9']);
    expect(textOf('run.sh', given)).toContain('exec turnserver');
    expect(textOf('run.sh', given)).not.toContain('public-address');
  });

  test('is the one at home in a mesh at home, where that can be dialled', () => {
    expect(external(settingsWith('{ mode: lan, bind: 192.168.1.10 }', 'bridge'))).toEqual([
      'external-ip=192.168.1.10',
    ]);
    expect(external(settingsWith('{ mode: lan }', 'bridge'))).toEqual([]);
  });

  test('that may change comes from the file of the renewer, with where relayed connections begin on this host', () => {
    const settings = settingsWith(followed);

    expect(external(settings)).toEqual([]);
    expect(textOf('run.sh', settings)).toContain('file=/etc/skylab-public-address/address\n');
    expect(textOf('run.sh', settings)).toContain('*) echo "$seen/192.168.1.10" ;;');
  });

  test.each([
    ['on a bridge', settingsWith(followed, 'bridge')],
    ['on every address of the host', settingsWith('{ mode: port, bind: 0.0.0.0 }')],
  ])(
    'stands alone %s, where relayed connections begin at an address that is not known before',
    (_where, one) => {
      expect(textOf('run.sh', one)).toContain('*) echo "$seen" ;;');
    },
  );
});

test('a secret stands in the configuration alone, and both files are for the user of the image', () => {
  const settings = settingsWith(followed);

  expect(textOf('turnserver.conf', settings)).toContain('\nstatic-auth-secret=<turn-secret>\n');
  expect(textOf('run.sh', settings)).not.toContain('<turn-secret>');
  expect(turnFiles(settings).map(({ reader, reloads }) => [reader.uid, reloads])).toEqual([
    [65_534, false],
    [65_534, false],
  ]);
});
