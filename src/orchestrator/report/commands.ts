/** Verbs that take `--host`; those below `secrets` take it after their own word. */
const verbs = [
  'secrets -- [a-z]+',
  'secrets(?! -- [a-z])',
  'init',
  'up',
  'plan',
  'status',
  'verify(?:-tls|-oidc)?',
  'doctor',
  'renew',
  'logs',
  'down',
  'adopt',
].join('|');

/** A command of ours up to where its flags begin; not one that names a host already, or asks for help. */
const command = new RegExp(
  `\\bnpm run (?:-s )?(${verbs})(?![\\w-])(?!(?: --)? --(?:host|help)\\b)(?: --(?= ))?`,
  'g',
);

/** What a shell takes as one plain word. */
const plainWord = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/**
 * A text in which every command of ours names the host that this run is for, as a person types it:
 * `npm run up` becomes `npm run -s up -- --host attic`. `host` is what `--host` said; where it said nothing, the commands
 * stand as they are: what chose the host then (STACK_HOST, this machine's name) chooses it again.
 */
export const commandsFor = (text: string, host: string | undefined): string => {
  if (host === undefined || !plainWord.test(host)) return text;
  return text.replaceAll(
    command,
    (_, words: string) => `npm run -s ${words}${words.includes(' -- ') ? '' : ' --'} --host ${host}`,
  );
};
