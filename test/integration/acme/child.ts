import { readFile } from 'node:fs/promises';
import { readSurroundings } from '../../../src/acme/area.ts';
import { obtain } from '../../../src/acme/issue.ts';
import type { AcmeDesired } from '../../../src/acme/policy.ts';
import { renewLoop } from '../../../src/acme/renew.ts';
import { workOnce } from '../../../src/acme/renewal/round.ts';
import { createEffects, parseKillPoint } from '../../../src/orchestrator/effects.ts';
import { createRedactor } from '../../../src/shared/redact.ts';
import { portsFor } from './ports.ts';

/*
 * A process of its own that orders a certificate: `child <wishes.json> order | renew <heartbeat>`.
 * It prints each effect before it happens, and how it ended; KILL_AT ends it hard, before:n or after:n.
 */
const [, , wishesPath = '', verb, heartbeat = ''] = process.argv;
const wanted = JSON.parse(await readFile(wishesPath, 'utf8')) as AcmeDesired;
const killPoint = parseKillPoint(process.env['KILL_AT']);
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    stop.abort(new Error(name));
  });
}
const say = (line: string) => process.stdout.write(`${line}\n`);
const effects = createEffects({
  redactor: createRedactor(),
  onEffect: (_kind, what, number) => say(`${number} ${what}`),
  ...(killPoint === undefined ? {} : { killPoint, kill: () => process.kill(process.pid, 'SIGKILL') }),
});
const ports = portsFor(wanted, 'the child');
const warn = (text: string) => void say(`warning: ${text}`);

try {
  if (verb === 'renew') {
    await renewLoop({
      load: async () => Promise.resolve({ desired: wanted, ports }),
      work: async (signal) => workOnce({ desired: wanted, ports, warn }, effects, signal),
      effects,
      heartbeat,
      say: (level, text) => say(`${level}: ${text}`),
      signal: stop.signal,
    });
    say('ended');
  } else {
    const around = await readSurroundings(wanted, ports, stop.signal);
    say(await obtain({ desired: wanted, ports, effects, warn }, around, false, stop.signal));
  }
  process.exit(0);
} catch (error) {
  say(`failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(3);
}
