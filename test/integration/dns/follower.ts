import { expect } from 'vitest';
import type { Cloudflare as Provider } from '../../../sandbox/cloudflare/server.ts';
import { createDnsArea } from '../../../src/dns/apply.ts';
import { createCloudflare } from '../../../src/dns/cloudflare.ts';
import { desiredDns } from '../../../src/dns/desired.ts';
import type { Followed } from '../../../src/dns/follow/files.ts';
import { leadNames } from '../../../src/dns/follow/lead.ts';
import { followLoop } from '../../../src/dns/follow/loop.ts';
import { findAddress } from '../../../src/dns/observe.ts';
import type { Http } from '../../../src/shared/http.ts';
import { tokens } from '../../support/cloudflare.ts';
import { effectsFor } from '../../support/steps.ts';
import { settingsWith } from '../../unit/dns/fixtures.ts';

const everyMs = 15;

/** What `up` writes for the renewer, for this provider. */
export const wishesFor = (server: Provider): Followed => {
  const settings = settingsWith('reachability: { mode: public }');
  const { address: _address, adopt: _adopt, ...followed } = desiredDns(settings, false);
  return { ...followed, api: server.apiUrl };
};

interface Line {
  readonly level: 'note' | 'warning';
  readonly text: string;
  readonly hint: string | undefined;
}

interface Given {
  readonly server: Provider;
  readonly http: Http;
  readonly folder: string;
}

/** Starts a follower that looks every few milliseconds; `token` and `followed` may be changed while it runs. */
export const startFollower = ({ server, http, folder }: Given) => {
  const stop = new AbortController();
  const said: Line[] = [];
  const works: string[] = [];
  const own = {
    token: tokens.edit.value as string,
    followed: wishesFor(server) as Followed | undefined,
    said,
    works,
    looks: 0,
    loads: 0,
    warnings: () => said.filter((line) => line.level === 'warning').map((line) => line.text),
    notes: () => said.filter((line) => line.level === 'note').map((line) => line.text),
    async stop() {
      stop.abort(new Error('the test is over'));
      await ended;
    },
  };
  const provider = () =>
    createCloudflare({
      api: server.apiUrl,
      http,
      token: async () => Promise.resolve(own.token),
      longestPauseMs: 0,
    });
  const ended = followLoop({
    async load() {
      own.loads += 1;
      return Promise.resolve(own.followed && { followed: own.followed, token: own.token });
    },
    async look({ api }, signal) {
      const found = await findAddress({ from: 'internet' }, api, http, signal);
      own.looks += 1;
      return found;
    },
    async work(address, signal) {
      works.push(address);
      const area = createDnsArea({ provider: provider(), http }, { adopt: false });
      if (own.followed === undefined) throw new Error('there is nothing to follow');
      return leadNames(own.followed, address, area, effectsFor(), signal);
    },
    folder,
    effects: effectsFor(),
    say: (level, text, hint) => said.push({ level, text, hint }),
    signal: stop.signal,
    everyMs,
  });
  return own;
};

export type Follower = ReturnType<typeof startFollower>;

/** Looks every 5 ms until it is so. */
export const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  await expect.poll(holds, { timeout: 60_000, interval: 5, message: what }).toBe(true);
};
