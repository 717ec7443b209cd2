import { describe, expect, test } from 'vitest';
import { desiredDns } from '../../../src/dns/desired.ts';
import { settingsWith } from './fixtures.ts';

test('all three names of the stack want a record, marked with the host', () => {
  const settings = settingsWith(
    'reachability: { mode: public }\nnames: { mesh: vpn, identity: id, turn: relay }',
  );

  expect(desiredDns(settings, false)).toMatchObject({
    domain: 'skylab.test',
    names: ['vpn.skylab.test', 'id.skylab.test', 'relay.skylab.test'],
    comment: 'skylab-home address',
    ttlSeconds: 300,
    adopt: false,
  });
});

describe('the address', () => {
  const wanted = (reachability: string) =>
    desiredDns(settingsWith(`reachability: ${reachability}`), false).address;

  test('is the one that the settings name, in every mode', () => {
    expect(wanted('{ mode: public, address: 192.0.2.7 }')).toEqual({
      from: 'settings',
      address: '192.0.2.7',
    });
    expect(wanted('{ mode: lan, address: 192.0.2.7 }')).toEqual({ from: 'settings', address: '192.0.2.7' });
  });

  test('is what the internet sees where devices come from outside', () => {
    expect(wanted('{ mode: public }')).toEqual({ from: 'internet' });
    expect(wanted('{ mode: port, port: 8443, bind: 192.168.1.2 }')).toEqual({ from: 'internet' });
  });

  test('is the one the ports are published on where devices stay at home, if that can be dialled', () => {
    expect(wanted('{ mode: lan, bind: 192.168.1.2 }')).toEqual({ from: 'settings', address: '192.168.1.2' });
    expect(wanted('{ mode: lan, bind: 0.0.0.0 }')).toEqual({ from: 'lan' });
    expect(wanted('{ mode: lan, bind: 127.0.0.1 }')).toEqual({ from: 'lan' });
  });
});
