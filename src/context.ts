import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { createEffects, parseKillPoint, type Effects } from './orchestrator/effects.ts';
import { commandsFor } from './orchestrator/report/commands.ts';
import type { Emit } from './orchestrator/report/event.ts';
import { jsonReporter } from './orchestrator/report/json.ts';
import { liveReporter } from './orchestrator/report/live.ts';
import { plainReporter } from './orchestrator/report/plain.ts';
import type { Style } from './orchestrator/report/text.ts';
import { chooseHost, hostFolders } from './settings/host.ts';
import { loadSettings } from './settings/load.ts';
import { createSecretStore, type SecretStore } from './settings/secret-store.ts';
import { readSecretSource } from './settings/secret-source.ts';
import { dialAddress, type Settings } from './settings/settings.ts';
import type { Owner } from './shared/files.ts';
import { loopbackOf } from './shared/http.ts';
import { createRedactor, type Redactor } from './shared/redact.ts';

/** Flags that every verb has. */
export interface CommonFlags {
  readonly host?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
  /** True for verbs whose `--json` is one event a line; the others print one document. */
  readonly eventLines?: boolean;
}

/** The process as the verbs see it; made once in cli.ts. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The root of this program's files. */
  readonly installation: string;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** True where a person can be asked: at both ends there is a terminal. */
  readonly asks: boolean;
  readonly style: Style;
  /** True where a live list can be drawn. */
  readonly live: boolean;
  readonly signal: AbortSignal;
}

/** Everything a verb works with for one host. */
export interface Context {
  readonly terminal: Terminal;
  readonly flags: CommonFlags;
  readonly settings: Settings;
  /** Such as `host sandbox (this machine ("x") has no folder of its own)`. */
  readonly hostLine: string;
  readonly redactor: Redactor;
  readonly secrets: SecretStore;
  /** The published address for the stack's own names; undefined asks the system. */
  readonly addressOf: (hostname: string) => string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly user: Owner;
  readonly effects: Effects;
  readonly emit: Emit;
  /** Writes a line of data to stdout, secrets taken out; commands of ours name the host that `--host` named. */
  readonly print: (text: string) => void;
  /** The same for progress, to stderr. */
  readonly tell: (text: string) => void;
  readonly close: () => void;
}

/** The stack's names are where its ports are published. */
const dialing =
  (settings: Settings) =>
  (name: string): string | undefined => {
    const { mesh, identity, turn } = settings.addresses;
    if (name === mesh || name === identity || name === turn || name in settings.private_names)
      return dialAddress(settings);
    return loopbackOf(name);
  };

/** Builds the context of one verb. @throws {StackError} SETTINGS_MISSING, SETTINGS_INVALID */
export const createContext = async (terminal: Terminal, flags: CommonFlags): Promise<Context> => {
  const { env, installation, signal } = terminal;
  const hostsFolder = env['SKYLAB_HOSTS'] ?? join(installation, 'compose', 'hosts');
  const wanted = {
    machine: hostname(),
    ...(flags.host === undefined ? {} : { flag: flags.host }),
    ...(env['STACK_HOST'] === undefined ? {} : { env: env['STACK_HOST'] }),
  };
  const chosen = chooseHost(wanted, await hostFolders(hostsFolder), hostsFolder);
  const settings = await loadSettings(chosen, installation, env);
  const redactor = createRedactor();
  const secrets = createSecretStore(settings.paths.secrets, redactor, {
    'cloudflare-token': async () =>
      readSecretSource(settings.cloudflare.token, { folder: settings.folder, env, signal }),
  });
  const said = (text: string) => `${commandsFor(redactor.clean(text), flags.host)}\n`;
  const tell = (text: string) => void terminal.stderr.write(said(text));
  const print = (text: string) => void terminal.stdout.write(said(text));
  const { emit, end } = reporter(terminal, flags, print, tell);
  const killPoint = parseKillPoint(env['SKYLAB_KILL_AT']);
  const effects = createEffects({
    redactor,
    onEffect: (kind, what, number) => {
      emit({ type: 'effect', kind, what, number });
    },
    ...(killPoint === undefined ? {} : { killPoint, kill: () => process.kill(process.pid, 'SIGKILL') }),
  });
  const hostLine = `host ${chosen.name} (${chosen.because})`;
  const addressOf = dialing(settings);
  const user = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const facts = { settings, redactor, secrets, addressOf, env, home: homedir(), user };
  return { terminal, flags, hostLine, ...facts, effects, emit, print, tell, close: end };
};

const reporter = (
  terminal: Terminal,
  flags: CommonFlags,
  print: (text: string) => void,
  tell: (text: string) => void,
): { emit: Emit; end: () => void } => {
  const { style, live, stderr } = terminal;
  const verbose = flags.verbose === true;
  if (flags.json === true && flags.eventLines === true)
    return { emit: jsonReporter(print), end: () => undefined };
  if (live && flags.json !== true) return liveReporter({ stream: stderr, style, verbose });
  return { emit: plainReporter({ write: tell, style, verbose }), end: () => undefined };
};
