import { join } from 'node:path';
import { rootCopies } from '../acme/render.ts';
import type { Context } from '../context.ts';
import { createAreas } from '../orchestrator/areas.ts';
import { takeRunLock } from '../orchestrator/lock.ts';
import { inventory, type SecretRow } from '../secrets/inventory.ts';
import { chooseOwner } from '../secrets/owner.ts';
import { agreementOf, writeIdentityFile, type Agreement } from '../secrets/pocketid.ts';
import { rotatable, writeNewValue } from '../secrets/rotate.ts';
import { fingerprintOf, trustText, type LocalRoot } from '../secrets/trust.ts';
import { nowMs } from '../shared/clock.ts';
import { StackError } from '../shared/errors.ts';
import { readText } from '../shared/files.ts';
import { createPrompts } from '../shared/prompts.ts';
import { bringUp } from './up.ts';
import { rememberProof } from './verify.ts';

const dayMs = 86_400_000;

const ageText = (changed: Date | undefined): string => {
  if (changed === undefined) return 'not there yet';
  const days = Math.floor((nowMs() - changed.getTime()) / dayMs);
  return days === 0 ? 'from today' : days === 1 ? 'one day old' : `${days} days old`;
};

const rowText = (row: SecretRow): readonly string[] => [
  `${row.name}  (${row.kind})`,
  `    ${row.purpose}`,
  `    kept      ${row.kept}${row.changed === undefined && row.kind !== 'ours' ? '' : `, ${ageText(row.changed)}`}`,
  `    used by   ${row.usedBy.length === 0 ? 'nothing of this stack' : row.usedBy.join(', ')}`,
  `    rotate    ${'after' in row.rotation ? `yes: ${row.rotation.after}` : `no: ${row.rotation.never}`}`,
  ...(row.problem === undefined ? [] : [`    problem   ${row.problem}`]),
];

/** `secrets list`: what there is, how old it is and who uses it; no value. */
export const secretsList = async (context: Context): Promise<number> => {
  const { settings, secrets, print } = context;
  const { files } = createAreas(context, { adopt: false });
  const rows = await inventory({ settings, secrets, files });
  if (context.flags.json === true) {
    print(JSON.stringify({ host: settings.host, secrets: rows }, undefined, 2));
    return 0;
  }
  context.tell(context.hostLine);
  for (const row of rows) for (const line of rowText(row)) print(line);
  return 0;
};

interface RotateFlags {
  readonly operands?: readonly string[];
  /** True: `up` is left to the person. */
  readonly onlyWrite?: boolean;
}

/** `secrets rotate NAME`: a new value, brought into effect at once, and the login proven after it. */
export const secretsRotate = async (context: Context, flags: RotateFlags): Promise<number> => {
  const { settings, tell } = context;
  if (context.flags.json !== true) tell(context.hostLine);
  const secret = await rotatable(context, flags.operands?.[0] ?? '');
  const lock = await takeRunLock(settings.paths.runLock, 'secrets rotate');
  try {
    await writeNewValue(context, secret, async () => rememberProof(context, 'begun'));
    tell(`${secret.name} has a new value: ${secret.rotation.after}`);
    if (flags.onlyWrite === true) {
      tell('what runs still has the old one; npm run up brings the new one into effect');
      return 0;
    }
    const code = await bringUp(context, {});
    if ((await agreementOf(settings.paths.identityEnv, context.secrets)) === 'differs')
      tell(
        `${settings.paths.identityEnv} still has the old value, for a Pocket ID of its own: npm run -s secrets -- pocketid --replace`,
      );
    return code;
  } finally {
    context.close();
    await lock.release();
  }
};

interface IdentityFlags {
  readonly path?: string;
  readonly owner?: string;
  readonly keyFile?: string;
  readonly passwordFile?: string;
  readonly databaseHost?: string;
  readonly replace?: boolean;
}

const agreementText: Readonly<Record<Agreement, readonly [string, number]>> = {
  unused: ['this stack has no such secrets yet; npm run up takes key and password from it', 0],
  agrees: ['its key and password are those of this stack', 0],
  differs: [
    'its key or password is not that of this stack: a Pocket ID that runs with it and the container of this stack cannot use the same database. --replace writes those of the stack, and keeps the file as .previous; data that was sealed with another key can then be read with that one only',
    2,
  ],
};

