import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureEngine } from './ensure-engine.mjs';
import { ensureBuild, ensurePackages } from './packages.mjs';
import { explain, Stop } from './say.mjs';
import { selfTestNeedsEngine } from './tiers.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Flags of ours that npm takes for its own when `--` is forgotten: it leaves them in the environment. */
const ownFlags = [
  'host',
  'json',
  'adopt',
  'new-issuer',
  'replace-trusted',
  'service',
  'lines',
  'now',
  'watch',
  'work',
];
/** The answers that init takes as flags. */
const answerFlags = [
  'domain',
  'admin-username',
  'admin-first-name',
  'admin-email',
  'reach',
  'port',
  'bind',
  'front-door',
  'token',
  'token-file',
  'token-env',
  'set',
];
/** Those of secrets that take a value. */
const secretFlags = ['path', 'owner', 'key-file', 'password-file', 'database-host'];
const dataFlags = ['volumes', 'databases'];
const takeoverFlags = ['dump', 'key-file', 'uploads', 'issuer'];
const withValue = new Set([
  'host',
  'service',
  'lines',
  ...answerFlags,
  ...secretFlags,
  ...dataFlags,
  ...takeoverFlags,
]);
/** Scripts with flags of their own. */
const furtherFlags = new Map([
  ['init', [...answerFlags, 'yes', 'accept', 'no-checks']],
  ['down', [...dataFlags, 'yes']],
  ['adopt', takeoverFlags],
  ['secrets', [...secretFlags, 'replace', 'pem', 'only-write']],
]);
const flagsOf = (script) => [...ownFlags, ...(furtherFlags.get(script) ?? [])];
/** Scripts whose first word says what of them is meant. */
const withVerbs = new Set(['secrets', 'adopt']);

/**
 * npm 11 takes `--host attic` for a switch and passes `attic` on; older ones take both. @throws {Stop} USAGE
 */
export const refuseSwallowedFlags = (env, args) => {
  const script = env.npm_lifecycle_event;
  if (script === undefined) return;
  const passedOn = [...args];
  const below = withVerbs.has(script) ? passedOn.splice(0, 1) : [];
  const swallowed = flagsOf(script).flatMap((flag) => {
    if (flag.startsWith('no-'))
      return ['', 'false'].includes(env[`npm_config_${flag.slice(3)}`]) ? [`--${flag}`] : [];
    const value = env[`npm_config_${flag.replaceAll('-', '_')}`];
    if (value === undefined || value === '' || value === 'false') return [];
    if (!withValue.has(flag)) return [`--${flag}`];
    const word = value === 'true' ? passedOn.shift() : value;
    return [word === undefined ? `--${flag}` : `--${flag} ${word}`];
  });
  if (swallowed.length === 0) return;
  const meant = [...below, ...swallowed, ...passedOn].join(' ');
  throw new Stop(
    'USAGE',
    `npm took ${swallowed.join(' ')} for itself`,
    `write -- before it: npm run -s ${script} -- ${meant}`,
    64,
  );
};

/** True for what starts containers, so that a missing Engine is its business and not an answer. */
const needsEngine = ([verb, ...rest]) => {
  if (rest.includes('--help') || rest.includes('-h')) return false;
  return verb === 'up' || (verb === 'self-test' && selfTestNeedsEngine(rest));
};

export const main = async (args) => {
  const [verb = ''] = args;
  try {
    refuseSwallowedFlags(process.env, args.slice(1));
    await ensurePackages(root);
    if (needsEngine(args)) await ensureEngine(root, args, process.env);
    await ensureBuild(root);
    if (verb === 'self-test') {
      const { selfTest } = await import('./self-test.mjs');
      process.exitCode = await selfTest(root, args.slice(1));
      return;
    }
  } catch (error) {
    process.exitCode = explain(error, args.includes('--json'));
    return;
  }
  process.argv.splice(1, 1, join(root, 'dist', 'cli.js'));
  await import(join(root, 'dist', 'cli.js'));
};
