import type { Terminal } from '../context.ts';
import { renewLoop } from '../acme/renew.ts';
import { createEffects } from '../orchestrator/effects.ts';
import { renewPrivateNames } from '../acme/local/renewer.ts';
import { inContainer } from '../acme/render.ts';
import { readPair } from '../acme/store.ts';
import { frontInCerts } from '../ingress/doors/front.ts';
import { handOver, readCopies } from '../ingress/doors/hand-over.ts';
import { asStackError } from '../shared/errors.ts';
import { createHttp } from '../shared/http.ts';
import { createRedactor } from '../shared/redact.ts';
import { followAddress } from './follow-address.ts';
import { workInChild } from './renew-child.ts';
import { loadRenewer, renewerFolder } from './renew-work.ts';

const defaultHeartbeat = '/tmp/heartbeat';

/**
 * `renew --watch`: the certs service. Runs until it is told to stop; reads its files anew in every round. What is due is
 * done by processes of their own, `renew --work`, and what they load is gone with them.
 */
export const renewWatch = async (terminal: Terminal): Promise<number> => {
  const { env, signal, stderr, installation } = terminal;
  const redactor = createRedactor();
  const write = (text: string) => void stderr.write(`${redactor.clean(text)}\n`);
  const say = (level: 'note' | 'warning', text: string, hint?: string) => {
    write(
      `${new Date().toISOString()} ${level === 'warning' ? 'warning: ' : ''}${text}${hint === undefined ? '' : ` (${hint})`}`,
    );
  };
  const effects = createEffects({ redactor });
  const folder = renewerFolder(env);
  /** These depend on nothing outside, and what is wrong with one must keep neither the other nor the public names waiting. */
  const acts = [
    async () => {
      const names = await renewPrivateNames(folder, effects, signal);
      if (names.length > 0) say('note', `new certificate for ${names.join(', ')}`);
    },
    async () => {
      const copies = await readCopies(folder);
      const pairOf = async (of: string) => readPair(inContainer.certificates, of);
      const files = await handOver(frontInCerts, copies, pairOf, effects);
      if (files.length > 0) say('note', `new for the nginx that holds the port: ${files.join(', ')}`);
    },
  ].map((act) => ({ act, warned: '' }));
  const beside = async () => {
    for (const one of acts) {
      try {
        await one.act();
        one.warned = '';
      } catch (thrown) {
        if (signal.aborted) return;
        const { message, hint } = asStackError(thrown);
        if (message !== one.warned) say('warning', message, hint);
        one.warned = message;
      }
    }
  };
  const stop = new AbortController();
  const follow = () => {
    stop.abort(signal.reason);
  };
  signal.addEventListener('abort', follow, { once: true });
  const following = followAddress(terminal, {
    token: async () => (await loadRenewer(env, redactor)).token(),
    effects,
    say,
    signal: stop.signal,
  });
  try {
    await renewLoop({
      async load() {
        const { desired } = await loadRenewer(env, redactor);
        return { desired, ports: { http: (ca) => createHttp({ ca }) } };
      },
      work: async (limit) =>
        workInChild(installation, ['--work'], limit, (text, hint) => {
          say('warning', text, hint);
        }),
      effects,
      heartbeat: env['SKYLAB_HEARTBEAT'] ?? defaultHeartbeat,
      say,
      signal,
      beside,
    });
  } finally {
    follow();
    await following;
  }
  return 0;
};