/** `secrets pocketid`: the file for a Pocket ID that runs without this stack. */
export const secretsPocketId = async (context: Context, flags: IdentityFlags): Promise<number> => {
  const { settings, secrets, terminal, tell, print, env, user } = context;
  const path = flags.path ?? settings.paths.identityEnv;
  tell(context.hostLine);
  const lock = await takeRunLock(settings.paths.runLock, 'secrets pocketid');
  try {
    const agreement = flags.replace === true ? undefined : await agreementOf(path, secrets);
    if (agreement !== undefined) {
      const [text, code] = agreementText[agreement];
      print(`${path} is there already, and stays as it is`);
      print(text);
      return code;
    }
    const passwd = (await readText('/etc/passwd')) ?? '';
    const owner = chooseOwner({ passwd, wanted: flags.owner, user, env });
    if (owner === undefined)
      throw new StackError('USAGE', `there is no user "${flags.owner}" on this machine`, {
        hint: 'name one of /etc/passwd, or leave --owner out',
      });
    const written = await writeIdentityFile(
      context,
      {
        path,
        keyFile: flags.keyFile,
        passwordFile: flags.passwordFile,
        databaseHost: flags.databaseHost ?? '127.0.0.1:5432',
        replace: flags.replace === true,
        prompts: terminal.asks
          ? createPrompts({ input: terminal.stdin, output: terminal.stderr, signal: terminal.signal })
          : undefined,
      },
      owner,
    );
    print(`wrote ${path}, mode 600`);
    print(`owner       ${owner.name}: ${owner.because}`);
    print(`key         ${written.keyFrom}`);
    print(
      `password    ${written.passwordFrom}; role and database pocketid at ${flags.databaseHost ?? '127.0.0.1:5432'}`,
    );
    if (written.kept !== undefined) print(`before      ${written.kept}`);
    print(`systemd     EnvironmentFile=${path}`);
    print(`NixOS       services.pocket-id.environmentFile = "${path}";`);
    print(
      path === settings.paths.identityEnv
        ? 'this stack  uses the same key and password'
        : `this stack  looks for ${settings.paths.identityEnv} only, and does not know this one`,
    );
    return 0;
  } finally {
    context.close();
    await lock.release();
  }
};

/** The authorities this host has for itself, and their certificates as far as they are known. */
const rootsOf = async ({ settings }: Context) => {
  const names = Object.keys(settings.private_names);
  const { trust, localCaRoot } = { ...settings.certificates, ...settings.paths };
  const own = join(settings.paths.certificates, rootCopies.trust);
  const authorities = [
    ...(trust === 'system' ? [] : [{ signs: 'every certificate of this stack', file: own }]),
    ...(names.length === 0
      ? []
      : [
          {
            signs: `the certificate of ${names.join(', ')}, and can sign for no other domain`,
            file: localCaRoot,
          },
        ]),
  ];
  const read = await Promise.all(authorities.map(async (one) => ({ ...one, pem: await readText(one.file) })));
  const known: readonly LocalRoot[] = read.flatMap((one) =>
    one.pem === undefined ? [] : [{ ...one, pem: one.pem }],
  );
  return { hasAny: authorities.length > 0, known };
};

/** `secrets ca`: how to trust the certificate authority that this host has for itself. */
export const secretsCa = async (context: Context, flags: { readonly pem?: boolean }): Promise<number> => {
  const { settings, print } = context;
  const { hasAny, known: roots } = await rootsOf(context);
  if (roots.length === 0 && (hasAny || flags.pem === true))
    throw hasAny
      ? new StackError('LOCAL_CA_MISSING', 'the certificate authority of this host is not known yet', {
          hint: 'npm run up gets its certificate',
        })
      : new StackError('LOCAL_CA_MISSING', 'this host has no certificate authority of its own', {
          hint: 'devices trust its certificates already; there is nothing to install',
        });
  if (flags.pem === true) {
    print(roots.map((one) => one.pem.trim()).join('\n'));
  } else if (context.flags.json === true) {
    print(
      JSON.stringify(
        roots.map((one) => ({ ...one, sha256: fingerprintOf(one.pem) })),
        undefined,
        2,
      ),
    );
  } else if (roots.length === 0) {
    print('every device trusts the certificates of this host already; there is nothing to install');
  } else {
    for (const line of trustText(roots, settings.host)) print(line);
  }
  return 0;
};
