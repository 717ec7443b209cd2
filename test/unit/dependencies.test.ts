import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

/*
 * NixOS has no loader at the path that is written into executables of other systems: those do not start there. So none
 * may be among the packages that build and run this program. Addons are loaded by Node itself and have no such path.
 */

const ptInterp = 3;

/** True for an ELF executable that names a loader: one of its program headers is PT_INTERP (elf(5)). */
const namesLoader = (read: (length: number, position: number) => Buffer): boolean => {
  const header = read(64, 0);
  if (header.length < 52 || header.readUInt32BE(0) !== 0x7f_45_4c_46) return false;
  const is64 = header[4] === 2;
  const isLittle = header[5] === 1;
  const short = (at: number) => (isLittle ? header.readUInt16LE(at) : header.readUInt16BE(at));
  const word = (from: Buffer, at: number) => (isLittle ? from.readUInt32LE(at) : from.readUInt32BE(at));
  const long = (at: number) => Number(isLittle ? header.readBigUInt64LE(at) : header.readBigUInt64BE(at));
  const start = is64 ? long(32) : word(header, 28);
  const size = short(is64 ? 54 : 42);
  const count = short(is64 ? 56 : 44);
  const table = read(size * count, start);
  return Array.from({ length: count }, (_, index) => word(table, index * size)).includes(ptInterp);
};

const isDynamicExecutable = (path: string): boolean => {
  const file = openSync(path, 'r');
  try {
    return namesLoader((length, position) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, position));
    });
  } finally {
    closeSync(file);
  }
};

const elf = (kinds: readonly number[], is64 = true): Buffer => {
  const [headerSize, entrySize] = is64 ? [64, 56] : [52, 32];
  const bytes = Buffer.alloc(headerSize + entrySize * kinds.length);
  bytes.writeUInt32BE(0x7f_45_4c_46, 0);
  bytes[4] = is64 ? 2 : 1;
  bytes[5] = 1;
  if (is64) bytes.writeBigUInt64LE(BigInt(headerSize), 32);
  else bytes.writeUInt32LE(headerSize, 28);
  bytes.writeUInt16LE(entrySize, is64 ? 54 : 42);
  bytes.writeUInt16LE(kinds.length, is64 ? 56 : 44);
  for (const [index, kind] of kinds.entries()) bytes.writeUInt32LE(kind, headerSize + index * entrySize);
  return bytes;
};
const reads = (bytes: Buffer) => (length: number, position: number) =>
  bytes.subarray(position, position + length);

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
}

/** Folders of the packages that `npm ci --omit=dev` would install and that are here: others are for other systems. */
const productionPackages = (): readonly string[] => {
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lock;
  return Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true && existsSync(path))
    .map(([path]) => path);
};

/** Source and data by their names; there are thousands of them. */
const isText = /\.([cm]?[jt]s|map|json|md)$/;

const filesOf = (folder: string): readonly string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesOf(path);
    return entry.isFile() && !isText.test(entry.name) ? [path] : [];
  });

describe('executables', () => {
  test.each([
    ['64 bit, with a loader', elf([6, 3, 1]), true],
    ['32 bit, with a loader', elf([6, 3, 1], false), true],
    ['64 bit, static', elf([1, 1, 4]), false],
    ['a script', Buffer.from(`#!/usr/bin/env node\n${'x'.repeat(80)}`), false],
    ['an empty file', Buffer.alloc(0), false],
  ])('%s', (_what, bytes, isDynamic) => {
    expect(namesLoader(reads(bytes))).toBe(isDynamic);
  });

  test('none that needs a loader is among the packages that build and run this program', () => {
    const packages = productionPackages();

    expect(packages).toContain('node_modules/esbuild');
    expect(packages.length).toBeGreaterThan(50);
    expect(packages.flatMap(filesOf).filter(isDynamicExecutable)).toEqual([]);
  });
});
