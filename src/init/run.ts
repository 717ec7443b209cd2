import { join } from 'node:path';
import { createDocker } from '../containers/area.ts';
import type { PublishedPort } from '../containers/docker/answers.ts';
import { lanAddresses } from '../doctor/addresses.ts';
import type { Check } from '../orchestrator/report/check.ts';
import { checksText, type Style } from '../orchestrator/report/text.ts';
import { editSettings, settingIn } from '../settings/edit.ts';
import type { ChosenHost } from '../settings/host.ts';
import { parseSettings } from '../settings/load.ts';
import type { SecretSource } from '../settings/schema.ts';
import { isStackError, StackError } from '../shared/errors.ts';
import { exists, makeDirectories, readText, writeAtomic } from '../shared/files.ts';
import { createHttp, loopbackOf } from '../shared/http.ts';
import type { Prompts } from '../shared/prompts.ts';
import type { Redactor } from '../shared/redact.ts';
import { answersIn, changesOf, paths, type Answers } from './answers.ts';
import { differenceText } from './difference.ts';
import { answersOnLine, settingsOnLine, type InitFlags } from './flags.ts';
import { answersWithoutPerson, askPerson } from './interview.ts';
import { createLooks, lookAll } from './looks.ts';
import { emptySettings } from './template.ts';
import { ageKeyPath, canMake, fileIn, howToPlace, makeTokenFile, type TokenFile } from './token.ts';

/*
 * The first set-up: asks, looks, shows what would change, writes. The settings file is written once, whole, at the end
 * of all questions; before that nothing is, so that it can be broken off at any point.
 */

export interface Given {
  readonly chosen: ChosenHost;
  readonly flags: InitFlags;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly signal: AbortSignal;
  readonly redactor: Redactor;
  readonly style: Style;
  /** Undefined where nobody can be asked. */
  readonly prompts: Prompts | undefined;
  readonly tell: (text: string) => void;
  /** Shows text of a file, letter by letter as it stands there. */
  readonly quote: (text: string) => void;
}

export interface Done {
  readonly file: string;
  /** False: nothing had to be changed, or a check failed and nothing was written. */
  readonly written: boolean;
  readonly checks: readonly Check[];
  /** True: a check failed, nobody could be asked, and so nothing was written. */
  readonly refused: boolean;
  /** What a person does before `up`, with every command; undefined where nothing is left. */
  readonly left: string | undefined;
}

const asText = (value: unknown, fallback: string): string => (typeof value === 'string' ? value : fallback);

/** What containers hold, where there is an Engine to ask; nothing where there is none. */
const containersAt = ({ env, home }: Given, project: string) => {
  const { engine } = createDocker(env, home);
  const orNothing = async <T>(look: () => Promise<readonly T[]>, signal: AbortSignal) => {
    try {
      return await look();
    } catch (error) {
      signal.throwIfAborted();
      if (isStackError(error)) return [];
      throw error;
    }
  };
  return {
    published: async (signal: AbortSignal): Promise<readonly PublishedPort[]> =>
      orNothing(async () => engine.publishedPorts(signal), signal),
    turnRuns: async (signal: AbortSignal) =>
      (await orNothing(async () => engine.containers(project, signal), signal)).some(
        (one) => one.service === 'coturn' && one.state === 'running',
      ),
  };
};

const sourceIn = (answers: Answers, sops: object): SecretSource | undefined =>
  changesOf(answers, sops).find((one) => one.path === paths.token)?.value as SecretSource | undefined;

const looksFor = (given: Given, base: string, sops: object) => {
  const http = createHttp({ addressOf: loopbackOf });
  const resolvers = settingIn(base, ['dns', 'resolvers']);
  const project = `skylab-${given.chosen.name.toLowerCase()}`;
  const looks = createLooks({
    folder: given.chosen.folder,
    project,
    env: given.env,
    http,
    api: asText(settingIn(base, ['cloudflare', 'api']), 'https://api.cloudflare.com/client/v4'),
    resolvers: Array.isArray(resolvers) ? resolvers.map(String) : [],
    stunPort: Number(settingIn(base, ['reachability', 'stun_port']) ?? 3478),
    sourceOf: (answers) => sourceIn(answers, sops),
    learn: (secret) => {
      given.redactor.add(secret);
    },
    ...containersAt(given, project),
  });
  return { looks, close: http.close };
};

