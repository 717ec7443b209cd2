import { describe, expect, test } from 'vitest';
import {
  findPublicAddress,
  lanAddresses,
  parseDefaultRoute,
  translationOf,
} from '../../../src/doctor/addresses.ts';

const signal = new AbortController().signal;

test('addresses at home leave out this machine itself, containers and meshes', () => {
  const one = (address: string, cidr: string, internal = false) => [
    { address, cidr, internal, family: 'IPv4' as const, netmask: '', mac: '' },
  ];

  expect(
    lanAddresses({
      lo: one('127.0.0.1', '127.0.0.1/8', true),
      docker0: one('172.17.0.1', '172.17.0.1/16'),
      wt0: one('100.90.0.1', '100.90.0.1/16'),
      enp1s0: one('192.168.1.5', '192.168.1.5/24'),
    }),
  ).toEqual([{ via: 'enp1s0', address: '192.168.1.5', cidr: '192.168.1.5/24' }]);
});

test('the default route of lowest metric is the way out', () => {
  const text = [
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
    'wlan0\t00000000\tFE01A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0',
    'eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0',
    'eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0',
  ].join('\n');

  expect(parseDefaultRoute(text)).toEqual({ gateway: '192.168.1.1', via: 'eth0' });
});

describe('the public address', () => {
  const answering = (text: string) => ({
    call: async () => ({ status: 200, headers: {}, text, json: () => undefined }),
  });

  test('is read from the line ip=', async () => {
    expect(await findPublicAddress(answering('h=x\nip=203.0.113.7\nts=1\n'), signal)).toEqual({
      address: '203.0.113.7',
    });
  });

  test('is not known where the page is another one, or does not answer', async () => {
    expect(await findPublicAddress(answering('<html>'), signal)).toMatchObject({
      unknown: '1.1.1.1 names no address',
    });
    const silent = {
      call: async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENETUNREACH' })),
    };
    expect(await findPublicAddress(silent, signal)).toEqual({
      unknown: 'no answer from 1.1.1.1 (ENETUNREACH)',
    });
  });
});

describe('who translates addresses', () => {
  const own = [{ via: 'eth0', address: '192.168.1.5', cidr: '192.168.1.5/24' }];
  const route = { gateway: '192.168.1.1', via: 'eth0' };
  const seen = { publicAddress: '203.0.113.7', own, route };

  test('nobody, where this host has the public address', () => {
    const direct = [{ via: 'eth0', address: '203.0.113.7', cidr: '203.0.113.7/24' }];
    expect(translationOf({ ...seen, own: direct }).kind).toBe('none');
  });

  test('the router, where its address is the public one', () => {
    expect(translationOf({ ...seen, routerAddress: '203.0.113.7' }).kind).toBe('router');
  });

  test.each(['100.72.3.4', '10.1.1.1', '198.51.100.9'])(
    'the provider, where the router has %s',
    (routerAddress) => {
      expect(translationOf({ ...seen, routerAddress })).toMatchObject({ kind: 'carrier' });
    },
  );

  test("the provider, where this host itself has an address of the carrier's range", () => {
    const carrier = [{ via: 'eth0', address: '100.72.3.4', cidr: '100.72.3.4/10' }];
    expect(translationOf({ ...seen, own: carrier }).kind).toBe('carrier');
  });

  test('it is not known without the page of the router, and the text says how to tell', () => {
    const { kind, text } = translationOf(seen);

    expect(kind).toBe('unknown');
    expect(text).toContain('203.0.113.7');
    expect(text).toContain('http://192.168.1.1');
    expect(text).toContain('100.64 to 100.127');
  });
});
