import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';
import { runProgram } from '../support/host.ts';
import { freePort, freePorts, isFree } from '../support/ports.ts';

describe('ports for tests', () => {
  test('are never the same twice, and lie below those of outgoing connections', async () => {
    const ports = await Promise.all(Array.from({ length: 150 }, freePort));

    expect(new Set(ports).size).toBe(150);
    expect(Math.max(...ports)).toBeLessThan(32_768);
    expect(Math.min(...ports)).toBeGreaterThan(20_000);
  });

  test('are others in another process', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'skylab-ports-'));
    const program = join(folder, 'ports.mjs');
    await build({
      entryPoints: ['test/support/ports.ts'],
      outfile: program,
      format: 'esm',
      platform: 'node',
    });
    const code = `
      const { freePort } = await import(${JSON.stringify(program)});
      for (let n = 0; n < 80; n += 1) console.log(await freePort());
    `;
    const { stdout } = await runProgram(process.execPath, ['--input-type=module', '-e', code]);
    await rm(folder, { recursive: true, force: true });
    const theirs = stdout.trim().split('\n').map(Number);
    const ours = await Promise.all(Array.from({ length: 80 }, freePort));

    expect(new Set(theirs).size).toBe(80);
    expect(theirs.filter((port) => ours.includes(port))).toEqual([]);
  });

  test('come in a row where several are wanted', async () => {
    const first = await freePorts(5);
    const next = await freePort();

    expect(next < first || next > first + 4).toBe(true);
  });

  test.each([
    ['tcp', '127.0.0.1'],
    ['tcp', '127.0.0.2'],
    ['udp', '127.0.0.1'],
    ['udp', '127.0.0.2'],
  ])('are none that somebody has over %s at %s', async (protocol, address) => {
    const port = await freePort();
    expect(await isFree(port)).toBe(true);
    const holder =
      protocol === 'tcp' ? createServer().listen(port, address) : createSocket('udp4').bind(port, address);
    await once(holder, 'listening');

    expect(await isFree(port)).toBe(false);
    holder.close();
    await once(holder, 'close');
    expect(await isFree(port)).toBe(true);
  });
});
