import { readFollowed } from '../dns/follow/files.ts';
import { followLoop, type FollowOptions } from '../dns/follow/loop.ts';
import { findAddress } from '../dns/observe.ts';
import type { Terminal } from '../context.ts';
import { followedInContainer } from '../settings/public-address.ts';
import { digestOf } from '../shared/files.ts';
import { createHttp } from '../shared/http.ts';
import { workInChild } from './renew-child.ts';
import { renewerFolder } from './renew-work.ts';

type Given = Pick<FollowOptions, 'effects' | 'say' | 'signal'> & {
  /** @throws {StackError} SECRET_UNREADABLE */
  readonly token: () => Promise<string>;
};

/**
 * The renewer's second task, beside certificates and held up by nothing that happens to them: follows a public address that
 * may change. It loads no SDK.
 */
export const followAddress = async ({ env, installation }: Terminal, given: Given): Promise<void> => {
  const { token, ...others } = given;
  const files = renewerFolder(env);
  const everyMs = Number(env['SKYLAB_LOOK_EVERY_MS']);
  const http = createHttp();
  try {
    await followLoop({
      ...others,
      async load() {
        const followed = await readFollowed(files);
        if (followed === undefined) return undefined;
        // coturn needs no token: that there is none is for those to say who need one.
        return { followed, token: await token().then(digestOf, () => 'none') };
      },
      look: async ({ api }, stop) => findAddress({ from: 'internet' }, api, http, stop),
      work: async (address, stop) => workInChild(installation, ['--work', address], stop),
      folder: env['SKYLAB_PUBLIC_ADDRESS'] ?? followedInContainer,
      ...(everyMs > 0 ? { everyMs } : {}),
    });
  } finally {
    http.close();
  }
};
