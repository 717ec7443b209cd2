import { monotonicMs } from '../../src/shared/clock.ts';
import { benchAcme } from './acme.ts';
import { runProgram } from '../support/host.ts';
import { line, median, ratio, timed, type Durations } from './measure.ts';
import { runRow, type Row } from './row.ts';
import { converge, createWorld, isConverged, type World } from './world.ts';

/*
 * Side by side in one run, in turns, so that a busy moment of the machine meets both. Nothing is asserted: the figures are
 * for people, with what each side does and does not do.
 */

const say = (...lines: readonly string[]) => process.stdout.write(`${lines.join('\n')}\n`);

const runs = { converged: 9, cold: 3, verbs: 7 } as const;

/** What a run of `up` took; undefined where it found something to do, which is not what is measured. */
const convergedUp = async ({ host }: World): Promise<number | undefined> => {
  const { ms, value } = await timed(async () => host.run(['up']));
  return value.code === 0 && isConverged(value.stdout) ? ms : undefined;
};

const benchConverged = async (world: World): Promise<void> => {
  await converge(world.host);
  const before = await world.containers();
  const ups: number[] = [];
  const composes: number[] = [];
  let dropped = 0;
  for (let run = 0; run < runs.converged; run += 1) {
    const up = await convergedUp(world);
    if (up === undefined) {
      dropped += 1;
      await converge(world.host);
    } else ups.push(up);
    composes.push((await timed(async () => world.compose([], ['up', '-d', '--wait']))).ms);
  }
  say(
    'Everything is as wanted already',
    line('node dist/cli.js up', ups),
    line('docker compose up -d --wait', composes),
    ratio(ups, composes, 'below 0.5'),
    '  up asks everything that is running: containers, images and files against what they should be, roles and databases in',
    '  PostgreSQL, the records at the DNS provider, the roots and the directory of the certificate authority, the stored',
    '  certificate, what nginx serves for each name, users, groups and clients in Pocket ID, account, policies and token in',
    '  NetBird. It signs nobody in: a run that changed nothing proves nothing.',
    '  Compose compares each container with its file and waits until all are healthy; it asks none of them anything. It looks',
    '  at most every half second, which is part of what it takes.',
  );
  if (dropped > 0) say(`  ${dropped} runs of up found something to do and are left out`);
  if ((await world.containers()) !== before)
    say('  a container was recreated meanwhile: look twice at these figures');
  say('');
};

/** A cold `up`: until it ended, and until its last step was done, before the proof of the login. */
const coldUp = async ({ host }: World): Promise<{ readonly whole: number; readonly steps: number }> => {
  const child = host.start(['up', '--json']);
  const startedAt = monotonicMs();
  let steps = NaN;
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    if (chunk.toString().includes('"type":"done"')) steps = monotonicMs() - startedAt;
  });
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const code = await new Promise<number | null>((done) => child.once('close', done));
  if (code !== 0) throw new Error(`up ended with ${String(code)}: ${said.slice(-3000)}`);
  return { whole: monotonicMs() - startedAt, steps };
};

const benchCold = async (world: World): Promise<void> => {
  if ((await runProgram('lego', ['--version']).catch(() => undefined))?.code !== 0) {
    say('A first start is not measured: lego is not installed (Debian: apt-get install lego)', '');
    return;
  }
  const ups: { whole: number; steps: number }[] = [];
  const rows: Row[] = [];
  for (let run = 0; run < runs.cold; run += 1) {
    await world.empty();
    ups.push(await coldUp(world));
    await world.prepared();
    rows.push(await runRow(world));
  }
  const whole = ups.map((one) => one.whole);
  const inARow = rows.map((one) => one.compose + one.lego + one.apis);
  say(
    'A first start, images here, volumes empty',
    line('node dist/cli.js up, with its proof', whole),
    line(
      '  until its last step was done',
      ups.map((one) => one.steps),
    ),
    line('the same in a row', inARow),
    line(
      '  docker compose up -d --wait',
      rows.map((one) => one.compose),
    ),
    line(
      '  lego run',
      rows.map((one) => one.lego),
    ),
    line(
      '  the calls of both APIs',
      rows.map((one) => one.apis),
    ),
    ratio(whole, inARow, 'at most 0.7'),
    '  up begins with nothing but images: it makes secrets, files and variables, prepares the databases, writes the records of',
    '  its names, looks up the zone, asks every authoritative name server before the authority is asked, stores the',
    '  certificate, starts the renewer, and ends with a proof of the whole login.',
    '  The row is given secrets, files, variables, a script by which PostgreSQL makes the databases itself, and an old',
    '  certificate, without which nginx would not start. It writes no records of names, looks up no zone, asks no name server',
    '  whether a TXT record is there, starts no renewer, does not hand the new certificate to nginx, and proves nothing.',
    '',
  );
};

const benchVerbs = async (world: World): Promise<void> => {
  await converge(world.host);
  const node: number[] = [];
  const verbs: Record<string, number[]> = { '--help': [], status: [], plan: [], up: [] };
  const npm: number[] = [];
  for (let run = 0; run < runs.verbs; run += 1) {
    node.push((await timed(async () => runProgram(process.execPath, ['-e', '0']))).ms);
    for (const [verb, durations] of Object.entries(verbs))
      durations.push((await timed(async () => world.host.run([verb]))).ms);
    npm.push((await timed(async () => runProgram('npm', ['run', '-s', 'up'], world.host.env))).ms);
  }
  const of = (verb: string): Durations => verbs[verb] ?? [];
  const share = median(npm) - median(of('up'));
  say(
    'Verbs, everything as wanted',
    line('node -e 0', node),
    line('node dist/cli.js --help', of('--help')),
    line('node dist/cli.js status', of('status')),
    line('node dist/cli.js plan', of('plan')),
    line('node dist/cli.js up', of('up')),
    line('npm run -s up', npm),
    line('  of it npm, and looking after the packages, the build and the Engine', [share]),
    '  status and plan look at all that up looks at; the help loads nothing but the command line.',
    '',
  );
};

/** Those that need a sandbox of their own with an Engine; `acme` needs none. */
const parts = { converged: benchConverged, cold: benchCold, verbs: benchVerbs } as const;
type Part = keyof typeof parts;
const isPart = (name: string): name is Part => Object.hasOwn(parts, name);

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !isPart(name) && name !== 'acme');
if (unknown.length > 0)
  throw new Error(`no part ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}, acme`);

if (asked.length === 0 || asked.includes('acme')) await benchAcme();
const chosen = asked.length === 0 ? (Object.keys(parts) as Part[]) : asked.filter(isPart);
if (chosen.length > 0) {
  const world = await createWorld();
  try {
    for (const part of chosen) await parts[part](world);
  } finally {
    await world.host.remove();
  }
}
