import { parse } from 'yaml';
import * as z from 'zod';

const file = z.looseObject({
  services: z.record(
    z.string(),
    z.looseObject({
      mem_limit: z.union([z.string(), z.number()]).optional(),
      profiles: z.array(z.string()).default([]),
    }),
  ),
});

const units: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Compose's form of a size, such as `256m`, in bytes; 0 for anything else. */
const bytesOf = (size: string | number): number => {
  const [, amount = '0', unit = 'b'] = /^(\d+)([bkmg])?b?$/i.exec(String(size)) ?? [];
  return Number(amount) * (units[unit.toLowerCase()] ?? 0);
};

/** The sum of the memory limits in the text of a Compose file; services of profiles that are off do not count. */
export const memoryLimits = (text: string, profiles: readonly string[]): number =>
  Object.values(file.parse(parse(text)).services)
    .filter((one) => one.profiles.length === 0 || one.profiles.some((name) => profiles.includes(name)))
    .reduce((sum, one) => sum + bytesOf(one.mem_limit ?? 0), 0);
