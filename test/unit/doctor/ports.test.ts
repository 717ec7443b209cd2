import { expect, test } from 'vitest';
import { holderOf, holderText } from '../../../src/doctor/ports.ts';

const signal = new AbortController().signal;
const listeners = [
  'tcp LISTEN 0 511 0.0.0.0:443 0.0.0.0:* users:(("nginx",pid=77,fd=4))',
  'udp UNCONN 0 0 *:3478 *:*',
  'tcp LISTEN 0 511 127.0.0.1:1411 0.0.0.0:* users:(("docker-proxy",pid=8,fd=4))',
].join('\n');
const published = [
  {
    container: 'skylab-home-pocket-id-1',
    project: 'skylab-home',
    service: 'pocket-id',
    address: '127.0.0.1',
    port: 1411,
    protocol: 'tcp',
  },
];
const view = { listeners: async () => listeners, published: async () => published };
const ask = async (port: number, protocol = 'tcp', address = '192.168.1.5') =>
  holderOf({ address, port, protocol }, view, signal);

test('a program that listens everywhere holds the port of every address', async () => {
  expect(await ask(443)).toEqual({ kind: 'program', name: 'nginx', pid: 77 });
});

test('a container is named rather than the proxy that the Engine runs for it', async () => {
  expect(await ask(1411, 'tcp', '127.0.0.1')).toMatchObject({ kind: 'container', service: 'pocket-id' });
});

test('what this user may not see is said to be unknown', async () => {
  const holder = await ask(3478, 'udp');

  expect(holder).toEqual({ kind: 'unknown' });
  expect(holderText(holder ?? { kind: 'unknown' })).toContain('sudo ss');
});

test('a port that nobody holds, there or by that protocol, is free', async () => {
  expect(await ask(8443)).toBeUndefined();
  expect(await ask(443, 'udp')).toBeUndefined();
  expect(await ask(1411)).toBeUndefined();
});
