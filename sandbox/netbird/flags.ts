import { StartError } from './start-error.ts';

/** How one flag is read: `ignored` flags are accepted because the real program has them, and change nothing here. */
export interface FlagKind {
  readonly takes: 'value' | 'boolean';
  readonly refused?: string;
}

export type FlagTable = Readonly<Record<string, FlagKind>>;

export const value: FlagKind = { takes: 'value' };
export const boolean: FlagKind = { takes: 'boolean' };

/** A flag of the real program whose effect a stand-in cannot give; using it stops the start instead of being ignored. */
export const refused = (takes: FlagKind['takes'], why: string): FlagKind => ({ takes, refused: why });

/**
 * Flag values by name, read the way the real programs (spf13/pflag) read them: `--name value`, `--name=value`,
 * `--switch`, `--switch=false`. Booleans come back as 'true' or 'false'.
 * @throws {StartError} an unknown flag, a missing value, a positional argument, a flag that is `refused`.
 */
export function parseFlags(args: readonly string[], table: FlagTable): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  const rest = [...args];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (!word.startsWith('--')) throw new StartError(`Error: unexpected argument: ${word}`);
    const [name = '', ...inline] = word.slice(2).split('=');
    const kind = Object.hasOwn(table, name) ? table[name] : undefined;
    if (kind === undefined) throw new StartError(`Error: unknown flag: --${name}`);
    if (kind.refused !== undefined) {
      throw new StartError(`Error: --${name} is not possible here: ${kind.refused}`);
    }
    const given = inline.length > 0 ? inline.join('=') : kind.takes === 'boolean' ? 'true' : rest.shift();
    if (given === undefined) throw new StartError(`Error: flag needs an argument: --${name}`);
    if (kind.takes === 'boolean' && given !== 'true' && given !== 'false') {
      throw new StartError(`Error: invalid argument "${given}" for "--${name}" flag: wanted true or false`);
    }
    found[name] = given;
  }
  return found;
}

/**
 * A TCP port from a flag or variable.
 * @throws {StartError} when it is not a whole number from 0 (any free port) to 65535.
 */
export function portFrom(text: string, name: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) {
    throw new StartError(`Error: invalid argument "${text}" for ${name}: wanted a port from 0 to 65535`);
  }
  return port;
}

/**
 * Host and port of a listen address such as `:33080`, `127.0.0.1:9000` or `[::]:80`; no host means every address.
 * @throws {StartError} when there is no port in it.
 */
export function listenAddressFrom(text: string, name: string): { host: string | undefined; port: number } {
  const at = text.lastIndexOf(':');
  if (at === -1) throw new StartError(`Error: invalid argument "${text}" for ${name}: wanted host:port`);
  const host = text.slice(0, at).replace(/^\[|\]$/g, '');
  return { host: host === '' ? undefined : host, port: portFrom(text.slice(at + 1), name) };
}
