import { lstat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { ServiceFile } from '../orchestrator/area.ts';
import { ownSecrets, type Rotation } from '../settings/own-secrets.ts';
import { sourceText } from '../settings/secret-source.ts';
import type { SecretStore } from '../settings/secret-store.ts';
import type { Settings } from '../settings/settings.ts';
import { isMissingFile, isStackError } from '../shared/errors.ts';

/** One secret, without its value. */
export interface SecretRow {
  readonly name: string;
  readonly kind: 'ours' | "the operator's";
  readonly purpose: string;
  /** Path of its file; for a secret of the operator where the settings say it is. */
  readonly kept: string;
  /** When its file was last written; undefined where there is none. */
  readonly changed: Date | undefined;
  /** Services that read it, and `this program`. */
  readonly usedBy: readonly string[];
  readonly rotation: Rotation;
  /** Why it cannot be read. */
  readonly problem?: string;
}

const operatorToken = 'cloudflare-token';

/** Those that this program itself uses, at other systems. */
const usedHere = new Set([operatorToken, 'pocket-id-static-api-key', 'netbird-service-token']);

const changedAt = async (path: string): Promise<Date | undefined> => {
  try {
    return (await lstat(path)).mtime;
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw error;
  }
};

/** What other systems made, or share with an application: the store keeps it, and cannot make a new one. */
const madeElsewhere = (name: string): { readonly purpose: string; readonly rotation: Rotation } => {
  const client = /^pocket-id-client-secret-(.+)$/.exec(name)?.[1];
  if (client !== undefined)
    return {
      purpose: `Pocket ID: secret of the client ${client}`,
      rotation: { never: `${client} holds the same value and could not sign anybody in any more` },
    };
  if (name === 'netbird-service-token')
    return {
      purpose: 'NetBird: the token this program uses',
      rotation: {
        never: 'NetBird made it; npm run up gets a new one before it ends, or once it is revoked there',
      },
    };
  return { purpose: 'kept by another verb', rotation: { never: 'this stack did not make it' } };
};

interface Given {
  readonly settings: Settings;
  readonly secrets: SecretStore;
  /** Every file that a service reads. */
  readonly files: readonly ServiceFile[];
}

const operatorRow = async ({ settings, secrets }: Given): Promise<Omit<SecretRow, 'usedBy'>> => {
  const { token } = settings.cloudflare;
  const path = 'sops' in token ? token.sops : 'file' in token ? token.file : undefined;
  const absolute = path === undefined || isAbsolute(path) ? path : join(settings.folder, path);
  let problem: string | undefined;
  try {
    await secrets.read(operatorToken);
  } catch (error) {
    if (!isStackError(error)) throw error;
    problem = `${error.message}; fix: ${error.hint}`;
  }
  return {
    name: operatorToken,
    kind: "the operator's",
    purpose: 'Cloudflare: edits the records of the zone',
    kept: sourceText(token),
    changed: absolute === undefined ? undefined : await changedAt(absolute),
    rotation: { never: 'make a new one at Cloudflare and put it where the settings say' },
    ...(problem === undefined ? {} : { problem }),
  };
};

/** Every secret of this host, those of the operator first. Reads no value but to see whether it can be read. */
export const inventory = async (given: Given): Promise<readonly SecretRow[]> => {
  const { settings, secrets, files } = given;
  const own = ownSecrets(settings);
  const others = (await secrets.names())
    .filter((name) => !name.startsWith('id-') && own.every((one) => one.name !== name))
    .map((name) => ({ name, ...madeElsewhere(name) }));
  const rows = await Promise.all(
    [...own, ...others].map(async ({ name, purpose, rotation }) => {
      const kept = join(settings.paths.secrets, name);
      return { name, kind: 'ours', purpose, kept, changed: await changedAt(kept), rotation } as const;
    }),
  );
  const usersOf = (name: string): readonly string[] => [
    ...new Set([
      ...files
        .filter((file) =>
          file.content.some((part) => typeof part === 'object' && 'secret' in part && part.secret === name),
        )
        .map((file) => file.service),
      ...(name.startsWith('postgres-') ? ['postgres'] : []),
      ...(usedHere.has(name) ? ['this program'] : []),
    ]),
  ];
  return [await operatorRow(given), ...rows].map((row) => ({ ...row, usedBy: usersOf(row.name) }));
};