/** @throws {StackError} DECLINED, USAGE where nobody can be asked */
const agree = async (
  { flags, prompts, quote, style }: Given,
  file: string,
  before: string,
  after: string,
) => {
  quote(differenceText(file, before, after, style));
  if (flags['yes'] === true) return;
  const left = 'nothing was written';
  if (prompts === undefined) {
    throw new StackError('USAGE', `${file} is there already and would change as shown; ${left}`, {
      hint: 'if that is meant: the same command with --yes',
    });
  }
  if (await prompts.yes(`Change ${file} like this?`)) return;
  throw new StackError('DECLINED', `${file} stays as it is; ${left}`, {
    hint: 'run it again to answer differently',
  });
};

/** Makes the encrypted file of the token, if a person wants that and it can be done here and now. */
const offerTokenFile = async (given: Given, place: TokenFile): Promise<boolean> => {
  const { prompts, env, tell } = given;
  if (await exists(place.file)) return false;
  if (prompts === undefined || !(await canMake(env))) return false;
  const what = await prompts.choice({
    message: `The token comes into ${place.file}, which is not there yet.`,
    choices: [
      {
        value: 'now',
        text: 'make it now: you paste the token once, it is not shown, and only the encrypted file is written',
      },
      { value: 'later', text: 'show me how, I do it later' },
    ],
  });
  if (what === 'later') return false;
  const token = await prompts.secret({
    message: "Cloudflare's API token:",
    check: (answer) => (/^[!-~]+$/.test(answer) ? undefined : 'one line without spaces is needed'),
  });
  given.redactor.add(token.replace(/^[A-Z_]+=/, ''));
  await makeTokenFile(place, token);
  tell(`made ${place.file}; the key that opens it is ${place.ageKey}: keep a copy of it elsewhere`);
  return true;
};

/** What came before the file was written left nothing behind, and a person who breaks it off is told so. */
const beforeWriting = async <T>(signal: AbortSignal, act: () => Promise<T>): Promise<T> => {
  try {
    return await act();
  } catch (error) {
    if (!signal.aborted && !(isStackError(error) && error.code === 'INTERRUPTED')) throw error;
    throw new StackError('INTERRUPTED', 'interrupted; nothing was written', {
      hint: 'run it again when you like',
      cause: error,
    });
  }
};

/**
 * Asks for what is missing, looks whether it can work, and writes the settings of the host.
 * @throws {StackError} USAGE, DECLINED, INTERRUPTED, SETTINGS_INVALID, SECRET_UNREADABLE, DISK_*
 */
export const setUp = async (given: Given): Promise<Done> => {
  const { chosen, flags, prompts, signal, tell, style } = given;
  const file = join(chosen.folder, 'settings.yaml');
  const before = await readText(file);
  const wishes = Array.isArray(flags['set']) ? flags['set'].map(String) : [];
  const base = editSettings(before ?? emptySettings, settingsOnLine(wishes));
  const { answers: known, sops } = answersIn(base);
  const interview = {
    flags: answersOnLine(flags),
    known,
    machine: {
      addresses: lanAddresses()
        .map((one) => one.address)
        .filter((one) => !one.includes(':')),
    },
  };
  const { looks: all, close } = looksFor(given, base, sops);
  const looks = flags['checks'] === false ? [] : all;
  const show = (checks: readonly Check[]) => {
    if (checks.length > 0) tell(checksText(checks, style));
  };
  try {
    const { answers, checks } = await beforeWriting(signal, async () => {
      if (prompts !== undefined) return askPerson(interview, prompts, looks, show, signal);
      const said = answersWithoutPerson(interview);
      const seen = await lookAll(looks, said, signal);
      show(seen);
      return { answers: said, checks: seen };
    });
    const isRefused = prompts === undefined && checks.some((one) => one.status === 'failed');
    if (isRefused && flags['accept'] !== true)
      return { file, written: false, checks, refused: true, left: undefined };
    const after = editSettings(base, changesOf(answers, sops));
    parseSettings(after, file);
    const changes = after !== before;
    if (changes && before !== undefined)
      await beforeWriting(signal, async () => agree(given, file, before, after));
    if (changes) {
      await makeDirectories(chosen.folder);
      await writeAtomic(file, after, 0o644);
    }
    tell(changes ? `wrote ${file}` : `${file} says all of this already`);
    const source = sourceIn(answers, sops);
    const place = { folder: chosen.folder, ageKey: ageKeyPath(given.env, given.home), env: given.env };
    if (source !== undefined && 'sops' in source) {
      const tokenFile = { file: fileIn(place.folder, source.sops), ageKey: place.ageKey, signal };
      if (await offerTokenFile(given, tokenFile)) {
        const again = await lookAll(
          looks.filter((one) => one.after === 'token'),
          answers,
          signal,
        );
        show(again);
      }
    }
    const left = source === undefined ? undefined : await howToPlace(source, place);
    return { file, written: changes, checks, refused: false, left };
  } finally {
    close();
  }
};
