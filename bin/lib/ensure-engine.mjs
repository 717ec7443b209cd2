import { homedir } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { install } from './apt.mjs';
import { startEngine } from './daemon.mjs';
import { decide } from './decide.mjs';
import { askEngine, checkVersions, ownSocket } from './engine.mjs';
import { hasProgram, installedPackages, machineFacts } from './machine.mjs';
import { say, Stop } from './say.mjs';

/** Asks at the terminal; its end counts as no. @throws {Stop} DECLINED */
const confirm = async (question) => {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const closed = new Promise((resolve) => {
    terminal.once('close', () => resolve('\n'));
  });
  const answer = await Promise.race([terminal.question(`${question} [y/N] `), closed]);
  terminal.close();
  if (answer === '\n') say('');
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new Stop(
      'DECLINED',
      'nothing was changed',
      'see to the Docker Engine yourself, then run it again',
      6,
    );
};

/** Programs that build images here where no registry gives them; on the sandbox only. */
const buildTools = (facts, env) => (facts.isSandbox && !hasProgram('mmdebstrap', env) ? ['mmdebstrap'] : []);

const installEngine = async ({ packages, ask }, facts, env) => {
  const { names, release } = packages;
  // What is here already stays as it is.
  const here = new Set(installedPackages(names));
  const wanted = [
    ...names
      .filter((name) => !here.has(name))
      .map((name) => (release === undefined ? name : `${name}/${release}`)),
    ...buildTools(facts, env),
  ];
  const from = release === undefined ? '' : ` (from Debian ${release}; this release's own are too old)`;
  say(
    `There is no Docker Engine on this machine. Debian's packages can be installed${from}:\n  ${wanted.join(' ')}`,
  );
  if (ask) await confirm('Install them and start the Engine?');
  install(wanted, release === undefined ? undefined : { release, codename: facts.os.codename });
};

/**
 * Makes sure that an Engine answers, that it is new enough and has Compose. What is done is said line by line.
 * @throws {Stop} ENGINE_*, COMPOSE_*, DECLINED
 */
export const ensureEngine = async (root, args, env) => {
  const socketPath = ownSocket(env, homedir());
  // Somebody chose an Engine elsewhere: the program itself says whether it can be used.
  if (socketPath === undefined) return;
  const engine = await askEngine(socketPath);
  if (engine.version !== undefined) return;
  const facts = machineFacts(root, args, env, engine);
  const decision = decide(facts);
  if (decision.do === 'install') await installEngine(decision, facts, env);
  if (decision.do === 'start') {
    say('The Docker Engine is installed and does not run.');
    if (decision.ask) await confirm('Start it?');
  }
  checkVersions(await startEngine(socketPath, facts.init, env));
};
